package argo_test

import (
	"strings"
	"testing"

	"github.com/plumbline-dev/plumbline/api/argoproj/v1alpha1"
	"github.com/plumbline-dev/plumbline/internal/core/rbac"
	"github.com/plumbline-dev/plumbline/internal/dialect/argo"
)

func TestDecodeAccess(t *testing.T) {
	project := argo.DefaultProject("argocd")
	project.Name = "shop"
	project.Spec.Roles = []v1alpha1.ProjectRole{
		{Name: "ci", Groups: []string{"my-org:ci"}, Policies: []string{"p, proj:shop:ci, applications, sync, shop/*, allow"}},
		{Name: "greedy", Policies: []string{"p, proj:shop:greedy, applications, *, */*, allow"}},
	}
	policy, err := argo.DecodeAccess(map[string]string{
		"policy.csv":        "p, role:ops, applications, *, */*, allow\ng, ann, role:ops\n",
		"policy.bob.csv":    "p, bob, applications, get, shop/*, allow\nthis is no rule",
		"policy.default":    "role:readonly",
		"policy.matchMode":  "glob",
		"scopes":            "[groups]",
		"policy.other.text": "p, eve, *, *, *, allow",
	}, []v1alpha1.AppProject{*project})
	for _, want := range []string{`argocd-rbac-cm: policy.bob.csv: line 2: "this is no rule"`, `project shop: role greedy: "p, proj:shop:greedy, applications, *, */*, allow" reaches beyond`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	for question, want := range map[string]bool{
		"ann applications delete bank/web": true, "bob applications sync shop/web": false, "bob logs get bank/web": true,
		"my-org:ci applications sync shop/web": true, "my-org:ci applications delete shop/web": false, "proj:shop:ci applications sync shop/web": true,
		"eve clusters delete x": false,
	} {
		words := strings.Fields(question)
		if got := policy.Ask(rbac.Question{Subjects: words[:1], Resource: words[1], Action: words[2], Object: words[3]}); got.Allowed != want {
			t.Errorf("%s: %t by %s", question, got.Allowed, got.Rule)
		}
	}
	if _, err := argo.DecodeAccess(map[string]string{"policy.matchMode": "exact"}, nil); err == nil || !strings.Contains(err.Error(), `"exact" is neither glob nor regex`) {
		t.Error(err)
	}
}
