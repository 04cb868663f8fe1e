package reconcile_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/plumbline-dev/plumbline/api/argoproj/v1alpha1"
	"github.com/plumbline-dev/plumbline/internal/core/object"
)

func orphanWarning(a *v1alpha1.Application) string {
	for _, c := range a.Status.Conditions {
		if c.Type == v1alpha1.ConditionOrphanedResourceWarning {
			return c.Message
		}
	}
	return ""
}

// What nobody owns in the namespace is counted where the project asks for it, and
// looked for again after a while.
func TestOrphans(t *testing.T) {
	w := newWorld(t, nil)
	stray := func(name string, labels map[string]string) {
		obj := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "Secret", "metadata": map[string]any{"name": name, "namespace": "shop"}}}
		obj.SetLabels(labels)
		w.stamp(obj)
	}
	stray("left", nil)
	stray("of-others", map[string]string{"kustomize.toolkit.fluxcd.io/name": "till", "kustomize.toolkit.fluxcd.io/namespace": "flux-system"})
	ask := func(rules *v1alpha1.OrphanedResources) {
		p := &v1alpha1.AppProject{}
		if err := w.client.Get(t.Context(), client.ObjectKey{Namespace: "argocd", Name: "default"}, p); err != nil {
			t.Fatal(err)
		}
		p.Spec.OrphanedResources = rules
		if err := w.client.Update(t.Context(), p); err != nil {
			t.Fatal(err)
		}
	}
	yes := true
	w.push("1", configMap("ours", "1"))
	want(t, "nobody asked", "", orphanWarning(w.reconcile()))
	ask(&v1alpha1.OrphanedResources{})
	want(t, "nobody wants to be warned", "", orphanWarning(w.reconcile()))
	ask(&v1alpha1.OrphanedResources{Warn: &yes})
	want(t, "the stray one", "Application has 1 orphaned resources: Secret shop/left", orphanWarning(w.reconcile()))
	if w.next.After <= 0 || w.next.After > 3*time.Minute {
		t.Errorf("the next look is after %s", w.next.After)
	}
	delete(w.objects, object.Key{Kind: "Secret", Namespace: "shop", Name: "left"})
	w.now = w.now.Add(time.Minute)
	want(t, "looked for once in a while", "Application has 1 orphaned resources: Secret shop/left", orphanWarning(w.reconcile()))
	w.now = w.now.Add(2 * time.Minute)
	want(t, "it is gone", "", orphanWarning(w.reconcile()))
	stray("another", nil)
	w.now = w.now.Add(3 * time.Minute)
	want(t, "another one", "Application has 1 orphaned resources: Secret shop/another", orphanWarning(w.reconcile()))
	ask(&v1alpha1.OrphanedResources{Warn: &yes, Ignore: []v1alpha1.OrphanedResourceKey{{Kind: "Secret", Name: "ano*"}}})
	want(t, "it is expected", "", orphanWarning(w.reconcile()))
	w.refuse["inside shop"] = errors.New("the API server is away")
	w.now = w.now.Add(3 * time.Minute)
	if got := orphanWarning(w.reconcile()); !strings.Contains(got, "annot tell which objects of namespace shop are orphaned: the API server is away") {
		t.Errorf("%q", got)
	}
}
