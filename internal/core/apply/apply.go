// Package apply describes what happened to the steps of a plan.
//
// In go steps and what the API server answered; out come results for status,
// command line and audit alike. The package writes nothing anywhere.
package apply

import (
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/plumbline-dev/plumbline/internal/core/app"
	"github.com/plumbline-dev/plumbline/internal/core/plan"
)

// Event is what happened to one step.
type Event struct {
	Step plan.Step
	Live *unstructured.Unstructured // the object as stored; nil after prunes and failures
	Err  error
	Took time.Duration
}

// Result returns the line that an operation's record keeps of the event. Hooks of
// a dry run are not waited for.
func (e Event) Result(dryRun bool) app.Result {
	r := app.Result{Key: e.Step.Key, Version: e.Step.Version, Hook: e.Step.Hook, Phase: e.Step.Phase}
	if r.Hook {
		r.Ended = app.Running
		if dryRun {
			r.Ended = app.Succeeded
		}
	}
	switch {
	case e.Err != nil:
		r.Status, r.Message = app.ResultFailed, e.Err.Error()
		if r.Hook {
			r.Ended = app.Failed
		}
	case e.Step.Action == plan.Prune:
		r.Status, r.Message = app.ResultPruned, "pruned"
	case e.Step.Action == plan.Keep:
		r.Status, r.Message = app.ResultPruneHeld, e.Step.Reason
	default:
		r.Status, r.Message = app.ResultSynced, past[e.Step.Action]+": "+e.Step.Reason
	}
	return r
}

var past = map[plan.Action]string{
	plan.Create: "created", plan.Patch: "configured", plan.Adopt: "adopted", plan.Replace: "replaced",
}

// Failures returns the errors of events in their order.
func Failures(events []Event) []string {
	var list []string
	for _, e := range events {
		if e.Err != nil {
			list = append(list, e.Err.Error())
		}
	}
	return list
}
