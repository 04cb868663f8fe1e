package diff

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
	"sigs.k8s.io/structured-merge-diff/v6/typed"
)

// differences lists the fields in which the stored object would differ, once
// merged has been written the way the server writes it.
func (c *comparison) differences(merged *typed.TypedValue) ([]Field, error) {
	next, ok := merged.AsValue().Unstructured().(map[string]any)
	if !ok {
		return nil, c.undecided(errors.New("the merged object is not an object"))
	}
	if isSecret(c.key) {
		next = foldStringData(next)
	}
	live, next := c.ignored.drop(c.liveObject), c.ignored.drop(next)
	walk := func(live, next map[string]any) []difference {
		w := walker{schema: merged.Schema()}
		return w.differences(merged.TypeRef(), live, next)
	}
	if len(walk(live, tidy(next))) == 0 {
		return nil, nil
	}
	written, err := roundTrip(c.in.Desired.GroupVersionKind(), next)
	switch {
	case err != nil:
		return nil, invalid(c.key, err)
	case written != nil && lossy(next, written):
		return nil, c.undecided(errors.New("the server knows fields of this kind that are not known here"))
	case written != nil:
		next = written
	}
	next = tidy(next)
	if isSecret(c.key) {
		m := newMask()
		live, next = m.secret(live), m.secret(next)
	}
	c.leaves = c.set.Leaves()
	found, err := c.expectDefaults(walk(live, next))
	if err != nil {
		return nil, err
	}
	return c.attribute(found), nil
}

// tidy leaves out the metadata that every kind drops when it is empty.
func tidy(obj map[string]any) map[string]any {
	metadata, _ := obj["metadata"].(map[string]any)
	var names []string
	for _, name := range []string{"labels", "annotations", "finalizers", "ownerReferences"} {
		if v, ok := metadata[name]; ok && empty(v) && !hasEntries(v) {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return obj
	}
	return with(obj, "metadata", without(metadata, names...))
}

func hasEntries(v any) bool { m, ok := v.(map[string]any); return ok && len(m) > 0 }

// expectDefaults looks at the fields that would be gone: the server may put a
// default there, so that the field stays as it is or gets another value.
func (c *comparison) expectDefaults(found []difference) ([]difference, error) {
	gvk := c.in.Desired.GroupVersionKind()
	var out []difference
	var unknown string
	for _, d := range found {
		if d.Op != Removed {
			out = append(out, d)
			continue
		}
		def, known := serverDefault(gvk, d.slot)
		switch {
		case known && (def == keeps || equal(def, d.Old)):
		case known:
			d.Op, d.New = Changed, def
			out = append(out, d)
		case native(gvk.Group) && c.within(d.path):
			unknown = d.Path
		default:
			out = append(out, d)
		}
	}
	if len(out) == 0 && unknown != "" {
		return nil, c.undecided(fmt.Errorf("%s is left empty and the server has a value", unknown))
	}
	return out, nil
}

// within reports whether path is declared, or lies in something that is declared
// as a whole. What the server makes of a gap there is its own affair: outside,
// a gap is left as it is in the live object.
func (c *comparison) within(path fieldpath.Path) bool {
	for i := range path {
		if c.leaves.Has(path[:i+1]) {
			return true
		}
	}
	return false
}

// attribute names the other managers that hold the live values.
func (c *comparison) attribute(found []difference) []Field {
	fields := make([]Field, 0, len(found))
	sets := make([]*fieldpath.Set, 0, len(c.ownership.others))
	for _, other := range c.ownership.others {
		set, err := other.set()
		if err != nil {
			set = &fieldpath.Set{}
		}
		sets = append(sets, set)
	}
	for _, d := range found {
		var owners []string
		for i, set := range sets {
			if d.Op != Added && set.Has(d.path) {
				owners = append(owners, c.ownership.others[i].manager)
			}
		}
		slices.Sort(owners)
		d.Owner = strings.Join(slices.Compact(owners), ",")
		fields = append(fields, d.Field)
	}
	return fields
}

func updateReason(fields []Field) string {
	if len(fields) == 1 {
		return "1 field differs"
	}
	return fmt.Sprintf("%d fields differ", len(fields))
}

func (c *comparison) adoptReason() string {
	if taken := c.ownership.taken; len(taken) > 0 {
		return "takes over fields of " + strings.Join(taken, ", ")
	}
	own, set := c.ownership.own, c.set
	missing, extra := set.Difference(own).Size(), own.Difference(set).Size()
	switch {
	case own.Empty():
		return fmt.Sprintf("live already equals it; %s will own its fields", c.in.Manager)
	case missing == 0:
		return fmt.Sprintf("%d fields are no longer declared and keep their values", extra)
	case extra == 0:
		return fmt.Sprintf("%d more fields are declared with the values they have", missing)
	}
	return fmt.Sprintf("%d fields are newly declared, %d no longer; the values stay", missing, extra)
}
