package argo_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/plumbline-dev/plumbline/api/argoproj/v1alpha1"
	"github.com/plumbline-dev/plumbline/internal/core/app"
	"github.com/plumbline-dev/plumbline/internal/core/condition"
	"github.com/plumbline-dev/plumbline/internal/core/health"
	"github.com/plumbline-dev/plumbline/internal/core/object"
	"github.com/plumbline-dev/plumbline/internal/core/render"
	"github.com/plumbline-dev/plumbline/internal/core/source"
)

func pick[T any](r *rand.Rand, list ...T) T { return list[r.IntN(len(list))] }

// randomOutcome is an outcome as a reconcile of a might have it.
func randomOutcome(r *rand.Rand, a *v1alpha1.Application) app.Outcome {
	out := app.Outcome{
		Compared: r.IntN(5) > 0, Sync: pick(r, app.Synced, app.OutOfSync, app.Unknown),
		Health:   health.Status{Code: pick(r, health.Healthy, health.Progressing, health.Degraded), Message: pick(r, "", "A", "B")},
		Tools:    []render.Tool{pick(r, render.Directory, render.Helm, render.Kustomize, "")},
		Revision: source.Revision{Name: "main", ID: strings.Repeat(pick(r, "1", "2"), 40)},
	}
	for i := range r.IntN(4) {
		res := app.Resource{
			Key: object.Key{Kind: pick(r, "ConfigMap", "Application"), Namespace: "shop", Name: fmt.Sprint("a", i)}, Version: "v1",
			Sync: pick(r, app.Synced, app.OutOfSync, app.Unknown), Prune: r.IntN(3) == 0, Wave: r.IntN(3) - 1,
		}
		if r.IntN(2) == 0 {
			res.Health = &health.Status{Code: pick(r, health.Healthy, health.Missing), Message: pick(r, "", "C")}
		}
		out.Resources = append(out.Resources, res)
	}
	for range r.IntN(4) {
		out.Problems = append(out.Problems, condition.Problem{
			Reason:  pick(r, condition.InvalidSpec, condition.SourceFailed, condition.SyncHeld, condition.SharedObject, condition.DeleteFailed, condition.RenderWarning, "Other"),
			Message: pick(r, "One", "Two"),
		})
	}
	if r.IntN(4) == 0 {
		return out
	}
	started := now.Truncate(time.Second).Add(-time.Duration(r.IntN(3)) * time.Hour)
	out.Run = &app.Run{
		Operation: app.Operation{
			Automatic: true, Revision: out.Revision.ID, Prune: r.IntN(2) == 0, Heals: int64(r.IntN(3)), Bare: r.IntN(4) == 0, Force: r.IntN(4) == 0,
			Retry: app.Retry{Limit: int64(r.IntN(4) - 1), Wait: time.Duration(r.IntN(3)) * time.Second, Factor: 2, Max: time.Minute},
		},
		Phase:   pick(r, app.Running, app.Terminating, app.Succeeded, app.Failed, app.Errored),
		Message: pick(r, "", "it did something"), Revision: source.Revision{ID: out.Revision.ID}, Source: settings.Decode(a).Declared,
		StartedAt: started, Retries: int64(r.IntN(3)),
	}
	if r.IntN(2) == 0 || out.Run.Phase.Done() {
		out.Run.FinishedAt = started.Add(time.Minute)
	}
	for _, res := range out.Resources {
		out.Run.Results = append(out.Run.Results, app.Result{
			Key: res.Key, Version: "v1", Message: "done", Images: pick(r, nil, []string{"nginx:1"}),
			Status: pick(r, app.ResultSynced, app.ResultFailed, app.ResultPruned, app.ResultPruneHeld, app.ResultUnattempted),
		})
		if last := &out.Run.Results[len(out.Run.Results)-1]; last.Status != app.ResultFailed && r.IntN(4) == 0 {
			last.Ended = app.Failed // after it was applied
		}
		if r.IntN(4) == 0 {
			hook := out.Run.Results[len(out.Run.Results)-1]
			hook.Hook, hook.Phase, hook.Ended = true, pick(r, app.SyncPhases...), pick(r, app.Running, app.Succeeded, app.Failed)
			out.Run.Results = append(out.Run.Results, hook)
			out.Hooks = append(out.Hooks, app.Resource{Key: res.Key, Version: "v1", Wave: r.IntN(3)})
		}
		if r.IntN(4) == 0 {
			out.Run.Operation.Only = append(out.Run.Operation.Only, app.Selector{Kind: res.Key.Kind, Name: res.Key.Name})
		}
	}
	return out
}

// Whatever happened before and whatever the outcome is: a second report of it
// changes nothing, and what has to be remembered reads back.
func TestRandomReports(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 2))
	a := application()
	for i := range 400 {
		out, at := randomOutcome(r, a), now.Add(time.Duration(i)*time.Minute)
		before := a.DeepCopy()
		first := settings.Report(a, out, at)
		if d := cmp.Diff(before, a); d != "" {
			t.Fatalf("report %d changed what it was given:\n%s", i, d)
		}
		if d := cmp.Diff(first, settings.Report(first, out, at.Add(time.Hour))); d != "" {
			t.Fatalf("a second report %d of %+v (-first +second):\n%s", i, out, d)
		}
		state := settings.Decode(first).State
		if out.Run != nil {
			if d := cmp.Diff(out.Run, state.Run, cmpopts.EquateEmpty()); d != "" {
				t.Fatalf("report %d: the operation read back (-want +got):\n%s", i, d)
			}
		}
		if out.Compared && len(state.Inventory) != len(out.Resources) {
			t.Fatalf("report %d: %d objects are remembered of %d", i, len(state.Inventory), len(out.Resources))
		}
		a = first
		if r.IntN(10) == 0 {
			a = application()
		}
	}
}

// A request and a refresh are removed when, and only when, they were answered.
func TestAnswers(t *testing.T) {
	asked := func() *v1alpha1.Application {
		a := application()
		a.Operation = &v1alpha1.Operation{Sync: &v1alpha1.SyncOperation{Prune: true}, Info: []v1alpha1.Info{{Name: "why", Value: "because"}}}
		a.Annotations = map[string]string{"argocd.argoproj.io/refresh": "normal", "other": "stays"}
		return a
	}
	out := outcome()
	out.Run, out.Answers = finished(asked(), app.Operation{Prune: true}), true
	out.Run.Phase, out.Run.FinishedAt = app.Running, time.Time{}
	running := settings.Report(asked(), out, now)
	if running.Operation == nil || len(running.Status.OperationState.Operation.Info) != 1 {
		t.Error("a request stays while it runs, and is remembered as it was written")
	}
	out.Run.Phase, out.Run.FinishedAt = app.Succeeded, now.Truncate(time.Second)
	if done := settings.Report(running, out, now); done.Operation != nil || len(done.Status.OperationState.Operation.Info) != 1 {
		t.Error("a request goes when it is done, and is remembered as it was written")
	}
	other := outcome()
	other.Run = finished(asked(), app.Operation{Automatic: true})
	if waiting := settings.Report(asked(), other, now); waiting.Operation == nil {
		t.Error("the end of another operation is no answer")
	}
	out.RefreshSeen = "normal"
	if got := settings.Report(asked(), out, now).Annotations; len(got) != 1 || got["other"] != "stays" {
		t.Errorf("an answered refresh is removed and nothing else: %v", got)
	}
	out.RefreshSeen = "hard"
	if got := settings.Report(asked(), out, now).Annotations; len(got) != 2 {
		t.Errorf("a refresh that was asked for meanwhile stays: %v", got)
	}
}

// What was not looked at stands as it was last seen.
func TestNotCompared(t *testing.T) {
	seen := settings.Report(application(), outcome(), now)
	for name, out := range map[string]app.Outcome{
		"a render failed":        {Sync: app.Unknown, Problems: []condition.Problem{{Reason: condition.RenderFailed, Message: "Broken"}}},
		"a deletion is held up":  {Problems: []condition.Problem{{Reason: condition.DeleteFailed, Message: "Refused"}}},
		"a deletion is going on": {},
	} {
		got := settings.Report(seen, out, now.Add(time.Hour)).Status
		if d := cmp.Diff(seen.Status.Health, got.Health); d != "" {
			t.Errorf("%s: health (-want +got):\n%s", name, d)
		}
		if d := cmp.Diff(seen.Status.Resources, got.Resources); d != "" {
			t.Errorf("%s: resources (-want +got):\n%s", name, d)
		}
		want := seen.Status.Sync.Status
		if out.Sync != "" {
			want = v1alpha1.SyncCode(out.Sync)
		}
		if got.Sync.Status != want {
			t.Errorf("%s: sync status %q, want %q", name, got.Sync.Status, want)
		}
	}
	fresh := settings.Report(application(), app.Outcome{Sync: app.Unknown}, now).Status
	if fresh.Health.Status != v1alpha1.HealthCodeUnknown {
		t.Errorf("what was never looked at is %q", fresh.Health.Status)
	}
}
