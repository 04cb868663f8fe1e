package argo_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/plumbline-dev/plumbline/api/argoproj/v1alpha1"
	"github.com/plumbline-dev/plumbline/internal/core/app"
	"github.com/plumbline-dev/plumbline/internal/core/condition"
	"github.com/plumbline-dev/plumbline/internal/core/object"
	"github.com/plumbline-dev/plumbline/internal/dialect/argo"
)

// Everything that cannot be honoured names its field, and is the only problem.
func TestRefusedFields(t *testing.T) {
	src := func(edit func(*v1alpha1.Source)) func(*v1alpha1.Application) {
		return func(a *v1alpha1.Application) { edit(a.Spec.Source) }
	}
	for name, test := range map[string]struct {
		field  string // how the message begins, or a piece of it
		reason condition.Reason
		edit   func(*v1alpha1.Application)
	}{
		"no source":            {"spec.source is required", condition.InvalidSpec, func(a *v1alpha1.Application) { a.Spec.Source = nil }},
		"no repository":        {"spec.source.repoURL", condition.InvalidSpec, src(func(s *v1alpha1.Source) { s.RepoURL = "" })},
		"no path":              {"spec.source.path", condition.InvalidSpec, src(func(s *v1alpha1.Source) { s.Path = "" })},
		"chart and path":       {"spec.source: chart and path exclude each other", condition.InvalidSpec, src(func(s *v1alpha1.Source) { s.Chart = "api" })},
		"chart, no version":    {"spec.source.targetRevision is required for a chart", condition.InvalidSpec, src(func(s *v1alpha1.Source) { s.Chart, s.Path, s.TargetRevision = "api", "", "" })},
		"chart with dots":      {`spec.source.chart: "../api" is no name`, condition.InvalidSpec, src(func(s *v1alpha1.Source) { s.Chart, s.Path = "../api", "" })},
		"artifact, no version": {"spec.source.targetRevision is required for an OCI", condition.InvalidSpec, src(func(s *v1alpha1.Source) { s.RepoURL, s.TargetRevision = "oci://reg.example/a", "" })},
		"chart with ref":       {"spec.source.ref: the files of a chart", condition.InvalidSpec, src(func(s *v1alpha1.Source) { s.Chart, s.Path, s.Ref = "api", "", "x" })},
		"ref":                  {`spec.source.ref: "a/b"`, condition.InvalidSpec, src(func(s *v1alpha1.Source) { s.Ref = "a/b" })},
		"two tools":            {"multiple application sources", condition.InvalidSpec, src(func(s *v1alpha1.Source) { s.Helm, s.Directory = &v1alpha1.HelmSource{}, &v1alpha1.DirectorySource{} })},
		"kustomize":            {"spec.source.kustomize.version", condition.NotSupported, src(func(s *v1alpha1.Source) { s.Kustomize = &v1alpha1.KustomizeSource{Version: "v4"} })},
		"replicas": {`spec.source.kustomize.replicas: count "many" of "api"`, condition.InvalidSpec, src(func(s *v1alpha1.Source) {
			s.Kustomize = &v1alpha1.KustomizeSource{Replicas: []v1alpha1.KustomizeReplica{{Name: "api", Count: intstr.FromString("many")}}}
		})},
		"values": {"spec.source.helm.values", condition.InvalidSpec, src(func(s *v1alpha1.Source) { s.Helm = &v1alpha1.HelmSource{Values: "a: b: c"} })},
		"two of a ref": {`spec.sources: ref "values" names two sources`, condition.InvalidSpec, func(a *v1alpha1.Application) {
			a.Spec.Sources = []v1alpha1.Source{{RepoURL: "a", Ref: "values"}, {RepoURL: "b", Ref: "values"}}
		}},
		"two of a name": {`spec.sources: name "base" names two sources`, condition.InvalidSpec, func(a *v1alpha1.Application) {
			a.Spec.Sources = []v1alpha1.Source{{RepoURL: "a", Path: ".", Name: "base"}, {RepoURL: "b", Path: ".", Name: "base"}}
		}},
		"second source": {"spec.sources[1].path is required", condition.InvalidSpec, func(a *v1alpha1.Application) {
			a.Spec.Sources = []v1alpha1.Source{*a.Spec.Source, {RepoURL: "b"}}
		}},
		"asked source": {"operation.sync.source.path is required", condition.InvalidSpec, func(a *v1alpha1.Application) {
			a.Operation = &v1alpha1.Operation{Sync: &v1alpha1.SyncOperation{Source: &v1alpha1.Source{RepoURL: "b"}}}
		}},
		"hydrator":        {"spec.sourceHydrator", condition.NotSupported, func(a *v1alpha1.Application) { a.Spec.SourceHydrator = &v1alpha1.SourceHydrator{} }},
		"name and server": {"application destination can't have both", condition.InvalidSpec, func(a *v1alpha1.Application) { a.Spec.Destination.Name = "in-cluster" }},
		"no destination":  {"destination server missing", condition.InvalidSpec, func(a *v1alpha1.Application) { a.Spec.Destination.Server = "" }},
		"jq": {`spec.ignoreDifferences[1].jqPathExpressions: expression ".spec["`, condition.InvalidSpec, func(a *v1alpha1.Application) {
			a.Spec.IgnoreDifferences = []v1alpha1.IgnoreDifference{{JQPathExpressions: []string{".spec"}}, {JQPathExpressions: []string{".spec["}}}
		}},
		"hostile jq": {"the function range is not for expressions", condition.InvalidSpec, func(a *v1alpha1.Application) {
			a.Spec.IgnoreDifferences = []v1alpha1.IgnoreDifference{{JQPathExpressions: []string{"[range(1e12)]"}}}
		}},
		"propagation": {`spec.syncPolicy: sync option PrunePropagationPolicy: "later"`, condition.InvalidSpec, func(a *v1alpha1.Application) {
			a.Spec.SyncPolicy = &v1alpha1.SyncPolicy{SyncOptions: []string{"PrunePropagationPolicy=later"}}
		}},
		"negative wait": {"spec.syncPolicy: retry.backoff.duration", condition.InvalidSpec, func(a *v1alpha1.Application) {
			a.Spec.SyncPolicy = &v1alpha1.SyncPolicy{Retry: &v1alpha1.Retry{Backoff: &v1alpha1.Backoff{Duration: "-5"}}}
		}},
		"empty operation": {"operation: it has no sync part", condition.InvalidSpec, func(a *v1alpha1.Application) { a.Operation = &v1alpha1.Operation{} }},
		"local manifests": {"operation: local manifests are refused while", condition.InvalidSpec, func(a *v1alpha1.Application) {
			a.Spec.SyncPolicy = &v1alpha1.SyncPolicy{Automated: &v1alpha1.AutomatedSync{}}
			a.Operation = &v1alpha1.Operation{Sync: &v1alpha1.SyncOperation{Manifests: []string{"{}"}}}
		}},
		"operation retry": {"operation: retry.backoff.maxDuration", condition.InvalidSpec, func(a *v1alpha1.Application) {
			a.Operation = &v1alpha1.Operation{Sync: &v1alpha1.SyncOperation{}, Retry: v1alpha1.Retry{Backoff: &v1alpha1.Backoff{MaxDuration: "late"}}}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			a := application()
			test.edit(a)
			problems := settings.Decode(a).Problems
			if len(problems) != 1 || problems[0].Reason != test.reason || !strings.Contains(strings.ToLower(problems[0].Message), strings.ToLower(test.field)) {
				t.Errorf("%v, want one %s with %q", problems, test.reason, test.field)
			}
		})
	}
	if problems := settings.Decode(application()).Problems; len(problems) > 0 {
		t.Errorf("an ordinary application is refused: %v", problems)
	}
}

// Whose fields become ours is the user's to say.
func TestTakeoverOf(t *testing.T) {
	for name, test := range map[string]struct {
		edit func(*v1alpha1.Application)
		want []string
	}{
		"usual": {func(*v1alpha1.Application) {}, []string{"kubectl-client-side-apply", "before-first-apply", argo.Manager}},
		"another": {func(a *v1alpha1.Application) {
			a.Annotations = map[string]string{"argocd.argoproj.io/client-side-apply-migration-manager": "deployer"}
		}, []string{"deployer", "kubectl-client-side-apply", "before-first-apply", argo.Manager}},
		"none": {func(a *v1alpha1.Application) {
			a.Spec.SyncPolicy = &v1alpha1.SyncPolicy{SyncOptions: []string{"ClientSideApplyMigration=false"}}
		}, []string{argo.Manager}},
	} {
		a := application()
		test.edit(a)
		if d := cmp.Diff(test.want, argo.TakeoverOf(a)); d != "" {
			t.Errorf("%s: -want +got:\n%s", name, d)
		}
	}
}

// What an operation's retries were survives the way through the status.
func TestRetryRoundTrip(t *testing.T) {
	for _, retry := range []app.Retry{
		{}, {Limit: 3, Wait: 0, Factor: 2, Max: time.Minute}, {Limit: -1, Wait: time.Second, Factor: 1, Max: -time.Second},
		{Limit: 5, Wait: 1500 * time.Millisecond, Factor: 0, Max: 0},
	} {
		a, out := application(), outcome()
		out.Run = finished(a, app.Operation{Automatic: true, Retry: retry})
		got := settings.Decode(settings.Report(a, out, now)).State.Run.Operation.Retry
		if retry == (app.Retry{}) {
			retry = app.Retry{Wait: 5 * time.Second, Factor: 2, Max: 3 * time.Minute} // no attempt: the pause does not matter
		}
		if d := cmp.Diff(retry, got); d != "" {
			t.Errorf("-want +got:\n%s", d)
		}
	}
}

// live is an object with sync options of its own.
func live(kind, options string) *unstructured.Unstructured {
	obj := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": kind}}
	obj.SetNamespace("shop")
	obj.SetName("a")
	if options != "" {
		obj.SetAnnotations(map[string]string{"argocd.argoproj.io/sync-options": options})
	}
	return obj
}

// Each option of the application, of the object, and of both.
func TestKeep(t *testing.T) {
	for name, test := range map[string]struct {
		reason        string
		all           string
		own           string
		prune, delete bool // kept when pruned, kept when the application goes
	}{
		"plain":            {"an ordinary object goes", "", "", false, false},
		"own prune":        {"an object may refuse to be pruned", "", "Prune=false", true, false},
		"own delete":       {"or to go with its application", "", "Delete=false", false, true},
		"several":          {"options are separated by commas, with spaces", "", "Replace=true , Prune=false,Delete=false", true, true},
		"confirm":          {"what needs a confirmation stays", "", "Prune=confirm,Delete=confirm", true, true},
		"all prune":        {"an application may refuse all prunes", "Prune=false", "", true, false},
		"all delete":       {"or to have its objects deleted", "Delete=false", "", false, true},
		"all confirm":      {"or ask for confirmation", "Prune=confirm,Delete=confirm", "", true, true},
		"object overrides": {"an object decides for itself", "Prune=false,Delete=false", "Prune=true,Delete=true", false, false},
		"object asks":      {"also against a confirmation", "Prune=confirm", "Prune=true", false, false},
		"other options":    {"others do not count", "", "PruneLast=true,Prunes=false", false, false},
	} {
		t.Run(name, func(t *testing.T) {
			a := application()
			if test.all != "" {
				a.Spec.SyncPolicy = &v1alpha1.SyncPolicy{SyncOptions: strings.Split(test.all, ",")}
			}
			decoded := settings.Decode(a)
			obj := live("ConfigMap", test.own)
			asks := strings.Contains(name, "confirm")
			if why := settings.KeepOnPrune(decoded, obj); (why != "") != (test.prune && !asks) || argo.AsksOnPrune(decoded, obj) != asks {
				t.Errorf("%s: pruned: %q, asks %t", test.reason, why, argo.AsksOnPrune(decoded, obj))
			}
			if why := settings.KeepOnDelete(decoded, obj); (why != "") != (test.delete && !asks) || argo.AsksOnDelete(decoded, obj) != asks {
				t.Errorf("%s: deleted: %q, asks %t", test.reason, why, argo.AsksOnDelete(decoded, obj))
			}
		})
	}
	kept := live("ConfigMap", "")
	kept.SetAnnotations(map[string]string{"helm.sh/resource-policy": "keep"})
	crd := live("CustomResourceDefinition", "Delete=true")
	crd.SetAPIVersion("apiextensions.k8s.io/v1")
	for _, obj := range []*unstructured.Unstructured{kept, crd} {
		decoded := settings.Decode(application())
		if settings.KeepOnDelete(decoded, obj) == "" || settings.KeepOnPrune(decoded, obj) != "" {
			t.Errorf("%s survives its application and is pruned all the same", obj.GetKind())
		}
	}
}

func TestPrepareOptions(t *testing.T) {
	always := func(object.Key) bool { return true }
	for name, test := range map[string]struct {
		reason                  string
		all                     []string
		own                     string
		wave                    string
		replace, force, lenient bool
		number                  int
	}{
		"plain":        {"nothing by itself", nil, "", "", false, false, false, 0},
		"own":          {"an object's own options", nil, "Replace=true,Force=true,Validate=false", "", true, true, true, 0},
		"all":          {"those of the application", []string{"Replace=true", "Validate=false"}, "", "", true, false, true, 0},
		"own wins":     {"an object's own win", []string{"Replace=true"}, "Replace=false", "", false, false, false, 0},
		"wave":         {"a wave is a number", nil, "", "-5", false, false, false, -5},
		"wave, spaces": {"with or without spaces", nil, "", " 7 ", false, false, false, 7},
		"wave, text":   {"what is no number is wave 0", nil, "", "first", false, false, false, 0},
	} {
		t.Run(name, func(t *testing.T) {
			a := application()
			a.Spec.SyncPolicy = &v1alpha1.SyncPolicy{SyncOptions: test.all}
			obj := live("ConfigMap", test.own)
			if test.wave != "" {
				obj.SetAnnotations(map[string]string{"argocd.argoproj.io/sync-wave": test.wave})
			}
			items, _, err := settings.Prepare(settings.Decode(a), []object.Manifest{{Object: obj}}, always)
			if err != nil || len(items) != 1 {
				t.Fatal(items, err)
			}
			got := items[0]
			if got.Replace != test.replace || got.Force != test.force || got.Lenient != test.lenient || got.Wave != test.number {
				t.Errorf("%s: replace %t, force %t, lenient %t, wave %d", test.reason, got.Replace, got.Force, got.Lenient, got.Wave)
			}
		})
	}
}

func TestLongNames(t *testing.T) {
	a := application()
	a.Name = strings.Repeat("a", 62) + "-b"
	both := argo.Settings{Namespace: "argocd", Tracking: argo.TrackByBoth}
	label := argo.Settings{Namespace: "argocd", Tracking: argo.TrackByLabel}
	always := func(object.Key) bool { return true }
	items, _, err := both.Prepare(both.Decode(a), []object.Manifest{{Object: live("ConfigMap", "")}}, always)
	if err != nil {
		t.Fatal(err)
	}
	obj := items[0].Object
	if got := obj.GetLabels()["app.kubernetes.io/instance"]; got != strings.Repeat("a", 62) {
		t.Errorf("a label that informs is cut where a label may end: %q", got)
	}
	if owner, ok := both.Owner(object.KeyOf(obj), obj.GetLabels(), obj.GetAnnotations()); !ok || owner.Name != a.Name {
		t.Errorf("the annotation has the whole name: %v %t", owner, ok)
	}
	if _, _, err := label.Prepare(label.Decode(a), []object.Manifest{{Object: live("ConfigMap", "")}}, always); err == nil || !strings.Contains(err.Error(), "more than 63 characters") {
		t.Errorf("a label that proves ownership is not cut: %v", err)
	}
}

func TestInstallations(t *testing.T) {
	one := argo.Settings{Namespace: "argocd", InstallationID: "one"}
	marks := map[string]string{"argocd.argoproj.io/tracking-id": "api:apps/Deployment:shop/api", "argocd.argoproj.io/installation-id": "one"}
	if _, ok := one.Owner(deployment(), nil, marks); !ok {
		t.Error("an installation knows its own")
	}
	marks["argocd.argoproj.io/installation-id"] = "two"
	if id, ok := one.Owner(deployment(), nil, marks); ok {
		t.Errorf("and takes nothing of another's: %s", id)
	}
}

func TestDeletion(t *testing.T) {
	gone := metav1.NewTime(now)
	for name, test := range map[string]struct {
		reason      string
		finalizers  []string
		cascade     bool
		propagation string
	}{
		"none":       {"without a finalizer the objects stay", nil, false, ""},
		"foreign":    {"another's finalizer is none of ours", []string{"example.com/hold"}, false, ""},
		"plain":      {"the finalizer asks for all to go", []string{argo.Finalizer}, true, "foreground"},
		"foreground": {"in the foreground", []string{argo.Finalizer + "/foreground"}, true, "foreground"},
		"background": {"or in the background", []string{argo.Finalizer + "/background"}, true, "background"},
	} {
		a := application()
		a.DeletionTimestamp, a.Finalizers = &gone, append(test.finalizers, "example.com/other")
		d := settings.Decode(a).Deletion
		if d == nil || d.Cascade != test.cascade || d.Propagation != test.propagation || !d.Await {
			t.Errorf("%s: %s: %+v", name, test.reason, d)
		}
		left := settings.Report(a, app.Outcome{Gone: true}, now)
		if d := cmp.Diff([]string{"example.com/other"}, without(left.Finalizers, "example.com/hold")); d != "" {
			t.Errorf("%s: letting go takes our finalizers only (-want +got):\n%s", name, d)
		}
	}
}

func without(list []string, text string) []string {
	var out []string
	for _, s := range list {
		if s != text {
			out = append(out, s)
		}
	}
	return out
}
