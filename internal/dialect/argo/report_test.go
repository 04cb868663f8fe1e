package argo_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/plumbline-dev/plumbline/api/argoproj/v1alpha1"
	"github.com/plumbline-dev/plumbline/internal/core/app"
	"github.com/plumbline-dev/plumbline/internal/core/condition"
	"github.com/plumbline-dev/plumbline/internal/core/health"
	"github.com/plumbline-dev/plumbline/internal/core/object"
	"github.com/plumbline-dev/plumbline/internal/core/render"
	"github.com/plumbline-dev/plumbline/internal/core/source"
	"github.com/plumbline-dev/plumbline/internal/dialect/argo"
)

var (
	now      = time.Date(2026, 5, 4, 8, 0, 0, 7, time.UTC)
	settings = argo.Settings{Namespace: "argocd"}
)

func application() *v1alpha1.Application {
	return &v1alpha1.Application{
		ObjectMeta: metav1.ObjectMeta{Namespace: "argocd", Name: "api"},
		Spec: v1alpha1.ApplicationSpec{
			Project:     "default",
			Source:      &v1alpha1.Source{RepoURL: "https://git.example.com/a.git", Path: "api", TargetRevision: "main"},
			Destination: v1alpha1.Destination{Server: argo.InCluster, Namespace: "shop"},
		},
	}
}

func deployment() object.Key {
	return object.Key{Group: "apps", Kind: "Deployment", Namespace: "shop", Name: "api"}
}

func outcome() app.Outcome {
	return app.Outcome{
		Compared: true, Sync: app.Synced, Health: health.Status{Code: health.Healthy}, Tools: []render.Tool{render.Kustomize},
		Revision:  source.Revision{Name: "main", ID: "18bc77047eed7038040a810160114e5c7b2b7931"},
		Resources: []app.Resource{{Key: deployment(), Version: "v1", Sync: app.Synced, Wave: 2, Health: &health.Status{Code: health.Healthy}}},
		Images:    []string{"nginx:1"},
		Problems:  []condition.Problem{{Reason: condition.RenderWarning, Message: "B"}, {Reason: condition.RenderWarning, Message: "A"}},
	}
}

func finished(a *v1alpha1.Application, op app.Operation) *app.Run {
	return &app.Run{
		Operation: op, Phase: app.Succeeded, Message: "done", StartedAt: now.Add(-time.Minute).Truncate(time.Second), FinishedAt: now.Truncate(time.Second),
		Revision: source.Revision{ID: "18bc77047eed7038040a810160114e5c7b2b7931"}, Source: settings.Decode(a).Declared,
		Results: []app.Result{{Key: deployment(), Version: "v1", Status: app.ResultSynced, Message: "configured", Images: []string{"nginx:1"}}},
	}
}

// A second report of the same outcome changes nothing, so that nothing is written.
func TestReportRests(t *testing.T) {
	for name, change := range map[string]func(*v1alpha1.Application, *app.Outcome){
		"compared": func(*v1alpha1.Application, *app.Outcome) {},
		"not compared": func(_ *v1alpha1.Application, out *app.Outcome) {
			*out = app.Outcome{Sync: app.Unknown, Problems: out.Problems}
		},
		"automatic": func(a *v1alpha1.Application, out *app.Outcome) {
			out.Run = finished(a, app.Operation{Automatic: true, Prune: true})
		},
		"selective": func(a *v1alpha1.Application, out *app.Outcome) {
			out.Run = finished(a, app.Operation{Automatic: true, Heals: 2, Only: []app.Selector{{Group: "apps", Kind: "Deployment", Name: "api"}}})
		},
		"running": func(a *v1alpha1.Application, out *app.Outcome) {
			out.Run = finished(a, app.Operation{Automatic: true})
			out.Run.Phase, out.Run.FinishedAt = app.Running, time.Time{}
		},
		"sources": func(a *v1alpha1.Application, _ *app.Outcome) {
			a.Spec.Sources, a.Spec.Source = []v1alpha1.Source{*a.Spec.Source}, nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			a, out := application(), outcome()
			change(a, &out)
			first := settings.Report(a, out, now)
			second := settings.Report(first, out, now.Add(time.Hour))
			if d := cmp.Diff(first, second); d != "" {
				t.Errorf("-first +second:\n%s", d)
			}
			if first.Operation != nil && out.Run != nil && out.Run.Phase.Done() {
				t.Error("a request that was answered is removed")
			}
		})
	}
}

// What a status remembers is what was reported.
func TestStateRoundTrip(t *testing.T) {
	a, out := application(), outcome()
	op := app.Operation{
		Automatic: true, Prune: true, Heals: 3, Options: []string{"PruneLast=true"},
		Only:  []app.Selector{{Group: "apps", Kind: "Deployment", Namespace: "shop", Name: "api"}},
		Retry: app.Retry{Limit: 5, Wait: 5 * time.Second, Factor: 2, Max: 3 * time.Minute},
	}
	out.Run = finished(a, op)
	got := settings.Decode(settings.Report(a, out, now)).State
	if d := cmp.Diff(out.Run, got.Run); d != "" {
		t.Errorf("the operation (-want +got):\n%s", d)
	}
	want := object.Inventory{{Key: deployment(), Version: "v1"}}
	if d := cmp.Diff(want, got.Inventory); d != "" {
		t.Errorf("the inventory (-want +got):\n%s", d)
	}
	if got.Applied != "" {
		t.Errorf("a selective sync is not in the history: %q", got.Applied)
	}
	op.Only = nil
	out.Run = finished(a, op)
	if got := settings.Decode(settings.Report(a, out, now)).State; got.Applied != out.Revision.ID {
		t.Errorf("a full sync is in the history: %q", got.Applied)
	}
}

// The history keeps the newest, numbered on.
func TestHistory(t *testing.T) {
	a, limit := application(), int64(2)
	a.Spec.RevisionHistoryLimit = &limit
	for i := range 4 {
		out := outcome()
		out.Run = finished(a, app.Operation{Automatic: true})
		out.Run.StartedAt = now.Add(time.Duration(i) * time.Hour).Truncate(time.Second)
		a = settings.Report(a, out, now)
	}
	var ids []int64
	for _, h := range a.Status.History {
		ids = append(ids, h.ID)
	}
	if d := cmp.Diff([]int64{2, 3}, ids); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}

// A health's transition time moves with its status, not with its message.
func TestHealthTransition(t *testing.T) {
	out := outcome()
	one := settings.Report(application(), out, now)
	out.Health.Message = "still"
	two := settings.Report(one, out, now.Add(time.Minute))
	if !one.Status.Health.LastTransitionTime.Equal(two.Status.Health.LastTransitionTime) {
		t.Error("another message is no transition")
	}
	out.Health.Code = health.Degraded
	three := settings.Report(two, out, now.Add(time.Hour))
	if two.Status.Health.LastTransitionTime.Equal(three.Status.Health.LastTransitionTime) {
		t.Error("another status is one")
	}
}
