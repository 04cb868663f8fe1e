package reconcile

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/plumbline-dev/plumbline/internal/core/app"
	coreapply "github.com/plumbline-dev/plumbline/internal/core/apply"
	"github.com/plumbline-dev/plumbline/internal/core/condition"
	"github.com/plumbline-dev/plumbline/internal/core/health"
	"github.com/plumbline-dev/plumbline/internal/core/object"
	"github.com/plumbline-dev/plumbline/internal/core/plan"
	"github.com/plumbline-dev/plumbline/internal/core/source"
	"github.com/plumbline-dev/plumbline/internal/engine/apply"
)

// ending is the deletion of an application as an operation, so that hooks know what
// they were created for: one attempt, that began when the deletion was asked for.
func (s *session) ending() app.Run {
	return app.Run{StartedAt: s.app.Deletion.Since, Phase: app.Running, Revision: s.out.Revision}
}

// lastHooks finds the hooks of a deletion, where any have to run: those of the newest
// revision, so that one that fails can be put right, or of the one that was delivered
// last if that does not render. It returns false while they are not known, which is
// said.
func (s *session) lastHooks(ctx context.Context) bool {
	if len(s.app.Deletion.Hooks)+len(s.app.Deletion.Clear) == 0 {
		return true
	}
	without := "; remove the finalizers pre-delete-finalizer and post-delete-finalizer to delete the application without its hooks"
	rev, ready := s.resolve()
	if !ready {
		s.again(soon)
		for i, p := range s.out.Problems {
			s.out.Problems[i] = condition.Problem{Reason: condition.DeleteFailed, Message: p.Message + without}
		}
		return false
	}
	items, err := s.render(ctx, rev)
	if applied := s.app.State.Applied; err != nil && applied != "" && applied != rev.ID {
		rev = source.Revision{ID: applied}
		if before, errBefore := s.render(ctx, rev); errBefore == nil {
			items, err = before, nil
		}
	}
	s.out.Revision = rev
	if err != nil {
		s.problem(condition.Newf(condition.DeleteFailed, "hooks of the deletion are not known: %w%s", err, without), condition.DeleteFailed)
		s.again(5 * soon)
		return false
	}
	s.split(items)
	s.hooks = s.last // their kinds are watched
	return true
}

// split tells the parts of the application, which it returns, from its hooks.
func (s *session) split(items []plan.Item) (parts []plan.Item) {
	parts, s.hooks, s.last = plan.Split(items)
	s.out.Last, s.out.Clears = nil, nil
	for _, h := range s.last {
		if !slices.Contains(s.out.Last, h.Phase) {
			s.out.Last = append(s.out.Last, h.Phase)
		}
		if h.Over(false) && !slices.Contains(s.out.Clears, h.Phase) {
			s.out.Clears = append(s.out.Clears, h.Phase)
		}
	}
	return parts
}

// phase returns the hooks of one phase of a deletion as they stand.
func (s *session) phase(ctx context.Context, run *app.Run, phase app.SyncPhase) ([]hook, error) {
	found := &comparison{
		health: map[object.Key]health.Status{}, unknown: map[object.Key]error{}, extra: map[object.Key]bool{},
		claimed: map[object.Key]bool{}, going: map[object.Key]bool{},
	}
	var err error
	if found.served, err = s.serve(ctx, found, s.candidates(nil)); err != nil {
		return nil, err
	}
	var hooks []hook
	for _, declared := range s.last {
		if declared.Phase != phase {
			continue
		}
		h, err := s.arm(ctx, run, found, declared)
		if err != nil {
			return nil, err
		}
		hooks = append(hooks, h)
	}
	return hooks, nil
}

// runLast runs the hooks of one phase of a deletion and reports whether all have come
// to their end, which is to be written down then.
func (s *session) runLast(ctx context.Context, phase app.SyncPhase) bool {
	run := s.ending()
	hooks, err := s.phase(ctx, &run, phase)
	if err != nil {
		s.problem(err, condition.DeleteFailed)
		s.again(5 * soon)
		return false
	}
	if s.failedLast(ctx, &run, hooks) {
		return false
	}
	p, err := plan.Build(plan.Input{Order: s.traits.Order, Items: itemsOf(hooks)})
	if err != nil {
		s.problem(err, condition.DeleteFailed)
		return false
	}
	if wave := p.Next(nil); wave != nil {
		s.stepLast(ctx, &run, wave)
		s.again(soon)
		return false
	}
	if keys := plan.Unended(itemsOf(hooks)); len(keys) > 0 {
		s.out.Waiting = "waiting for completion of " + app.HookText(keys)
		s.again(soon)
		return false
	}
	return s.closeLast(ctx, phase, hooks)
}

// failedLast says which hooks failed. One whose object somebody deletes is let go of,
// and runs again, as does one that failed at an older revision.
func (s *session) failedLast(ctx context.Context, run *app.Run, hooks []hook) bool {
	failed := false
	for _, h := range hooks {
		if h.Standing != plan.Same || h.Settled != plan.Broken {
			continue
		}
		failed = true
		if h.live != nil && h.live.GetDeletionTimestamp() != nil {
			if err := s.release(ctx, h.live); err != nil {
				s.problem(err, condition.DeleteFailed)
			}
			continue
		}
		if at, known := s.mem.failed[h.Key()]; known && at != run.Revision.ID {
			delete(s.mem.failed, h.Key())
			for _, err := range s.clear(ctx, run, []hook{h}, func(hook) bool { return true }) {
				s.problem(err, condition.DeleteFailed)
			}
			continue
		}
		if s.mem.failed == nil {
			s.mem.failed = map[object.Key]string{}
		}
		s.mem.failed[h.Key()] = run.Revision.ID
		s.problem(condition.Newf(condition.DeleteFailed, "%s hook %s failed: %s; it runs again at the next commit, or when you delete that object", h.Phase, h.Key(), h.said), condition.DeleteFailed)
	}
	if failed {
		s.again(soon)
	}
	return failed
}

// stepLast takes the steps of a wave.
func (s *session) stepLast(ctx context.Context, run *app.Run, wave *plan.Wave) {
	if len(wave.Steps) == 0 || len(wave.After) > 0 {
		return // it waits for what is there
	}
	job := s.job(run)
	job.MayPrune = func(*unstructured.Unstructured) error { return nil } // hooks of an earlier run, see leftHook
	events := apply.Run(ctx, s.cluster, job, wave.Steps)
	if failures := coreapply.Failures(events); len(failures) > 0 {
		s.problem(condition.Newf(condition.DeleteFailed, "%s", condition.Summary(failures)), condition.DeleteFailed)
	}
	for _, e := range events {
		if e.Err == nil {
			s.options.Logger.Info("changed object", "app", s.app.ID.String(), "action", string(e.Step.Action), "object", e.Step.Key.String(), "reason", "the application is deleted")
		}
	}
}

// closeLast ends a phase: its hooks are let go of, and then that they ran is written
// down. Who is interrupted in between runs none of them again.
func (s *session) closeLast(ctx context.Context, phase app.SyncPhase, hooks []hook) bool {
	for _, h := range hooks {
		if err := s.release(ctx, h.live); err != nil {
			s.problem(fmt.Errorf("hook %s: %w", h.Key(), err), condition.DeleteFailed)
			s.again(soon)
			return false
		}
	}
	s.out.Ended = append(s.out.Ended, phase)
	return true
}

// clearLast clears the hooks of a phase away that ask for it, after they ran, and
// reports whether that is done.
func (s *session) clearLast(ctx context.Context, phase app.SyncPhase) bool {
	run := s.ending()
	hooks, err := s.phase(ctx, &run, phase)
	errs := []error{err}
	if err == nil {
		errs = s.clear(ctx, &run, hooks, func(h hook) bool { return h.Over(false) })
	}
	if err := errors.Join(errs...); err != nil {
		s.problem(fmt.Errorf("hooks that ran are not cleared away: %w", err), condition.DeleteFailed)
		s.again(5 * soon)
		return false
	}
	s.out.Cleared = append(s.out.Cleared, phase)
	return true
}
