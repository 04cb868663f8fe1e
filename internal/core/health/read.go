package health

import (
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// The readers below take what is there and never fail: an absent field and one
// of another type read as the zero value or as the given default.

func field(in map[string]any, path ...string) any {
	var at any = in
	for _, name := range path {
		m, ok := at.(map[string]any)
		if !ok {
			return nil
		}
		at = m[name]
	}
	return at
}

func text(in map[string]any, path ...string) string {
	s, _ := field(in, path...).(string)
	return s
}

func truth(in map[string]any, path ...string) bool {
	b, _ := field(in, path...).(bool)
	return b
}

func list(in map[string]any, path ...string) []any {
	l, _ := field(in, path...).([]any)
	return l
}

// number reads an integer in whatever form a decoder left it.
func number(in map[string]any, path ...string) (int64, bool) {
	switch n := field(in, path...).(type) {
	case int64:
		return n, true
	case int:
		return int64(n), true
	case int32:
		return int64(n), true
	case float64:
		if n >= math.MinInt64 && n < math.MaxInt64 { // false for NaN too
			return int64(n), true
		}
	case json.Number:
		if i, err := n.Int64(); err == nil {
			return i, true
		}
	}
	return 0, false
}

func count(in map[string]any, path ...string) int64 {
	n, _ := number(in, path...)
	return n
}

// wanted reads spec.replicas, which the API server defaults to 1.
func wanted(obj *unstructured.Unstructured) int64 {
	if n, ok := number(obj.Object, "spec", "replicas"); ok {
		return n
	}
	return 1
}

// unobserved reports that the controller has not seen the newest spec.
func unobserved(obj *unstructured.Unstructured) (Status, bool) {
	generation := count(obj.Object, "metadata", "generation")
	observed := count(obj.Object, "status", "observedGeneration")
	if observed >= generation {
		return Status{}, false
	}
	return waitsForController(generation, observed), true
}

func waitsForController(generation, observed int64) Status {
	return Status{Progressing, "Waits for its controller to observe generation " +
		strconv.FormatInt(generation, 10) + ", last observed " + strconv.FormatInt(observed, 10)}
}

// A condition is an entry of status.conditions.
type condition struct {
	Type, Status, Reason, Message string
	ObservedGeneration            int64 // 0 when absent
}

func conditions(obj *unstructured.Unstructured) []condition {
	entries := list(obj.Object, "status", "conditions")
	out := make([]condition, 0, len(entries))
	for _, entry := range entries {
		m, ok := entry.(map[string]any)
		if !ok {
			continue
		}
		out = append(out, condition{
			Type:               text(m, "type"),
			Status:             text(m, "status"),
			Reason:             text(m, "reason"),
			Message:            text(m, "message"),
			ObservedGeneration: count(m, "observedGeneration"),
		})
	}
	return out
}

// find returns the first condition of a type; a zero condition is not true.
func find(cs []condition, typ string) condition {
	i := slices.IndexFunc(cs, func(c condition) bool { return c.Type == typ })
	if i < 0 {
		return condition{}
	}
	return cs[i]
}

func (c condition) exists() bool  { return c.Type != "" }
func (c condition) isTrue() bool  { return c.Status == "True" }
func (c condition) isFalse() bool { return c.Status == "False" }

// because appends what a condition gives as its cause: "subject: reason: message".
func (c condition) because(subject string) string {
	return join(subject, c.Reason, c.Message)
}

// join puts ": " between the parts that are not empty.
func join(parts ...string) string {
	parts = slices.DeleteFunc(slices.Clone(parts), func(s string) bool { return strings.TrimSpace(s) == "" })
	return strings.Join(parts, ": ")
}

// firstFew joins up to three texts in their order and counts the rest.
func firstFew(texts []string, separator string) string {
	const shown = 3
	if len(texts) <= shown {
		return strings.Join(texts, separator)
	}
	return strings.Join(texts[:shown], separator) + separator + "and " + strconv.Itoa(len(texts)-shown) + " more"
}
