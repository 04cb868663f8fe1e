package diff

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// list hashes the owned items of a keyed list or a set in the order they have.
func (p *projection) list(fields map[string]any, v any, others []map[string]any, depth int) {
	items, _ := v.([]any)
	left := map[string]any{}
	for name, below := range fields {
		if name != "." && !strings.HasPrefix(name, "f:") {
			left[canonicalName(name)] = below
		}
	}
	shapes := keyShapes(left)
	for i, item := range items {
		for _, name := range itemNames(shapes, item, i) {
			below, owned := left[name]
			if !owned {
				continue
			}
			p.sink.string(name)
			p.child(below, item, true, place{others: others, name: name, depth: depth})
			delete(left, name)
			break
		}
	}
	for _, name := range slices.Sorted(maps.Keys(left)) {
		p.sink.string(name)
		p.sink.tag(tagMissing, 0)
	}
}

// canonicalName writes the name of an item in the spelling that itemNames uses;
// only characters that JSON may escape or not can make a difference.
func canonicalName(name string) string {
	if len(name) < 2 || !strings.ContainsAny(name, "\\<>&\u2028\u2029") {
		return name
	}
	var v any
	if json.Unmarshal([]byte(name[2:]), &v) != nil {
		return name
	}
	raw, err := json.Marshal(v)
	if err != nil {
		return name
	}
	return name[:2] + string(raw)
}

// keyShapes returns the distinct lists of key fields by which items are named.
func keyShapes(fields map[string]any) [][]string {
	var shapes [][]string
	for name := range fields {
		text, ok := strings.CutPrefix(name, "k:")
		if !ok {
			continue
		}
		var key map[string]any
		if json.Unmarshal([]byte(text), &key) != nil {
			continue
		}
		shape := slices.Sorted(maps.Keys(key))
		if !slices.ContainsFunc(shapes, func(s []string) bool { return slices.Equal(s, shape) }) {
			shapes = append(shapes, shape)
		}
	}
	return shapes
}

// itemNames returns the names an item at index i may have in a field set.
func itemNames(shapes [][]string, item any, i int) []string {
	m, ok := item.(map[string]any)
	if !ok {
		raw, err := json.Marshal(item)
		if err != nil {
			return nil
		}
		return []string{"v:" + string(raw), fmt.Sprintf("i:%d", i)}
	}
	names := make([]string, 0, len(shapes)+1)
	for _, shape := range shapes {
		if name, ok := keyName(shape, m); ok {
			names = append(names, name)
		}
	}
	return append(names, fmt.Sprintf("i:%d", i))
}

// keyName writes the key of an item as the server writes it in a field set:
// fields sorted, no spaces.
func keyName(shape []string, item map[string]any) (string, bool) {
	var b strings.Builder
	b.WriteString("k:{")
	for i, field := range shape {
		v, ok := item[field]
		if !ok {
			return "", false
		}
		name, errName := json.Marshal(field)
		raw, errValue := json.Marshal(v)
		if errName != nil || errValue != nil {
			return "", false
		}
		if i > 0 {
			b.WriteByte(',')
		}
		b.Write(name)
		b.WriteByte(':')
		b.Write(raw)
	}
	b.WriteByte('}')
	return b.String(), true
}
