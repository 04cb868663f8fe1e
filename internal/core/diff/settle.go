package diff

import (
	"encoding/base64"
	"maps"
	"slices"

	"sigs.k8s.io/structured-merge-diff/v6/typed"
	"sigs.k8s.io/structured-merge-diff/v6/value"

	"github.com/plumbline-dev/plumbline/internal/core/object"
)

// assigned is the metadata that only the server writes.
var assigned = []string{
	"creationTimestamp", "deletionGracePeriodSeconds", "deletionTimestamp", "generation",
	"managedFields", "resourceVersion", "selfLink", "uid",
}

// strip returns obj without what an apply cannot change: the metadata that the
// server assigns, and the status where that is a subresource.
func (c *comparison) strip(obj map[string]any) map[string]any {
	obj = unassigned(obj)
	if _, ok := obj["status"]; ok && !c.in.PlainStatus {
		return without(obj, "status")
	}
	return obj
}

// unassigned returns obj without the metadata that the server assigns. It copies
// only what it changes.
func unassigned(obj map[string]any) map[string]any {
	metadata, ok := obj["metadata"].(map[string]any)
	if !ok || !slices.ContainsFunc(assigned, func(name string) bool { _, ok := metadata[name]; return ok }) {
		return obj
	}
	return with(obj, "metadata", without(metadata, assigned...))
}

// retype gives v's type to obj.
func retype(v *typed.TypedValue, obj map[string]any) *typed.TypedValue {
	return typed.AsTypedUnvalidated(value.NewValueInterface(obj), v.Schema(), v.TypeRef())
}

// precondition names the metadata by which desired demands another object, or
// another state of it, than live.
func precondition(desired, live map[string]any) string {
	want, _ := desired["metadata"].(map[string]any)
	have, _ := live["metadata"].(map[string]any)
	for _, name := range []string{"resourceVersion", "uid"} {
		if v, ok := want[name].(string); ok && v != "" && v != have[name] {
			return "metadata." + name
		}
	}
	return ""
}

func isSecret(key object.Key) bool { return key.Group == "" && key.Kind == "Secret" }

// foldStringData moves a Secret's stringData into data as the server does.
func foldStringData(obj map[string]any) map[string]any {
	plain, ok := obj["stringData"].(map[string]any)
	if !ok {
		return without(obj, "stringData")
	}
	old, _ := obj["data"].(map[string]any)
	data := maps.Clone(old)
	if data == nil {
		data = map[string]any{}
	}
	for name, v := range plain {
		s, _ := v.(string)
		data[name] = base64.StdEncoding.EncodeToString([]byte(s))
	}
	out := without(obj, "stringData")
	if len(data) > 0 {
		out["data"] = data
	}
	return out
}

// with returns a copy of m in which name is v.
func with(m map[string]any, name string, v any) map[string]any {
	out := make(map[string]any, len(m)+1)
	for k, old := range m {
		out[k] = old
	}
	out[name] = v
	return out
}

// without returns a copy of m that lacks names.
func without(m map[string]any, names ...string) map[string]any {
	out := make(map[string]any, len(m))
	for k, v := range m {
		if !slices.Contains(names, k) {
			out[k] = v
		}
	}
	return out
}

// deeper reports whether v nests more than limit levels.
func deeper(v any, limit int) bool {
	if limit < 0 {
		return true
	}
	switch v := v.(type) {
	case map[string]any:
		for _, child := range v {
			if deeper(child, limit-1) {
				return true
			}
		}
	case []any:
		for _, child := range v {
			if deeper(child, limit-1) {
				return true
			}
		}
	}
	return false
}
