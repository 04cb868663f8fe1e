package kinds

import (
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// DefinedBy returns the name of the CustomResourceDefinition that makes the
// cluster serve gk, or "" when none of them does. One that is not established
// yet or is being deleted does not.
func DefinedBy(gk schema.GroupKind, definitions []*unstructured.Unstructured) string {
	for _, crd := range definitions {
		group, _, _ := unstructured.NestedString(crd.Object, "spec", "group")
		kind, _, _ := unstructured.NestedString(crd.Object, "spec", "names", "kind")
		if group == gk.Group && kind == gk.Kind && Established(crd) && crd.GetDeletionTimestamp() == nil {
			return crd.GetName()
		}
	}
	return ""
}

// Established reports whether the API server serves what a
// CustomResourceDefinition defines, or is about to.
func Established(crd *unstructured.Unstructured) bool {
	conditions, _, _ := unstructured.NestedSlice(crd.Object, "status", "conditions")
	return slices.ContainsFunc(conditions, func(c any) bool {
		m, ok := c.(map[string]any)
		return ok && m["type"] == "Established" && m["status"] == "True"
	})
}
