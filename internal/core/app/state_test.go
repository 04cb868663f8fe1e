package app_test

import (
	"testing"
	"time"

	"github.com/plumbline-dev/plumbline/internal/core/app"
	"github.com/plumbline-dev/plumbline/internal/core/object"
)

var (
	migrate = object.Key{Group: "batch", Kind: "Job", Namespace: "shop", Name: "migrate"}
	web     = object.Key{Group: "apps", Kind: "Deployment", Namespace: "shop", Name: "web"}
)

// A hook of two phases has a result for each, and none of them is the object's.
func TestNote(t *testing.T) {
	run := app.Run{Phase: app.Running}
	for _, phase := range []app.SyncPhase{app.PostSync, app.PreSync} {
		if !run.NoteEnd(migrate, "v1", phase, app.Running, "") {
			t.Errorf("%s: that it runs is no news", phase)
		}
	}
	run.Note(app.Result{Key: web, Status: app.ResultSynced, Message: "created"})
	run.Note(app.Result{Key: web, Status: app.ResultSynced, Message: "configured"})
	if len(run.Results) != 3 || run.Results[0].Phase != app.PreSync || run.Results[1].Message != "configured" || run.Results[2].Phase != app.PostSync {
		t.Fatalf("results %+v", run.Results)
	}
	if !run.NoteEnd(migrate, "v1", app.PreSync, app.Succeeded, "done") || run.NoteEnd(migrate, "v1", app.PreSync, app.Succeeded, "done") {
		t.Error("an end is news once")
	}
	if run.EndOf(migrate, app.PreSync) != app.Succeeded || run.EndOf(migrate, app.PostSync) != app.Running || run.EndOf(web, app.InSync) != "" {
		t.Errorf("ends %+v", run.Results)
	}
}

func TestHooksRun(t *testing.T) {
	hook := []app.Result{{Key: migrate, Hook: true, Phase: app.PreSync, Ended: app.Running}}
	for name, c := range map[string]struct {
		run  app.Run
		want bool
	}{
		"a hook runs":                 {app.Run{Phase: app.Running, Results: hook}, true},
		"it has ended":                {app.Run{Phase: app.Running, Results: []app.Result{{Key: migrate, Hook: true, Ended: app.Succeeded}}}, false},
		"the operation is over":       {app.Run{Phase: app.Failed, Results: hook}, false},
		"the next attempt is to come": {app.Run{Phase: app.Running, FinishedAt: time.Unix(1, 0), Results: hook}, false},
		"no hook":                     {app.Run{Phase: app.Running, Results: []app.Result{{Key: web}}}, false},
	} {
		if got := c.run.HooksRun(); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

func TestFailureText(t *testing.T) {
	var run app.Run
	run.Note(app.Result{Key: web, Status: app.ResultSynced, Message: "created"})
	run.NoteEnd(migrate, "v1", app.SyncFail, app.Failed, "the alarm itself failed")
	if len(run.Failures()) != 0 {
		t.Errorf("failures %+v", run.Failures())
	}
	const tasks = "one or more synchronization tasks completed unsuccessfully, reason: "
	run.NoteEnd(migrate, "v1", app.PreSync, app.Failed, "BackoffLimitExceeded")
	if got, want := run.FailureText(), tasks+"hook batch/Job shop/migrate: BackoffLimitExceeded"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	run.Results = nil
	run.NoteDegraded(web, "v1", "")
	if got, want := run.FailureText(), tasks+"apps/Deployment/web is degraded"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	run.Note(app.Result{Key: migrate, Status: app.ResultFailed, Message: "refused"})
	if got, want := run.FailureText(), "one or more objects failed to apply, reason: refused"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
