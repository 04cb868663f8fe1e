package flux_test

import (
	"strings"
	"testing"
	"time"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	"github.com/fluxcd/pkg/apis/kustomize"
	"github.com/fluxcd/pkg/apis/meta"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/plumbline-dev/plumbline/internal/core/app"
	"github.com/plumbline-dev/plumbline/internal/core/condition"
	"github.com/plumbline-dev/plumbline/internal/core/source"
	"github.com/plumbline-dev/plumbline/internal/dialect/flux"
)

func complete() *kustomizev1.Kustomization {
	k := kustomization()
	k.Spec = kustomizev1.KustomizationSpec{
		Interval: metav1.Duration{Duration: 10 * time.Minute}, Path: "./apps",
		SourceRef: kustomizev1.CrossNamespaceSourceReference{Kind: "GitRepository", Name: "config"},
	}
	return k
}

// Every field that cannot be honoured names itself, and nothing else is refused.
func TestRefused(t *testing.T) {
	for field, set := range map[string]func(*kustomizev1.KustomizationSpec){
		"":                            func(*kustomizev1.KustomizationSpec) {},
		"spec.sourceRef.kind: Bucket": func(s *kustomizev1.KustomizationSpec) { s.SourceRef.Kind = "Bucket" },
		"spec.kubeConfig":             func(s *kustomizev1.KustomizationSpec) { s.KubeConfig = &meta.KubeConfigReference{} },
		"spec.decryption":             func(s *kustomizev1.KustomizationSpec) { s.Decryption = &kustomizev1.Decryption{} },
		"spec.postBuild":              func(s *kustomizev1.KustomizationSpec) { s.PostBuild = &kustomizev1.PostBuild{} },
		"spec.healthCheckExprs": func(s *kustomizev1.KustomizationSpec) {
			s.HealthCheckExprs = []kustomize.CustomHealthCheck{{}}
		},
		"spec.dependsOn[].readyExpr": func(s *kustomizev1.KustomizationSpec) {
			s.DependsOn = []kustomizev1.DependencyReference{{Name: "a", ReadyExpr: "true"}}
		},
	} {
		k := complete()
		set(&k.Spec)
		problems := flux.Decode(k).Problems
		switch {
		case field == "" && len(problems) > 0:
			t.Errorf("a plain Kustomization is refused: %v", problems)
		case field != "" && (len(problems) != 1 || !strings.HasPrefix(problems[0].Message, field) || problems[0].Reason != condition.NotSupported):
			t.Errorf("%s: %v", field, problems)
		}
	}
}

func TestRefusedRepository(t *testing.T) {
	text := "*.md"
	for field, set := range map[string]func(*sourcev1.GitRepositorySpec){
		"":                       func(*sourcev1.GitRepositorySpec) {},
		"spec.verify":            func(s *sourcev1.GitRepositorySpec) { s.Verification = &sourcev1.GitRepositoryVerification{} },
		"spec.provider: azure":   func(s *sourcev1.GitRepositorySpec) { s.Provider = "azure" },
		"spec.proxySecretRef":    func(s *sourcev1.GitRepositorySpec) { s.ProxySecretRef = &meta.LocalObjectReference{} },
		"spec.include":           func(s *sourcev1.GitRepositorySpec) { s.Include = []sourcev1.GitRepositoryInclude{{}} },
		"spec.ignore":            func(s *sourcev1.GitRepositorySpec) { s.Ignore = &text },
		"spec.recurseSubmodules": func(s *sourcev1.GitRepositorySpec) { s.RecurseSubmodules = true },
	} {
		g := &sourcev1.GitRepository{Spec: sourcev1.GitRepositorySpec{URL: "https://git.example/a", Provider: "generic"}}
		set(&g.Spec)
		problems := flux.DecodeRepository(g).Problems
		if (field == "") != (len(problems) == 0) || (field != "" && !strings.HasPrefix(problems[0].Message, field)) {
			t.Errorf("%s: %v", field, problems)
		}
	}
}

func TestReference(t *testing.T) {
	for name, test := range map[string]struct {
		ref  *sourcev1.GitRepositoryRef
		want source.Ref
	}{
		"none":   {nil, source.Ref{Branch: "master"}},
		"empty":  {&sourcev1.GitRepositoryRef{}, source.Ref{Branch: "master"}},
		"branch": {&sourcev1.GitRepositoryRef{Branch: "main"}, source.Ref{Branch: "main"}},
		"commit": {&sourcev1.GitRepositoryRef{Branch: "main", Commit: "1111111111111111111111111111111111111111"}, source.Ref{Branch: "main", Commit: "1111111111111111111111111111111111111111"}},
		"name":   {&sourcev1.GitRepositoryRef{Name: "refs/pull/7/head"}, source.Ref{Name: "refs/pull/7/head"}},
		"semver": {&sourcev1.GitRepositoryRef{SemVer: ">=1.0"}, source.Ref{SemVer: ">=1.0"}},
	} {
		got := flux.DecodeRepository(&sourcev1.GitRepository{Spec: sourcev1.GitRepositorySpec{Reference: test.ref}})
		if d := cmp.Diff(test.want, got.Ref); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}
}

func TestDecode(t *testing.T) {
	k := complete()
	k.Spec.ServiceAccountName = "deployer"
	k.Spec.DependsOn = []kustomizev1.DependencyReference{{Name: "infra"}, {Name: "base", Namespace: "core"}}
	k.Spec.Prune, k.Spec.Wait = true, true
	k.Status.LastAppliedRevision = "main/18bc77047eed7038040a810160114e5c7b2b7931"
	a := flux.Decode(k)
	if a.Target.RunAs != "system:serviceaccount:flux-system:deployer" {
		t.Errorf("objects are applied as %q", a.Target.RunAs)
	}
	var after []string
	for _, dep := range a.After {
		after = append(after, dep.ID.String())
	}
	if d := cmp.Diff([]string{"flux-system/infra", "core/base"}, after); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if want := (&app.ManagedSource{Kind: "GitRepository", Namespace: "flux-system", Name: "config"}); !cmp.Equal(want, a.Managed()) {
		t.Errorf("the source is %v", a.Managed())
	}
	if !a.Policy.Automatic || !a.Policy.Prune || !a.Policy.SelfHeal || !a.Policy.Await || a.Policy.Retry.Limit != -1 || a.Policy.Retry.Wait != 10*time.Minute {
		t.Errorf("%+v", a.Policy)
	}
	if a.State.Applied != "18bc77047eed7038040a810160114e5c7b2b7931" {
		t.Errorf("the older form of a revision reads as %q", a.State.Applied)
	}
	for text, want := range map[string]string{"": ".", "./": ".", ".": ".", "./apps": "apps", "/apps": "apps", "apps/a": "apps/a"} {
		k.Spec.Path = text
		if got := flux.Decode(k).Sources[0].Render.Path; got != want {
			t.Errorf("path %q is %q", text, got)
		}
	}
}

func TestDeletion(t *testing.T) {
	gone := metav1.NewTime(now)
	for name, test := range map[string]struct {
		reason  string
		edit    func(*kustomizev1.KustomizationSpec)
		cascade bool
		await   bool
	}{
		"mirrors prune":    {"what is pruned is deleted", func(s *kustomizev1.KustomizationSpec) { s.Prune = true }, true, false},
		"mirrors no prune": {"what is not pruned stays", func(*kustomizev1.KustomizationSpec) {}, false, false},
		"delete":           {"unless told otherwise", func(s *kustomizev1.KustomizationSpec) { s.DeletionPolicy = kustomizev1.DeletionPolicyDelete }, true, false},
		"orphan": {"or the other way round", func(s *kustomizev1.KustomizationSpec) {
			s.Prune, s.DeletionPolicy = true, kustomizev1.DeletionPolicyOrphan
		}, false, false},
		"wait": {"waiting is asked for", func(s *kustomizev1.KustomizationSpec) {
			s.DeletionPolicy = kustomizev1.DeletionPolicyWaitForTermination
		}, true, true},
		"suspended":         {"what is suspended stays", func(s *kustomizev1.KustomizationSpec) { s.Prune, s.Suspend = true, true }, false, false},
		"an unknown policy": {"what is not understood deletes nothing", func(s *kustomizev1.KustomizationSpec) { s.Prune, s.DeletionPolicy = true, "Soon" }, false, false},
	} {
		k := complete()
		k.DeletionTimestamp = &gone
		test.edit(&k.Spec)
		d := flux.Decode(k).Deletion
		if d == nil || d.Cascade != test.cascade || d.Await != test.await {
			t.Errorf("%s: %s: %+v", name, test.reason, d)
		}
	}
	if d := flux.Decode(complete()).Deletion; d != nil {
		t.Errorf("what is not deleted: %+v", d)
	}
}

func TestWithSource(t *testing.T) {
	g := &sourcev1.GitRepository{Spec: sourcev1.GitRepositorySpec{URL: "https://git.example/a", SecretRef: &meta.LocalObjectReference{Name: "keys"}}}
	g.Namespace = "flux-system"
	_, _, err := flux.WithSource(flux.Decode(complete()), g)
	if err == nil || condition.Of(err, "").Reason != condition.SourceFailed {
		t.Errorf("a repository that was not fetched yet: %v", err)
	}
	g.Status.Artifact = &meta.Artifact{Revision: revision}
	a, rev, err := flux.WithSource(flux.Decode(complete()), g)
	if err != nil || flux.FormatRevision(rev) != revision || a.Sources[0].URL != "https://git.example/a" || *a.Sources[0].Secret != (app.SecretRef{Namespace: "flux-system", Name: "keys"}) {
		t.Errorf("%v %v %+v", err, rev, a.Sources)
	}
}

func TestNames(t *testing.T) {
	k := complete()
	k.Spec.DependsOn = []kustomizev1.DependencyReference{{Name: "infra"}, {Name: "base", Namespace: "core"}}
	for name, got := range map[string]bool{
		"own namespace":        flux.UsesSource(k, "flux-system", "config"),
		"dependency":           flux.DependsOn(k, "flux-system", "infra"),
		"dependency elsewhere": flux.DependsOn(k, "core", "base"),
	} {
		if !got {
			t.Errorf("%s is not found", name)
		}
	}
	if flux.UsesSource(k, "core", "config") || flux.DependsOn(k, "core", "infra") || flux.DependsOn(k, "flux-system", "base") {
		t.Error("a namespace is not compared")
	}
	k.Spec.SourceRef.Kind = "Bucket"
	if flux.UsesSource(k, "flux-system", "config") {
		t.Error("a kind is not compared")
	}
}

func TestCredentials(t *testing.T) {
	ref := app.SecretRef{Namespace: "flux-system", Name: "keys"}
	for name, test := range map[string]struct {
		reason  string
		data    map[string]string
		want    app.Credentials
		problem string
	}{
		"empty":      {"an empty Secret opens what is public", nil, app.Credentials{}, ""},
		"basic":      {"user and password", map[string]string{"username": "ada", "password": "hunter2"}, app.Credentials{Username: "ada", Password: "hunter2"}, ""},
		"token":      {"a bearer token", map[string]string{"bearerToken": "t"}, app.Credentials{BearerToken: "t"}, ""},
		"both":       {"not both", map[string]string{"bearerToken": "hunter2", "password": "hunter2"}, app.Credentials{}, "both a bearerToken and a username and password"},
		"ssh":        {"a key and its hosts", map[string]string{"identity": "k", "known_hosts": "h"}, app.Credentials{SSHPrivateKey: []byte("k"), KnownHosts: []byte("h")}, ""},
		"passphrase": {"the password of a key is its passphrase", map[string]string{"identity": "k", "known_hosts": "h", "password": "hunter2"}, app.Credentials{SSHPrivateKey: []byte("k"), KnownHosts: []byte("h"), SSHPassphrase: "hunter2"}, ""},
		"no hosts":   {"a key needs hosts", map[string]string{"identity": "k"}, app.Credentials{}, "'identity' and 'known_hosts'"},
		"no key":     {"hosts need a key", map[string]string{"known_hosts": "h"}, app.Credentials{}, "'identity' and 'known_hosts'"},
		"tls":        {"a client certificate and an authority", map[string]string{"tls.crt": "c", "tls.key": "k", "ca.crt": "a", "caFile": "old"}, app.Credentials{ClientCert: []byte("c"), ClientKey: []byte("k"), CABundle: []byte("a")}, ""},
		"old ca":     {"the older name of the authority", map[string]string{"caFile": "old"}, app.Credentials{CABundle: []byte("old")}, ""},
		"github app": {"what is not supported says so", map[string]string{"githubAppID": "7", "githubAppPrivateKey": "hunter2"}, app.Credentials{}, "GitHub App credentials are not supported"},
	} {
		t.Run(name, func(t *testing.T) {
			data := map[string][]byte{}
			for k, v := range test.data {
				data[k] = []byte(v)
			}
			got, err := flux.Credentials(ref, data)
			if (err == nil) != (test.problem == "") {
				t.Fatalf("%s: %v", test.reason, err)
			}
			if err != nil && (!strings.Contains(err.Error(), test.problem) || !strings.Contains(err.Error(), "flux-system/keys") || strings.Contains(err.Error(), "hunter2")) {
				t.Errorf("%s: %v", test.reason, err)
			}
			if d := cmp.Diff(test.want, got); d != "" {
				t.Errorf("%s (-want +got):\n%s", test.reason, d)
			}
		})
	}
}
