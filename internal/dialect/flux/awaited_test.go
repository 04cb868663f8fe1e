package flux_test

import (
	"testing"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	"github.com/fluxcd/pkg/apis/meta"
	"github.com/google/go-cmp/cmp"

	"github.com/plumbline-dev/plumbline/internal/core/object"
	"github.com/plumbline-dev/plumbline/internal/dialect/flux"
)

func TestHealthChecks(t *testing.T) {
	k := &kustomizev1.Kustomization{}
	k.Namespace, k.Name = "flux-system", "apps"
	k.Spec.HealthChecks = []meta.NamespacedObjectKindReference{
		{Kind: "Deployment", Name: "web", Namespace: "shop"},
		{APIVersion: "v1", Kind: "Service", Name: "web"},
	}
	want := []object.Entry{
		{Key: object.Key{Group: "apps", Kind: "Deployment", Namespace: "shop", Name: "web"}, Version: "v1"},
		{Key: object.Key{Kind: "Service", Namespace: "flux-system", Name: "web"}, Version: "v1"},
	}
	policy := flux.Decode(k).Policy
	if d := cmp.Diff(want, policy.Awaited); d != "" || !policy.Await {
		t.Errorf("awaited %v (-want +got):\n%s", policy.Await, d)
	}
	k.Spec.Wait = true
	if policy = flux.Decode(k).Policy; policy.Awaited != nil || !policy.Await {
		t.Errorf("wait: awaited %v: with spec.wait everything is awaited, and the list does not count", policy.Awaited)
	}
}
