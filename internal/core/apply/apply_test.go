package apply_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plumbline-dev/plumbline/internal/core/app"
	"github.com/plumbline-dev/plumbline/internal/core/apply"
	"github.com/plumbline-dev/plumbline/internal/core/object"
	"github.com/plumbline-dev/plumbline/internal/core/plan"
)

func TestResult(t *testing.T) {
	key := object.Key{Group: "apps", Kind: "Deployment", Namespace: "shop", Name: "api"}
	result := func(status app.ResultStatus, message string) app.Result {
		return app.Result{Key: key, Version: "v1", Status: status, Message: message}
	}
	for name, test := range map[string]struct {
		reason string
		action plan.Action
		why    string
		err    error
		want   app.Result
	}{
		"create":  {"what was created says why", plan.Create, "not in cluster", nil, result(app.ResultSynced, "created: not in cluster")},
		"patch":   {"what was changed says what", plan.Patch, "spec.replicas: 2 -> 3", nil, result(app.ResultSynced, "configured: spec.replicas: 2 -> 3")},
		"adopt":   {"what was taken over says from whom", plan.Adopt, "owned by kubectl", nil, result(app.ResultSynced, "adopted: owned by kubectl")},
		"replace": {"what was replaced says why", plan.Replace, "data changed", nil, result(app.ResultSynced, "replaced: data changed")},
		"prune":   {"what was pruned is not called synced", plan.Prune, "no longer declared", nil, result(app.ResultPruned, "pruned")},
		"keep":    {"what stays says why", plan.Keep, "ignored (no prune)", nil, result(app.ResultPruneHeld, "ignored (no prune)")},
		"failed":  {"a failed step is failed whatever its action", plan.Prune, "no longer declared", errors.New("refused"), result(app.ResultFailed, "refused")},
	} {
		t.Run(name, func(t *testing.T) {
			e := apply.Event{Step: plan.Step{Action: test.action, Key: key, Version: "v1", Reason: test.why}, Err: test.err}
			if d := cmp.Diff(test.want, e.Result(false)); d != "" {
				t.Errorf("%s (-want +got):\n%s", test.reason, d)
			}
		})
	}
}

func TestFailures(t *testing.T) {
	events := []apply.Event{{Err: errors.New("b")}, {}, {Err: errors.New("a")}}
	if d := cmp.Diff([]string{"b", "a"}, apply.Failures(events)); d != "" {
		t.Errorf("failures keep the order of the events (-want +got):\n%s", d)
	}
	if got := apply.Failures(events[1:2]); len(got) != 0 {
		t.Errorf("a success is no failure: %q", got)
	}
}
