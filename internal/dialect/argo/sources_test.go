package argo_test

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/plumbline-dev/plumbline/api/argoproj/v1alpha1"
	"github.com/plumbline-dev/plumbline/internal/core/app"
	"github.com/plumbline-dev/plumbline/internal/core/render"
	"github.com/plumbline-dev/plumbline/internal/core/source"
)

const (
	shopID   = "18bc77047eed7038040a810160114e5c7b2b7931"
	valuesID = "2222222222222222222222222222222222222222"
)

// several is an application of a chart and of values that lie elsewhere.
func several() *v1alpha1.Application {
	a := application()
	chart := *a.Spec.Source
	chart.Helm = &v1alpha1.HelmSource{ValueFiles: []string{"$values/env/$ARGOCD_APP_NAME.yaml", "own.yaml", "$other/x.yaml"}}
	a.Spec.Source = nil
	a.Spec.Sources = []v1alpha1.Source{chart, {RepoURL: "https://git.example.com/values.git", TargetRevision: "main", Ref: "values"}}
	return a
}

func TestSeveralSources(t *testing.T) {
	got := settings.Decode(several())
	if len(got.Problems) > 0 || len(got.Sources) != 2 {
		t.Fatalf("%v, %d sources", got.Problems, len(got.Sources))
	}
	chart, values := got.Sources[0], got.Sources[1]
	if chart.Lends || chart.Alias != "" || !values.Lends || values.Alias != "values" {
		t.Errorf("which source lends what: %+v, %+v", chart, values)
	}
	want := []string{"/$values/env/api.yaml", "own.yaml", "/x.yaml"} // $other is an empty variable
	if d := cmp.Diff(want, chart.Render.Helm.ValueFiles); d != "" {
		t.Errorf("value files: -want +got:\n%s", d)
	}
	both := several()
	both.Spec.Source = &v1alpha1.Source{RepoURL: "https://git.example.com/other.git", Path: "x"}
	if other := settings.Decode(both); other.Declared != got.Declared {
		t.Error("sources do not go before source")
	}
}

// What is written of several sources is read again.
func TestSeveralSourcesReported(t *testing.T) {
	a, out := several(), outcome()
	out.Tools = []render.Tool{render.Helm, ""}
	out.Revision = source.Join([]source.Revision{{ID: shopID}, {ID: valuesID}})
	out.Run = finished(a, app.Operation{Automatic: true, Revision: out.Revision.ID})
	out.Run.Revision = out.Revision
	next := settings.Report(a, out, now)
	st := next.Status
	ids := []string{shopID, valuesID}
	if d := cmp.Diff(ids, st.Sync.Revisions); d != "" || st.Sync.Revision != "" {
		t.Errorf("status.sync: %q, %s", st.Sync.Revision, d)
	}
	if len(st.Sync.ComparedTo.Sources) != 2 || st.Sync.ComparedTo.Source.RepoURL != "" {
		t.Errorf("comparedTo: %+v", st.Sync.ComparedTo)
	}
	if d := cmp.Diff([]v1alpha1.SourceType{"Helm", ""}, st.SourceTypes); d != "" || st.SourceType != "" {
		t.Errorf("source types: %q, %s", st.SourceType, d)
	}
	if res := st.OperationState.SyncResult; len(res.Sources) != 2 || !cmp.Equal(ids, res.Revisions) || res.Revision != "" {
		t.Errorf("sync result: %+v", res)
	}
	if op := st.OperationState.Operation.Sync; !cmp.Equal(ids, op.Revisions) || op.Revision != "" {
		t.Errorf("operation: %+v", op)
	}
	if h := st.History; len(h) != 1 || len(h[0].Sources) != 2 || !cmp.Equal(ids, h[0].Revisions) || h[0].Revision != "" {
		t.Errorf("history: %+v", h)
	}
	back := settings.Decode(next)
	if back.State.Applied != out.Revision.ID || back.State.Run.Revision.ID != out.Revision.ID || back.State.Run.Source != back.Declared {
		t.Errorf("read back: %+v, %+v", back.State, back.State.Run)
	}
}

// An operation with a source of its own leaves what the status says of the
// application's own alone.
func TestRollback(t *testing.T) {
	old := v1alpha1.Source{RepoURL: "https://git.example.com/a.git", Path: "old"}
	a := application()
	a.Status.Sync = v1alpha1.SyncStatus{Status: v1alpha1.SyncCodeSynced, Revision: valuesID}
	a.Operation = &v1alpha1.Operation{Sync: &v1alpha1.SyncOperation{Revision: shopID, Source: &old}}
	got := settings.Decode(a)
	if !got.Borrowed || len(got.Problems) > 0 || got.Sources[0].Render.Path != "old" || got.Request.Revision != shopID {
		t.Fatalf("%v, %+v", got.Problems, got.Sources)
	}
	if got.Declared == settings.Decode(application()).Declared {
		t.Error("another source has the same digest")
	}
	out := outcome()
	out.Answers, out.Sync = true, app.OutOfSync
	out.Run = finished(a, *got.Request)
	out.Run.Source = got.Declared
	next := settings.Report(a, out, now)
	if next.Operation != nil {
		t.Error("the operation is done and still there")
	}
	if s := next.Status.Sync; s.Status != v1alpha1.SyncCodeOutOfSync || s.Revision != valuesID {
		t.Errorf("status.sync: %+v", s)
	}
	if res := next.Status.OperationState.SyncResult; res.Source.Path != "old" || res.Revision != shopID {
		t.Errorf("sync result: %+v", res)
	}
	if h := next.Status.History; len(h) != 1 || h[0].Source.Path != "old" {
		t.Errorf("history: %+v", h)
	}
	if back := settings.Decode(next); back.Borrowed || back.State.Run.Source != got.Declared {
		t.Errorf("read back: borrowed %t, of %s", back.Borrowed, back.State.Run.Source)
	}

	same := application()
	same.Operation = &v1alpha1.Operation{Sync: &v1alpha1.SyncOperation{Source: same.Spec.Source.DeepCopy()}}
	if settings.Decode(same).Borrowed {
		t.Error("an operation that names the application's own source borrows it")
	}
}

func treeOf(files map[string]string) source.Tree {
	m := fstest.MapFS{}
	for name, text := range files {
		m[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return source.FromFS(m, source.Revision{Name: "main", ID: shopID})
}

// The build environment reaches the fields that Argo CD substitutes it in.
func TestBuildEnvironment(t *testing.T) {
	request := func(edit func(*v1alpha1.Source)) render.Request {
		t.Helper()
		a := application()
		edit(a.Spec.Source)
		got := settings.Decode(a)
		if len(got.Problems) > 0 {
			t.Fatal(got.Problems)
		}
		req, err := settings.Request(got, got.Sources[0], treeOf(nil))
		if err != nil {
			t.Fatal(err)
		}
		return req
	}
	kustomize := request(func(s *v1alpha1.Source) {
		s.Kustomize = &v1alpha1.KustomizeSource{
			Images:                    []string{"api=reg/api:${ARGOCD_APP_REVISION_SHORT}"},
			CommonLabels:              map[string]string{"app": "$ARGOCD_APP_NAME", "ns": "$ARGOCD_APP_NAMESPACE"},
			CommonAnnotations:         map[string]string{"from": "$ARGOCD_APP_SOURCE_REPO_URL $ARGOCD_APP_SOURCE_PATH $ARGOCD_APP_SOURCE_TARGET_REVISION"},
			CommonAnnotationsEnvsubst: true,
		}
	}).Kustomize
	if kustomize.Images[0].NewTag != shopID[:7] || kustomize.Labels["app"] != "api" || kustomize.Labels["ns"] != "shop" {
		t.Errorf("%+v, %v", kustomize.Images, kustomize.Labels)
	}
	if got, want := kustomize.Annotations["from"], "https://git.example.com/a.git api main"; got != want {
		t.Errorf("annotation %q, want %q", got, want)
	}
	plain := request(func(s *v1alpha1.Source) {
		s.Kustomize = &v1alpha1.KustomizeSource{CommonAnnotations: map[string]string{"note": "$ARGOCD_APP_NAME"}}
	})
	if plain.Kustomize.Annotations["note"] != "$ARGOCD_APP_NAME" || plain.Pinned {
		t.Errorf("annotations are substituted without being asked for: %v, pinned %t", plain.Kustomize.Annotations, plain.Pinned)
	}
	helm := request(func(s *v1alpha1.Source) {
		s.Helm = &v1alpha1.HelmSource{Parameters: []v1alpha1.HelmParameter{
			{Name: "a", Value: "$ARGOCD_APP_REVISION_SHORT_8"}, {Name: "b", Value: "$ARGOCD_APP_REVISION-$ARGOCD_APP_PROJECT_NAME"}, {Name: "c", Value: "$HOME"},
		}}
	})
	var values []string
	for _, p := range helm.Helm.Parameters {
		values = append(values, p.Value)
	}
	if d := cmp.Diff([]string{shopID[:8], shopID + "-default", ""}, values); d != "" || !helm.Pinned {
		t.Errorf("pinned %t, parameters -want +got:\n%s", helm.Pinned, d)
	}
}

// Files beside the manifests change the source: first that for all applications,
// then that for one.
func TestOverrides(t *testing.T) {
	const all, one = "api/.argocd-source.yaml", "api/.argocd-source-api.yaml"
	for name, test := range map[string]struct {
		files  map[string]string
		want   render.KustomizeOptions
		refuse string // piece of the error
	}{
		"none": {want: render.KustomizeOptions{NamePrefix: "own-", NameSuffix: "-own"}},
		"for all": {
			files: map[string]string{all: "kustomize: {namePrefix: all-}"},
			want:  render.KustomizeOptions{NamePrefix: "all-", NameSuffix: "-own"},
		},
		"for one goes before": {
			files: map[string]string{all: "kustomize: {namePrefix: all-, nameSuffix: null}", one: "kustomize: {namePrefix: one-}"},
			want:  render.KustomizeOptions{NamePrefix: "one-"},
		},
		"of another": {
			files: map[string]string{"api/.argocd-source-web.yaml": "kustomize: {namePrefix: web-}"},
			want:  render.KustomizeOptions{NamePrefix: "own-", NameSuffix: "-own"},
		},
		"lists are replaced": {
			files: map[string]string{one: "kustomize: {images: ['a:1']}"},
			want:  render.KustomizeOptions{NamePrefix: "own-", NameSuffix: "-own", Images: []render.KustomizeImage{{Name: "a", NewTag: "1"}}},
		},
		"empty": {
			files: map[string]string{one: "# nothing yet\n"},
			want:  render.KustomizeOptions{NamePrefix: "own-", NameSuffix: "-own"},
		},
		"not where from": {
			files: map[string]string{one: "{repoURL: https://evil.example/x, path: ../secret, targetRevision: evil, ref: a/b, kustomize: {namePrefix: one-}}"},
			want:  render.KustomizeOptions{NamePrefix: "one-", NameSuffix: "-own"},
		},
		"no YAML":       {files: map[string]string{all: "a: b: c"}, refuse: all + ": "},
		"a list":        {files: map[string]string{all: "[kustomize]"}, refuse: all + ": is not a map"},
		"wrong type":    {files: map[string]string{one: "kustomize: {namePrefix: [1]}"}, refuse: one + ": "},
		"another tool":  {files: map[string]string{one: "helm: {releaseName: x}"}, refuse: "set one of helm, kustomize, directory and plugin"},
		"a bad version": {files: map[string]string{one: "kustomize: {version: v4}"}, refuse: "spec.source.kustomize.version"},
		"aliases that grow": {
			files:  map[string]string{one: "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: &f [*e,*e,*e,*e,*e,*e,*e,*e,*e]\ng: &g [*f,*f,*f,*f,*f,*f,*f,*f,*f]\nh: [*g,*g,*g,*g,*g,*g,*g,*g,*g]\n"},
			refuse: one + ": ",
		},
	} {
		t.Run(name, func(t *testing.T) {
			a := application()
			a.Spec.Source.Kustomize = &v1alpha1.KustomizeSource{NamePrefix: "own-", NameSuffix: "-own"}
			decoded := settings.Decode(a)
			req, err := settings.Request(decoded, decoded.Sources[0], treeOf(test.files))
			if test.refuse != "" {
				if err == nil || !strings.Contains(err.Error(), test.refuse) {
					t.Errorf("%v, want %q", err, test.refuse)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			test.want.LabelsInSelectors = true
			if d := cmp.Diff(&test.want, req.Kustomize); d != "" {
				t.Errorf("-want +got:\n%s", d)
			}
			if d := cmp.Diff([]string{".argocd-source.yaml", ".argocd-source-api.yaml"}, req.Heeds); d != "" || req.Path != "api" {
				t.Errorf("path %s, heeds -want +got:\n%s", req.Path, d)
			}
		})
	}
}
