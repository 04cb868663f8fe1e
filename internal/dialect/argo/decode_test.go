package argo_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/plumbline-dev/plumbline/api/argoproj/v1alpha1"
	"github.com/plumbline-dev/plumbline/internal/core/app"
	"github.com/plumbline-dev/plumbline/internal/core/object"
	"github.com/plumbline-dev/plumbline/internal/core/render"
	"github.com/plumbline-dev/plumbline/internal/dialect/argo"
)

func TestRetry(t *testing.T) {
	factor := int64(3)
	standard := app.Retry{Limit: 5, Wait: 5 * time.Second, Factor: 2, Max: 3 * time.Minute}
	with := func(change func(*app.Retry)) app.Retry { r := standard; change(&r); return r }
	for name, test := range map[string]struct {
		reason  string
		retry   *v1alpha1.Retry
		want    app.Retry
		problem string
	}{
		"absent":   {"without a retry there are five", nil, standard, ""},
		"empty":    {"an empty retry means none", &v1alpha1.Retry{}, with(func(r *app.Retry) { r.Limit = 0 }), ""},
		"endless":  {"a negative limit is none", &v1alpha1.Retry{Limit: -1}, with(func(r *app.Retry) { r.Limit = -1 }), ""},
		"backoff":  {"durations as Go writes them", &v1alpha1.Retry{Limit: 1, Backoff: &v1alpha1.Backoff{Duration: "1m", Factor: &factor, MaxDuration: "1h"}}, app.Retry{Limit: 1, Wait: time.Minute, Factor: 3, Max: time.Hour}, ""},
		"seconds":  {"or as whole seconds", &v1alpha1.Retry{Limit: 1, Backoff: &v1alpha1.Backoff{Duration: "7"}}, with(func(r *app.Retry) { r.Limit, r.Wait = 1, 7*time.Second }), ""},
		"nonsense": {"anything else is told", &v1alpha1.Retry{Backoff: &v1alpha1.Backoff{Duration: "soon"}}, app.Retry{}, `retry.backoff.duration: "soon" is no duration`},
	} {
		t.Run(name, func(t *testing.T) {
			a := application()
			a.Spec.SyncPolicy = &v1alpha1.SyncPolicy{Retry: test.retry}
			got := settings.Decode(a)
			if test.problem != "" {
				if len(got.Problems) != 1 || !strings.Contains(got.Problems[0].Message, test.problem) {
					t.Errorf("%s: %+v", test.reason, got.Problems)
				}
				return
			}
			if d := cmp.Diff(test.want, got.Policy.Retry); d != "" || len(got.Problems) > 0 {
				t.Errorf("%s: %v (-want +got):\n%s", test.reason, got.Problems, d)
			}
		})
	}
}

func TestPolicy(t *testing.T) {
	yes, no := true, false
	for name, test := range map[string]struct {
		reason string
		policy v1alpha1.SyncPolicy
		want   func(app.Policy) bool
	}{
		"manual":      {"without automated nothing is automatic", v1alpha1.SyncPolicy{}, func(p app.Policy) bool { return !p.Automatic && !p.Prune }},
		"automated":   {"its presence is enough", v1alpha1.SyncPolicy{Automated: &v1alpha1.AutomatedSync{Prune: &yes}}, func(p app.Policy) bool { return p.Automatic && p.Prune && !p.SelfHeal }},
		"disabled":    {"unless it is switched off", v1alpha1.SyncPolicy{Automated: &v1alpha1.AutomatedSync{Enabled: &no, Prune: &yes}}, func(p app.Policy) bool { return !p.Automatic && !p.Prune }},
		"options":     {"options are read", v1alpha1.SyncPolicy{SyncOptions: []string{"CreateNamespace=true", "PruneLast=true", "Validate=false"}}, func(p app.Policy) bool { return p.CreateNamespace && p.PruneLast && p.LenientFields }},
		"false":       {"an option that is false is off", v1alpha1.SyncPolicy{SyncOptions: []string{"Replace=false"}}, func(p app.Policy) bool { return !p.Replace }},
		"propagation": {"prunes propagate in the foreground unless told otherwise", v1alpha1.SyncPolicy{SyncOptions: []string{"PrunePropagationPolicy=orphan"}}, func(p app.Policy) bool { return p.Propagation == "orphan" }},
	} {
		t.Run(name, func(t *testing.T) {
			a := application()
			a.Spec.SyncPolicy = &test.policy
			if got := settings.Decode(a); !test.want(got.Policy) || len(got.Problems) > 0 {
				t.Errorf("%s: %+v %v", test.reason, got.Policy, got.Problems)
			}
		})
	}
}

func TestImages(t *testing.T) {
	const digest = "sha256:0123456789012345678901234567890123456789012345678901234567890123"
	for text, want := range map[string]render.KustomizeImage{
		"nginx:1.2":                         {Name: "nginx", NewTag: "1.2"},
		"nginx=other:1.2":                   {Name: "nginx", NewName: "other", NewTag: "1.2"},
		"nginx=example.com:5000/other":      {Name: "nginx", NewName: "example.com:5000/other"},
		"example.com:5000/nginx:1":          {Name: "example.com:5000/nginx", NewTag: "1"},
		"nginx@" + digest:                   {Name: "nginx", Digest: digest},
		"nginx=example.com/other@" + digest: {Name: "nginx", NewName: "example.com/other", Digest: digest},
	} {
		a := application()
		a.Spec.Source.Kustomize = &v1alpha1.KustomizeSource{Images: []string{text}}
		got := settings.Decode(a)
		if len(got.Problems) > 0 {
			t.Fatal(got.Problems)
		}
		if d := cmp.Diff([]render.KustomizeImage{want}, got.Sources[0].Render.Kustomize.Images); d != "" {
			t.Errorf("%s (-want +got):\n%s", text, d)
		}
	}
}

// A mark names its bearer, so that a copied one is none.
func TestTracking(t *testing.T) {
	const note = "argocd.argoproj.io/tracking-id"
	role := object.Key{Group: "rbac.authorization.k8s.io", Kind: "ClusterRole", Name: "system:reader"}
	for name, test := range map[string]struct {
		reason string
		key    object.Key
		mark   string
		want   string // namespace/name of the owner; empty: none
	}{
		"own":              {"the mark of an object", deployment(), "api:apps/Deployment:shop/api", "argocd/api"},
		"other namespace":  {"an application elsewhere carries its namespace", deployment(), "team_api:apps/Deployment:shop/api", "team/api"},
		"cluster scoped":   {"a cluster-scoped object carries the destination's namespace", role, "api:rbac.authorization.k8s.io/ClusterRole:shop/system:reader", "argocd/api"},
		"core group":       {"the core group is empty", object.Key{Kind: "Service", Namespace: "shop", Name: "api"}, "api:/Service:shop/api", "argocd/api"},
		"copied name":      {"a mark of another name was copied", deployment(), "api:apps/Deployment:shop/other", ""},
		"copied namespace": {"or of another namespace", deployment(), "api:apps/Deployment:other/api", ""},
		"copied kind":      {"or of another kind", deployment(), "api:apps/StatefulSet:shop/api", ""},
		"none":             {"no mark", deployment(), "", ""},
		"broken":           {"what is no mark", deployment(), "api", ""},
		"nobody":           {"a mark of nobody", deployment(), ":apps/Deployment:shop/api", ""},
	} {
		t.Run(name, func(t *testing.T) {
			owner, ok := settings.Owner(test.key, nil, map[string]string{note: test.mark})
			if ok != (test.want != "") || ok && owner.String() != test.want {
				t.Errorf("%s: %s %t", test.reason, owner, ok)
			}
		})
	}
}

// Prepare marks objects so that Owner finds the application again, however
// objects are tracked.
func TestPrepareMarks(t *testing.T) {
	for _, tracking := range []argo.Tracking{argo.TrackByAnnotation, argo.TrackByLabel, argo.TrackByBoth} {
		for _, namespace := range []string{"argocd", "team"} {
			s := argo.Settings{Namespace: "argocd", Tracking: tracking, InstallationID: "one"}
			a := application()
			a.Namespace = namespace
			decoded := s.Decode(a)
			obj := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": map[string]any{"name": "api"}}}
			crd := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": map[string]any{"name": "x"}}}
			items, problems, err := s.Prepare(decoded, []object.Manifest{{Object: obj}, {Object: crd}}, func(k object.Key) bool { return k.Kind == "Deployment" })
			if err != nil || len(problems) > 0 || len(items) != 2 {
				t.Fatal(items, problems, err)
			}
			live := items[0].Object
			owner, ok := s.Owner(object.KeyOf(live), live.GetLabels(), live.GetAnnotations())
			if !ok || owner != decoded.ID || live.GetNamespace() != "shop" {
				t.Errorf("%s, %s: owner %s %t of %v", tracking, namespace, owner, ok, live.Object)
			}
			if len(items[1].Object.GetAnnotations())+len(items[1].Object.GetLabels()) > 0 {
				t.Errorf("%s: definitions are not marked: %v", tracking, items[1].Object.Object)
			}
			if len(obj.GetAnnotations())+len(obj.GetLabels()) > 0 || obj.GetNamespace() != "" {
				t.Errorf("%s: the manifest itself was changed", tracking)
			}
		}
	}
}

// What repeats counts once, the last, and is told.
func TestRepeated(t *testing.T) {
	one := func(value string) object.Manifest {
		return object.Manifest{Object: &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": "x"}, "data": map[string]any{"a": value},
		}}}
	}
	items, problems, err := settings.Prepare(settings.Decode(application()), []object.Manifest{one("1"), one("2")}, func(object.Key) bool { return true })
	if err != nil || len(items) != 1 || len(problems) != 1 {
		t.Fatal(items, problems, err)
	}
	if data := items[0].Object.Object["data"].(map[string]any); data["a"] != "2" {
		t.Error(data)
	}
}

// Charts often leave "annotations:" or "labels:" without anything below.
func TestEmptyMetadata(t *testing.T) {
	ms, err := object.Decode("x.yaml", []byte("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: x\n  annotations:\n  labels:\n"))
	if err != nil {
		t.Fatal(err)
	}
	s := argo.Settings{Namespace: "argocd", Tracking: argo.TrackByBoth}
	items, _, err := s.Prepare(s.Decode(application()), ms, func(object.Key) bool { return true })
	if err != nil {
		t.Fatal(err)
	}
	live := items[0].Object
	if owner, ok := s.Owner(object.KeyOf(live), live.GetLabels(), live.GetAnnotations()); !ok || owner.Name != "api" || live.GetLabels()["app.kubernetes.io/instance"] != "api" {
		t.Errorf("it is marked like any other: %v", live.Object)
	}
}
