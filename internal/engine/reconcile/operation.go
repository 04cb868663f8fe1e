package reconcile

import (
	"context"

	"github.com/plumbline-dev/plumbline/internal/core/app"
	coreapply "github.com/plumbline-dev/plumbline/internal/core/apply"
	"github.com/plumbline-dev/plumbline/internal/core/condition"
	"github.com/plumbline-dev/plumbline/internal/core/gate"
	"github.com/plumbline-dev/plumbline/internal/core/object"
	"github.com/plumbline-dev/plumbline/internal/core/plan"
	"github.com/plumbline-dev/plumbline/internal/engine/apply"
)

// operation is an operation at work.
type operation struct {
	*session

	run   *app.Run
	items []plan.Item
	found *comparison
	done  map[plan.Turn]bool // waves whose steps were taken
}

func (s *session) waves(ctx context.Context, run *app.Run, items []plan.Item, found *comparison) (*comparison, error) {
	hooks, refused := s.armed(ctx, run, found)
	if run.Phase == app.Terminating {
		s.terminate(ctx, run, hooks)
		return found, nil
	}
	if run.Operation.Options != nil {
		policy, err := s.subject.Override(run.Operation.Options)
		if err != nil {
			s.finish(run, app.Errored, err.Error())
			return found, err
		}
		s.policy = policy
		s.addNamespace(found)
	}
	if stop := s.preflight(run, found, refused); stop != "" {
		s.finish(run, app.Failed, stop)
		return found, nil
	}
	o := &operation{session: s, run: run, items: items, found: found, done: map[plan.Turn]bool{}}
	for {
		more, err := o.wave(ctx)
		if err != nil || !more {
			return o.found, err
		}
	}
}

// wave takes the steps of the next wave and reports whether there may be another.
func (o *operation) wave(ctx context.Context) (more bool, err error) {
	run := o.run
	hooks, refused := o.armed(ctx, run, o.found)
	if len(refused) > 0 {
		o.finish(run, app.Failed, o.preflight(run, o.found, refused))
		return false, nil
	}
	if err := o.settle(ctx, run, hooks, o.found); err != nil {
		return false, o.later("waiting to write down how hooks ended", err)
	}
	failing := !run.Operation.DryRun && len(run.Failures()) > 0
	if keys := plan.Unended(itemsOf(hooks)); failing && len(keys) > 0 {
		run.Message = "waiting for completion of " + app.HookText(keys)
		return false, nil
	}
	in, asked, deferred := o.planInput(run, o.found)
	if err := o.respect(ctx, in.Items); err != nil {
		o.finish(run, app.Failed, err.Error())
		return false, err
	}
	if failing {
		in = plan.Input{Order: in.Order}
	}
	in.Items = append(in.Items, plan.Called(itemsOf(hooks), failing)...)
	_, end := o.stage(ctx, o.app.ID, "plan")
	p, err := plan.Build(in)
	end(err)
	if err != nil {
		o.finish(run, app.Errored, err.Error())
		return false, err
	}
	wave := p.Next(o.done)
	switch {
	case failing && (wave == nil || len(wave.Broken) > 0):
		return false, o.giveUp(ctx, run, hooks, run.FailureText())
	case wave == nil:
		return false, o.last(ctx, hooks, p, asked, deferred)
	case len(wave.Broken) > 0:
		for _, key := range wave.Broken {
			run.NoteDegraded(key, o.found.version(key), o.found.health[key].Message)
		}
		if run.Operation.DryRun {
			o.finish(run, app.Failed, run.FailureText())
			return false, nil
		}
		return true, nil
	case len(wave.After) > 0:
		run.Message = "waiting for healthy state of " + app.TaskText(wave.After)
		if keys := plan.Unended(itemsOf(hooks)); len(keys) > 0 {
			run.Message = "waiting for completion of " + app.HookText(keys)
		}
		return false, nil
	case len(wave.Steps) == 0:
		run.Message = "waiting for deletion of " + app.HookText(wave.Leaving)
		return false, nil
	}
	return o.take(ctx, wave)
}

// take takes the steps of a wave.
func (o *operation) take(ctx context.Context, wave *plan.Wave) (more bool, err error) {
	run := o.run
	o.done[wave.Turn()] = true
	if err := o.beforeHooks(ctx, run, wave, o.found); err != nil {
		return false, o.later("waiting to write down which hooks are about to run", err)
	}
	events := o.apply(ctx, run, wave.Steps)
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	if cause := unreachable(events); cause != nil {
		return false, o.later("waiting for the API server", cause)
	}
	failures := coreapply.Failures(events)
	switch {
	case len(failures) > 0 && run.Operation.DryRun:
		o.finish(run, app.Failed, "one or more objects failed to apply, reason: "+condition.Summary(failures))
		return false, nil
	case run.Operation.DryRun:
		return true, nil
	case len(failures) == 0 && len(wave.Leaving) > 0:
		run.Message = "waiting for deletion of " + app.HookText(wave.Leaving)
		o.again(soon)
		return false, nil
	}
	if err := o.recompare(ctx, o.items, &o.found); err != nil && len(failures) == 0 {
		o.finish(run, app.Errored, err.Error())
		return false, err
	}
	return true, nil
}

// later has an operation wait for something outside of it.
func (o *operation) later(what string, cause error) error {
	o.run.Message = what + ": " + cause.Error()
	o.again(soon)
	return cause
}

// last ends an operation that has no steps to take any more, or says what is
// waited for.
func (o *operation) last(ctx context.Context, hooks []hook, p plan.Plan, asked []object.Key, deferred bool) error {
	run := o.run
	leaving, pending, unseen := leaving(run, o.found), plan.Unended(itemsOf(hooks)), unseen(run, o.found)
	switch {
	case len(leaving) > 0:
		run.Message = "waiting for deletion of " + app.TaskText(leaving)
	case len(pending) > 0:
		run.Message = "waiting for completion of " + app.HookText(pending)
	case deferred:
		run.Message = "waiting to prune until it is known what other applications declare now"
		o.again(rollPause)
	case len(unseen) > 0:
		run.Message = "waiting until it can be seen how things stand with " + app.TaskText(unseen)
	case len(asked) > 0:
		run.Message = "waiting for pruning confirmation of " + app.TaskText(asked)
	default:
		o.mem.patient = gate.Wait{}
		o.record(run, o.found, p)
		return o.succeed(ctx, run, hooks)
	}
	return nil
}

// unreachable returns the first failure that has nothing to do with an object.
func unreachable(events []coreapply.Event) error {
	for _, e := range events {
		if e.Err != nil && apply.Transient(e.Err) {
			return e.Err
		}
	}
	return nil
}
