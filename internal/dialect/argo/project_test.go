package argo_test

import (
	"strings"
	"testing"

	"github.com/plumbline-dev/plumbline/api/argoproj/v1alpha1"
	"github.com/plumbline-dev/plumbline/internal/core/app"
	"github.com/plumbline-dev/plumbline/internal/core/gate"
	"github.com/plumbline-dev/plumbline/internal/dialect/argo"
)

// A rule that holds deliveries back and cannot be kept refuses, rather than lets pass.
func TestProjectRulesThatCannotBeKept(t *testing.T) {
	to := app.Destination{Server: argo.InCluster, Namespace: "shop"}
	p := argo.DefaultProject("argocd")
	if err := gate.Admit(argo.DecodeProject(p), []app.Source{{URL: "https://example.com/a"}}, to); err != nil {
		t.Fatalf("the default project admits everything: %v", err)
	}
	p.Spec.SyncWindows = []v1alpha1.SyncWindow{{Kind: v1alpha1.SyncWindowDeny, Schedule: "* * * * *", Duration: "1h"}}
	err := gate.Admit(argo.DecodeProject(p), []app.Source{{URL: "https://example.com/a"}}, to)
	if err == nil || !strings.Contains(err.Error(), "spec.syncWindows") {
		t.Errorf("got %v, want a refusal that names spec.syncWindows", err)
	}
}
