package diff

import (
	"maps"
	"slices"

	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
	smd "sigs.k8s.io/structured-merge-diff/v6/schema"
	"sigs.k8s.io/structured-merge-diff/v6/value"
)

// difference is a Field while its cause is still looked into.
type difference struct {
	Field
	path fieldpath.Path
	slot slot
}

// walker lists where two values of one type differ. It descends as far as both
// sides are alike in shape, so that a field names the smallest thing that
// differs: an item of a keyed list by its keys, of another list by its index.
type walker struct {
	schema *smd.Schema
	native bool // the kind is stored through Go types, which cannot tell an empty list from none
	found  []difference
}

// absent stands for a field that is not there, other than one that is null.
type absent struct{}

func isAbsent(v any) bool { _, ok := v.(absent); return ok }

func equal(a, b any) bool {
	if isAbsent(a) || isAbsent(b) {
		return isAbsent(a) && isAbsent(b)
	}
	return value.Equals(value.NewValueInterface(a), value.NewValueInterface(b))
}

// differences compares two objects of the type tr.
func (w *walker) differences(tr smd.TypeRef, live, next map[string]any) []difference {
	w.value(fieldpath.Path{}, slot{field: smd.StructField{Type: tr}}, live, next)
	slices.SortStableFunc(w.found, func(a, b difference) int { return a.path.Compare(b.path) })
	return w.found
}

func (w *walker) value(path fieldpath.Path, at slot, live, next any) {
	if equal(live, next) || w.native && noItems(live) && noItems(next) {
		return
	}
	atom, _ := w.schema.Resolve(at.field.Type)
	switch l := live.(type) {
	case map[string]any:
		if n, ok := next.(map[string]any); ok {
			w.object(path, typedMap{ref: at.field.Type, whole: at.whole, Map: atom.Map}, l, n)
			return
		}
	case []any:
		if n, ok := next.([]any); ok && w.list(path, typedList{whole: at.whole, List: atom.List}, l, n) {
			return
		}
	}
	w.add(path, at, live, next)
}

// noItems reports whether v is an empty list or a null that may stand for one.
func noItems(v any) bool {
	list, ok := v.([]any)
	return v == nil || ok && len(list) == 0
}

func (w *walker) add(path fieldpath.Path, at slot, live, next any) {
	d := difference{path: path.Copy(), slot: at}
	d.Path, d.Op, d.Old, d.New = text(path), Changed, live, next
	switch {
	case isAbsent(live):
		d.Op, d.Old = Added, nil
	case isAbsent(next):
		d.Op, d.New = Removed, nil
	}
	w.found = append(w.found, d)
}

// typedMap is a map type and the reference by which it was found.
type typedMap struct {
	ref   smd.TypeRef
	whole bool
	*smd.Map
}

func (w *walker) object(path fieldpath.Path, t typedMap, live, next map[string]any) {
	names := slices.Collect(maps.Keys(live))
	for name := range next {
		if _, ok := live[name]; !ok {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		at := slot{field: fieldOf(t.Map, name), owner: typeOf(t.ref), name: name, siblings: next}
		at.whole = t.whole || t.Map != nil && t.ElementRelationship == smd.Atomic
		at.declared = t.Map != nil && declares(t.Map, name)
		l, n := lookup(live, name), lookup(next, name)
		if n == nil && at.field.Default != nil && !at.field.Type.Nullable {
			n = absent{} // the server drops a null where none is allowed for the default
		}
		w.value(append(path, fieldpath.FieldNameElement(name)), at, l, n)
	}
}

func lookup(m map[string]any, name string) any {
	if v, ok := m[name]; ok {
		return v
	}
	return absent{}
}

func declares(t *smd.Map, name string) bool { _, ok := t.FindField(name); return ok }

func fieldOf(t *smd.Map, name string) smd.StructField {
	if t == nil {
		return smd.StructField{}
	}
	if field, ok := t.FindField(name); ok {
		return field
	}
	return smd.StructField{Type: t.ElementType}
}

// typedList is a list type and whether the list is part of something that is
// taken as a whole.
type typedList struct {
	whole bool
	*smd.List
}

// list compares two lists item by item. It returns false when they are better
// shown as a whole: lists of scalars, and lists of which no item can be named.
func (w *walker) list(path fieldpath.Path, t typedList, live, next []any) bool {
	at := slot{whole: t.whole || t.List == nil || t.ElementRelationship != smd.Associative}
	if t.List != nil {
		at.field.Type = t.ElementType
	}
	if t.List != nil && t.ElementRelationship == smd.Associative {
		l, okLive := w.index(t.List, live)
		n, okNext := w.index(t.List, next)
		if okLive && okNext {
			w.items(path, at, l, n)
			return true
		}
	}
	if !containers(live) || !containers(next) {
		return false
	}
	for i := range max(len(live), len(next)) {
		var l, n any = absent{}, absent{}
		if i < len(live) {
			l = live[i]
		}
		if i < len(next) {
			n = next[i]
		}
		w.value(append(path, fieldpath.IndexElement(i)), at, l, n)
	}
	return true
}

func containers(list []any) bool {
	return len(list) > 0 && !slices.ContainsFunc(list, func(v any) bool {
		switch v.(type) {
		case map[string]any, []any:
			return false
		}
		return true
	})
}
