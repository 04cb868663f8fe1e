package argo_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plumbline-dev/plumbline/api/argoproj/v1alpha1"
	"github.com/plumbline-dev/plumbline/internal/core/app"
	"github.com/plumbline-dev/plumbline/internal/core/gate"
	"github.com/plumbline-dev/plumbline/internal/dialect/argo"
)

// A rule that holds deliveries back and cannot be kept refuses, rather than lets pass.
func TestProjectRulesThatCannotBeKept(t *testing.T) {
	to := app.Destination{Server: argo.InCluster, Namespace: "shop"}
	p := argo.DefaultProject("argocd")
	if err := gate.Admit(argo.DecodeProject(p), []app.Source{{URL: "https://example.com/a"}}, to, app.Cluster{}); err != nil {
		t.Fatalf("the default project admits everything: %v", err)
	}
	p.Spec.SignatureKeys = []v1alpha1.SignatureKey{{KeyID: "4AEE18F83AFDEB23"}}
	err := gate.Admit(argo.DecodeProject(p), []app.Source{{URL: "https://example.com/a"}}, to, app.Cluster{})
	if err == nil || !strings.Contains(err.Error(), "spec.signatureKeys") {
		t.Errorf("got %v, want a refusal that names spec.signatureKeys", err)
	}
}

// Every field of a window arrives.
func TestProjectWindows(t *testing.T) {
	p := argo.DefaultProject("argocd")
	p.Spec.SyncWindows = []v1alpha1.SyncWindow{{
		Kind: "deny", Schedule: "0 22 * * *", Duration: "8h", TimeZone: "Europe/Berlin",
		Applications: []string{"shop-*"}, Namespaces: []string{"prod"}, Clusters: []string{"in-cluster"}, AndOperator: true,
		ManualSync: true, SyncOverrun: true, Description: "nights",
	}}
	want := []app.Window{{
		Kind: "deny", Schedule: "0 22 * * *", Duration: "8h", TimeZone: "Europe/Berlin",
		Applications: []string{"shop-*"}, Namespaces: []string{"prod"}, Clusters: []string{"in-cluster"}, All: true,
		Manual: true, Overrun: true,
	}}
	if d := cmp.Diff(want, argo.DecodeProject(p).Windows); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}
