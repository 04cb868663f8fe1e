package diff

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
)

const lastApplied = "kubectl.kubernetes.io/last-applied-configuration"

// mask replaces the values of Secrets. A mask is a number given in the order of
// appearance: it says which values are equal and nothing else.
type mask struct{ numbers map[string]int }

func newMask() *mask { return &mask{numbers: map[string]int{}} }

// secret returns the Secret obj without its values, also inside the annotation
// in which kubectl keeps the whole object.
func (m *mask) secret(obj map[string]any) map[string]any {
	out := m.values(obj)
	metadata, _ := obj["metadata"].(map[string]any)
	annotations, _ := metadata["annotations"].(map[string]any)
	kept, ok := annotations[lastApplied]
	if !ok {
		return out
	}
	return with(out, "metadata", with(metadata, "annotations", with(annotations, lastApplied, m.embedded(kept))))
}

func (m *mask) values(obj map[string]any) map[string]any {
	for _, name := range []string{"data", "stringData"} {
		held, ok := obj[name]
		if !ok {
			continue
		}
		entries, ok := held.(map[string]any)
		if !ok {
			if held != nil {
				obj = with(obj, name, m.value(held))
			}
			continue
		}
		masked := make(map[string]any, len(entries))
		for _, key := range slices.Sorted(maps.Keys(entries)) {
			masked[key] = m.value(entries[key])
		}
		obj = with(obj, name, masked)
	}
	return obj
}

// embedded masks a Secret that is written as JSON in a string; what cannot be
// read is masked as a whole.
func (m *mask) embedded(v any) any {
	s, _ := v.(string)
	var obj map[string]any
	if err := json.Unmarshal([]byte(s), &obj); err != nil || obj == nil {
		return m.value(v)
	}
	raw, err := json.Marshal(m.secret(obj))
	if err != nil {
		return m.value(v)
	}
	return string(raw)
}

func (m *mask) value(v any) any {
	raw, err := json.Marshal(v)
	if err != nil {
		return "***"
	}
	n, ok := m.numbers[string(raw)]
	if !ok {
		n = len(m.numbers) + 1
		m.numbers[string(raw)] = n
	}
	return fmt.Sprintf("***%d", n)
}
