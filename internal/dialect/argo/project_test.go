package argo_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plumbline-dev/plumbline/api/argoproj/v1alpha1"
	"github.com/plumbline-dev/plumbline/internal/core/app"
	"github.com/plumbline-dev/plumbline/internal/core/gate"
	"github.com/plumbline-dev/plumbline/internal/core/signature"
	"github.com/plumbline-dev/plumbline/internal/dialect/argo"
)

// What a project wants to be signed arrives, in its old and its new form; what cannot
// be kept refuses, rather than lets pass.
func TestProjectSignatures(t *testing.T) {
	const key = "4AEE18F83AFDEB23"
	git := func(policies ...v1alpha1.SourceIntegrityPolicy) *v1alpha1.SourceIntegrity {
		return &v1alpha1.SourceIntegrity{Git: &v1alpha1.SourceIntegrityGit{Policies: policies}}
	}
	repo := []v1alpha1.SourceIntegrityRepo{{URL: "https://git.example/*"}, {URL: "!https://git.example/a"}}
	for name, test := range map[string]struct {
		spec   v1alpha1.AppProjectSpec
		want   []signature.Policy
		refuse string
	}{
		"nothing": {},
		"keys": {
			spec: v1alpha1.AppProjectSpec{SignatureKeys: []v1alpha1.SignatureKey{{KeyID: key}}},
			want: []signature.Policy{{Repos: []string{"*"}, Mode: signature.Head, Keys: []string{key}}},
		},
		"policies": {
			spec: v1alpha1.AppProjectSpec{
				SignatureKeys: []v1alpha1.SignatureKey{{KeyID: "FFFFFFFFFFFFFFFF"}},
				SourceIntegrity: git(v1alpha1.SourceIntegrityPolicy{Repos: repo, GPG: &v1alpha1.SourceIntegrityGPG{Mode: "strict", Keys: []string{key}}},
					v1alpha1.SourceIntegrityPolicy{Repos: repo[:1], GPG: &v1alpha1.SourceIntegrityGPG{Mode: "none"}}),
			},
			want: []signature.Policy{
				{Repos: []string{"https://git.example/*", "!https://git.example/a"}, Mode: signature.Strict, Keys: []string{key}},
				{Repos: []string{"https://git.example/*"}, Mode: signature.None},
			},
		},
		"wrong mode": {
			spec:   v1alpha1.AppProjectSpec{SourceIntegrity: git(v1alpha1.SourceIntegrityPolicy{Repos: repo, GPG: &v1alpha1.SourceIntegrityGPG{Mode: "hed"}})},
			want:   []signature.Policy{{Repos: []string{"https://git.example/*", "!https://git.example/a"}, Mode: "hed"}},
			refuse: `mode "hed" is none of`,
		},
		"no mode": {
			spec:   v1alpha1.AppProjectSpec{SourceIntegrity: git(v1alpha1.SourceIntegrityPolicy{Repos: repo})},
			want:   []signature.Policy{{Repos: []string{"https://git.example/*", "!https://git.example/a"}}},
			refuse: `mode "" is none of`,
		},
		"no key": {
			spec:   v1alpha1.AppProjectSpec{SignatureKeys: []v1alpha1.SignatureKey{{KeyID: "ann"}}},
			want:   []signature.Policy{{Repos: []string{"*"}, Mode: signature.Head, Keys: []string{"ann"}}},
			refuse: `"ann" is no id of a key`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := argo.DefaultProject("argocd")
			test.spec.SourceRepos, test.spec.Destinations = p.Spec.SourceRepos, p.Spec.Destinations
			p.Spec = test.spec
			got := argo.DecodeProject(p)
			if d := cmp.Diff(test.want, got.Signatures); d != "" {
				t.Errorf("-want +got:\n%s", d)
			}
			err := gate.Admit(got, []app.Source{{URL: "https://example.com/a"}}, app.Destination{Server: argo.InCluster, Namespace: "shop"}, app.Cluster{})
			if (err != nil) != (test.refuse != "") || err != nil && !strings.Contains(err.Error(), test.refuse) {
				t.Errorf("%v, want %q", err, test.refuse)
			}
		})
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
