package assess

import (
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/plumbline-dev/plumbline/internal/core/app"
	"github.com/plumbline-dev/plumbline/internal/core/object"
	"github.com/plumbline-dev/plumbline/internal/core/plan"
)

// Namespace returns the item that creates the destination's namespace, in front
// of everything else, and false when the policy does not ask for it, something
// declares it, or it stands as it should. live is asked for the namespace as it
// is, nil when there is none.
//
// With labels or annotations in the policy an existing namespace is kept to
// them; without, it is left alone.
func Namespace(a app.Application, policy app.Policy, items []plan.Item, live func(object.Key) *unstructured.Unstructured) (plan.Item, bool) {
	name := a.Target.Namespace
	if !policy.CreateNamespace || name == "" {
		return plan.Item{}, false
	}
	key := object.Key{Kind: "Namespace", Name: name}
	first := 0
	for i, item := range items {
		if item.Key() == key {
			return plan.Item{}, false
		}
		if i == 0 || item.Wave < first {
			first = item.Wave
		}
	}
	managed := policy.NamespaceLabels != nil || policy.NamespaceNotes != nil
	found := live(key)
	if found != nil && !managed {
		return plan.Item{}, false
	}
	obj := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": name}}}
	if managed {
		obj.SetLabels(policy.NamespaceLabels)
		obj.SetAnnotations(policy.NamespaceNotes)
	}
	item := plan.Item{Manifest: object.Manifest{Object: obj}, Standing: plan.Missing, Wave: first, Aside: true, Why: "the sync policy asks for it"}
	if found != nil {
		item.Standing = plan.Differs
		if covers(found.GetLabels(), obj.GetLabels()) && covers(found.GetAnnotations(), obj.GetAnnotations()) {
			item.Standing = plan.Same
		}
	}
	return item, true
}

// covers reports whether all holds every pair of some.
func covers(all, some map[string]string) bool {
	for k, v := range some {
		if all[k] != v {
			return false
		}
	}
	return true
}
