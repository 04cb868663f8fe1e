package diff

import (
	"slices"

	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
	smd "sigs.k8s.io/structured-merge-diff/v6/schema"
	"sigs.k8s.io/structured-merge-diff/v6/value"
)

// item is one entry of a keyed list or a set.
type item struct {
	element fieldpath.PathElement
	name    string // text of element
	value   any
}

// index names the items of a keyed list or set. It fails when an item has no
// name of its own.
func (w *walker) index(t *smd.List, list []any) ([]item, bool) {
	out := make([]item, 0, len(list))
	seen := make(map[string]bool, len(list))
	for _, v := range list {
		element, ok := w.element(t, v)
		if !ok {
			return nil, false
		}
		name := elementText(element)
		if seen[name] {
			return nil, false
		}
		seen[name] = true
		out = append(out, item{element: element, name: name, value: v})
	}
	return out, true
}

func (w *walker) element(t *smd.List, v any) (fieldpath.PathElement, bool) {
	if len(t.Keys) == 0 {
		switch v.(type) {
		case nil, map[string]any, []any:
			return fieldpath.PathElement{}, false
		}
		return fieldpath.ValueElement(value.NewValueInterface(v)), true
	}
	m, ok := v.(map[string]any)
	if !ok {
		return fieldpath.PathElement{}, false
	}
	atom, _ := w.schema.Resolve(t.ElementType)
	keys := make(value.FieldList, 0, len(t.Keys))
	for _, name := range t.Keys {
		key, ok := m[name]
		if !ok {
			key = fieldOf(atom.Map, name).Default
		}
		keys = append(keys, value.Field{Name: name, Value: value.NewValueInterface(key)})
	}
	keys.Sort()
	return fieldpath.PathElement{Key: &keys}, true
}

// items compares by name, then the order of what both sides have.
func (w *walker) items(path fieldpath.Path, at slot, live, next []item) {
	byName := make(map[string]item, len(next))
	for _, n := range next {
		byName[n.name] = n
	}
	var common []string
	for _, l := range live {
		n, ok := byName[l.name]
		if !ok {
			w.value(append(path, l.element), at, l.value, absent{})
			continue
		}
		common = append(common, l.name)
		w.value(append(path, l.element), at, l.value, n.value)
		delete(byName, l.name)
	}
	var order []string
	for _, n := range next {
		if _, isNew := byName[n.name]; isNew {
			w.value(append(path, n.element), at, absent{}, n.value)
			continue
		}
		order = append(order, n.name)
	}
	if !slices.Equal(common, order) {
		w.found = append(w.found, difference{
			path:  path.Copy(),
			Field: Field{Path: text(path), Op: Reordered, Old: anyList(common), New: anyList(order)},
		})
	}
}

func anyList(names []string) []any {
	out := make([]any, len(names))
	for i, name := range names {
		out[i] = name
	}
	return out
}
