package diff

import (
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
	smd "sigs.k8s.io/structured-merge-diff/v6/schema"
	"sigs.k8s.io/structured-merge-diff/v6/typed"

	"github.com/plumbline-dev/plumbline/internal/core/jq"
)

// Respect returns in.Desired changed so that an apply leaves alone what in ignores.
// What another manager owns is left out, and so stays with its owner; what nobody
// else owns is declared as it is live; what is not there live is not declared. Items
// of lists that are new are applied as declared, and so is an item of a list without
// keys, unless both lists have the same length.
//
// With replace the object is not applied but written whole: what others own is then
// declared as it is live, too.
//
// Without a live object, or where nothing is ignored, in.Desired itself is returned.
func Respect(in Input, replace bool) (*unstructured.Unstructured, error) {
	if in.Live == nil || len(in.IgnoreFields)+len(in.IgnoreQueries)+len(in.IgnoreManagers) == 0 {
		return in.Desired, nil
	}
	c, err := newComparison(in)
	if err != nil {
		return nil, err
	}
	if err := c.readLive(); err != nil {
		return nil, err
	}
	whole, err := c.converter.ObjectToTyped(in.Desired)
	if err != nil {
		return nil, invalid(c.key, err)
	}
	r := respect{comparison: c, walker: walker{schema: whole.Schema()}, ref: whole.TypeRef(), replace: replace}
	if err := r.sort(); err != nil {
		return nil, fmt.Errorf("%s: ignored %w", c.key, err)
	}
	merged, err := whole.RemoveItems(r.leave).Merge(c.live.ExtractItems(r.keep, typed.WithAppendKeyFields()))
	if err != nil {
		return nil, c.undecided(err)
	}
	obj, ok := merged.AsValue().Unstructured().(map[string]any)
	if !ok {
		return nil, c.undecided(fmt.Errorf("with ignored fields it is no object"))
	}
	for _, path := range r.whole {
		obj = r.copyItem(obj, path).(map[string]any)
	}
	out := &unstructured.Unstructured{Object: obj}
	out.SetGroupVersionKind(in.Desired.GroupVersionKind())
	return out, nil
}

// respect sorts what is ignored by what has to become of it.
type respect struct {
	*comparison
	walker  walker
	ref     smd.TypeRef
	replace bool

	leave *fieldpath.Set // is not declared as the source says
	keep  *fieldpath.Set // is declared as it is live
	whole []jq.Path      // items of lists that are applied as a whole, declared as they are live
}

func (r *respect) sort() error {
	liveSet, err := r.live.ToFieldSet()
	if err != nil {
		return err
	}
	desiredSet, err := r.desired.ToFieldSet()
	if err != nil {
		return err
	}
	var roots []fieldpath.Path
	for _, obj := range []map[string]any{r.liveObject, r.desiredObject} {
		paths, err := r.ignored.paths(obj)
		if err != nil {
			return err
		}
		for _, path := range paths {
			keyed, straight := r.keyed(obj, path)
			switch {
			case straight:
				roots = append(roots, keyed)
			default:
				r.whole = append(r.whole, path)
			}
		}
	}
	managed := r.ownership.heldBy(r.in.IgnoreManagers)
	others := &fieldpath.Set{}
	for _, other := range r.ownership.others {
		if set, err := other.set(); err == nil {
			others = others.Union(set)
		}
	}
	ignored := func(path fieldpath.Path) bool {
		return !unowned.Has(path) && (managed.Has(path) || slices.ContainsFunc(roots, func(root fieldpath.Path) bool {
			return len(root) <= len(path) && root.Equals(path[:len(root)])
		}))
	}
	r.leave, r.keep = &fieldpath.Set{}, &fieldpath.Set{}
	desiredSet.Iterate(func(path fieldpath.Path) {
		if ignored(path) && !r.inNewItem(path, liveSet) {
			r.leave.Insert(path.Copy())
		}
	})
	liveSet.Iterate(func(path fieldpath.Path) {
		if ignored(path) && (r.replace || !others.Has(path) && (r.ownership.last.Has(path) || desiredSet.Has(path))) {
			r.keep.Insert(path.Copy())
		}
	})
	return nil
}

// inNewItem reports whether path lies in an item that live does not have.
func (r *respect) inNewItem(path fieldpath.Path, live *fieldpath.Set) bool {
	for i, step := range path {
		if step.Key != nil && !live.Has(path[:i+1]) {
			return true
		}
	}
	return false
}

// keyed translates a path of names and positions into one of names and keys. It
// fails when the path leads into a list that is applied as a whole.
func (r *respect) keyed(obj map[string]any, path jq.Path) (fieldpath.Path, bool) {
	var out fieldpath.Path
	var at any = obj
	ref := r.ref
	for _, step := range path {
		atom, _ := r.walker.schema.Resolve(ref)
		switch v := at.(type) {
		case map[string]any:
			name, ok := step.(string)
			if !ok {
				return nil, false
			}
			out = append(out, fieldpath.FieldNameElement(name))
			at, ref = v[name], fieldOf(atom.Map, name).Type
		case []any:
			i, ok := step.(int)
			if !ok || i >= len(v) || atom.List == nil || atom.List.ElementRelationship != smd.Associative {
				return nil, false
			}
			element, ok := r.walker.element(atom.List, v[i])
			if !ok {
				return nil, false
			}
			out = append(out, element)
			at, ref = v[i], atom.List.ElementType
		default:
			return out, true // it is not there
		}
	}
	return out, true
}

// copyItem returns v with what lies at path as it is live, where every list on the
// way has as many items as live.
func (r *respect) copyItem(v any, path jq.Path) any {
	return copied(v, r.liveObject, path)
}

func copied(v, live any, path jq.Path) any {
	if len(path) == 0 {
		return live
	}
	switch at := v.(type) {
	case map[string]any:
		from, ok := live.(map[string]any)
		name, named := path[0].(string)
		if !ok || !named {
			return v
		}
		value, there := from[name]
		switch _, declared := at[name]; {
		case there && (declared || len(path) == 1):
			return with(at, name, copied(at[name], value, path[1:]))
		case len(path) == 1 && declared:
			return without(at, name)
		}
	case []any:
		from, ok := live.([]any)
		i, numbered := path[0].(int)
		if ok && numbered && i < len(at) && len(from) == len(at) {
			out := slices.Clone(at)
			out[i] = copied(at[i], from[i], path[1:])
			return out
		}
	}
	return v
}
