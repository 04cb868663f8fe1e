package diff

import (
	"fmt"
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// problems finds the fields of obj that cannot be read into the Go type of gvk:
// those that cannot even when they are all there is.
func problems(gvk schema.GroupVersionKind, obj map[string]any) []Problem {
	var out []Problem
	each(obj, "", func(v any) any { return v }, func(path string, chain map[string]any) bool {
		object, err := builtins().New(gvk)
		if err != nil {
			return false
		}
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(chain, object); err != nil {
			out = append(out, Problem{Path: path, Message: err.Error()})
		}
		return len(out) < maxProblems
	})
	return out
}

// maxProblems is how many fields are named at most.
const maxProblems = 10

// each calls visit with the path of every scalar below v and an object that
// holds nothing else; wrap puts what belongs at v's place into such an object.
// It stops when visit returns false.
func each(v any, path string, wrap func(any) any, visit func(string, map[string]any) bool) bool {
	switch v := v.(type) {
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			inner := func(child any) any { return wrap(map[string]any{name: child}) }
			if !each(v[name], path+"."+name, inner, visit) {
				return false
			}
		}
		return true
	case []any:
		for i, item := range v {
			inner := func(child any) any { return wrap([]any{child}) }
			if !each(item, fmt.Sprintf("%s[%d]", path, i), inner, visit) {
				return false
			}
		}
		return true
	}
	chain, ok := wrap(v).(map[string]any)
	return !ok || visit(path, chain)
}
