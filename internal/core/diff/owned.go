package diff

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Owned returns the digest of what manager owns of live through its applies: the
// fields, and the values they have. It changes exactly when one of these fields
// has another value, is gone, changes its order among those of ours, or is no
// longer ours; what others own, the status and the server's bookkeeping do not
// touch it. The digest of an object that was just applied, kept, therefore tells
// whether a later version of it has drifted.
//
// It is false when manager has no such fields, or managedFields cannot be read.
// Cost: some 20 µs for a Deployment. It needs no schema.
func Owned(live *unstructured.Unstructured, manager string) (Digest, bool) {
	if live == nil || manager == "" {
		return Digest{}, false
	}
	all, err := claims(live)
	if err != nil {
		return Digest{}, false
	}
	i := slices.IndexFunc(all, func(c claim) bool { return c.is(manager) })
	if i < 0 || len(all[i].fields) == 0 {
		return Digest{}, false
	}
	p := projection{sink: newSink()}
	for j, other := range all {
		if j != i {
			p.others = append(p.others, other.fields)
		}
	}
	p.sink.string(all[i].apiVersion)
	p.object(all[i].fields, live.Object, p.others, 0)
	return p.sink.sum(), !p.failed
}

// typeName names the Go type of a value that is not JSON.
func typeName(v any) string { return fmt.Sprintf("%T", v) }

// projection hashes the part of an object that a field set names.
type projection struct {
	sink   *sink
	others []map[string]any
	failed bool
}

// object hashes what fields names of v. others are the same place in the field
// sets of the other managers.
func (p *projection) object(fields map[string]any, v any, others []map[string]any, depth int) {
	if depth > maxDepth {
		p.failed = true
		return
	}
	names := make([]string, 0, len(fields))
	keyed := false
	for name := range fields {
		switch {
		case name == ".":
		case strings.HasPrefix(name, "f:"):
			names = append(names, name)
		default:
			keyed = true
		}
	}
	slices.Sort(names)
	m, _ := v.(map[string]any)
	for _, name := range names {
		p.sink.string(name)
		child, ok := m[name[2:]]
		p.child(fields[name], child, ok, place{others: others, name: name, depth: depth})
	}
	if keyed {
		p.list(fields, v, others, depth)
	}
}

// place is where a child sits: its name in the field sets of the other managers.
type place struct {
	others []map[string]any
	name   string
	depth  int
}

func (p *projection) child(below, v any, present bool, at place) {
	fields, ok := below.(map[string]any)
	if !ok {
		p.failed = true
		return
	}
	others := descend(at.others, at.name)
	_, self := fields["."]
	switch below := len(fields) > 1 || len(fields) == 1 && !self; {
	case below:
		p.sink.tag(tagPresent, 0)
		p.object(fields, v, others, at.depth+1)
	case !present, container(v) && (len(others) > 0 || hollow(v)):
		// Ours is at most the container; its content, if any, is theirs. Were
		// ours removed, the field would have left our set.
		p.sink.tag(tagMissing, 0)
	default:
		p.sink.value(v, at.depth+1)
	}
}

func hollow(v any) bool {
	switch v := v.(type) {
	case map[string]any:
		return len(v) == 0
	case []any:
		return len(v) == 0
	}
	return false
}

func container(v any) bool {
	switch v.(type) {
	case map[string]any, []any:
		return true
	}
	return false
}

// descend follows name in the other field sets, to those that own something below it.
func descend(others []map[string]any, name string) []map[string]any {
	var out []map[string]any
	for _, fields := range others {
		below, _ := fields[name].(map[string]any)
		if _, self := below["."]; len(below) > 1 || len(below) == 1 && !self {
			out = append(out, below)
		}
	}
	return out
}

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
