package reconcile

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/plumbline-dev/plumbline/internal/core/app"
	coreapply "github.com/plumbline-dev/plumbline/internal/core/apply"
	"github.com/plumbline-dev/plumbline/internal/core/condition"
	"github.com/plumbline-dev/plumbline/internal/core/object"
	"github.com/plumbline-dev/plumbline/internal/core/plan"
	"github.com/plumbline-dev/plumbline/internal/engine/apply"
)

// finalize deletes what a deleted application owns, in the reverse of the order
// it came in, and lets go of the user's object once that is done.
func (s *session) finalize(ctx context.Context) {
	d := s.app.Deletion
	if !d.Cascade && len(d.Hooks)+len(d.Clear) == 0 {
		s.out.Gone = true
		return
	}
	if d.Held != "" {
		s.problem(errors.New(d.Held), condition.DeleteFailed)
		return
	}
	if s.astray != nil {
		s.problem(fmt.Errorf("%w; remove the finalizer to leave the objects there", s.astray), condition.DeleteFailed)
		s.again(5 * soon)
		return
	}
	if ready := s.lastHooks(ctx); !ready {
		return
	}
	if s.hold(ctx, app.PreDelete) {
		return
	}
	var left []plan.Leftover
	if d.Cascade {
		var err error
		if left, err = s.remaining(ctx); err != nil {
			s.problem(err, condition.DeleteFailed)
			s.again(5 * soon)
			return
		}
	}
	if len(left) == 0 {
		s.out.Gone = !s.hold(ctx, app.PostDelete)
		return
	}
	if asking := s.unasked(left); len(asking) > 0 {
		s.problem(condition.Newf(condition.DeleteFailed, "waiting for deletion confirmation of %s: set the annotation argocd.argoproj.io/deletion-approved to the present time", app.TaskText(asking)), condition.DeleteFailed)
		return
	}
	wave := left[len(left)-1].Wave
	var steps []plan.Step
	going := 0
	for _, l := range slices.Backward(left) {
		if l.Going {
			going++
			continue
		}
		if d.Await && (l.Wave != wave || going > 0) {
			break // the wave before has to be gone first
		}
		steps = append(steps, plan.Step{Action: plan.Prune, Key: l.Entry.Key, Version: l.Entry.Version, UID: l.UID, Reason: "the application was deleted"})
	}
	events := apply.Run(ctx, s.cluster, apply.Job{
		User: s.app.ID, RunAs: s.app.Target.RunAs, Propagation: d.Propagation, Parallel: s.options.Parallel,
		Finalizer: s.traits.HookFinalizer, MayPrune: s.mayDelete,
	}, steps)
	if failures := coreapply.Failures(events); len(failures) > 0 {
		s.problem(condition.Newf(condition.DeleteFailed, "%s", condition.Summary(failures)), condition.DeleteFailed)
		s.again(5 * soon)
		return
	}
	if len(steps) > 0 {
		s.options.Logger.Info("deleted objects", "app", s.app.ID.String(), "objects", len(steps), "waiting", going)
	}
	if !d.Await && !slices.Contains(d.Hooks, app.PostDelete) && !slices.Contains(d.Clear, app.PostDelete) {
		s.out.Gone = true
		return
	}
	s.again(soon)
}

// hold goes on with a phase of the deletion that has hooks, and reports whether what
// comes after it has to wait.
func (s *session) hold(ctx context.Context, phase app.SyncPhase) bool {
	d := s.app.Deletion
	switch {
	case slices.Contains(d.Hooks, phase) && s.runLast(ctx, phase), !slices.Contains(d.Hooks, phase) && slices.Contains(d.Clear, phase) && s.clearLast(ctx, phase):
		s.again(time.Millisecond) // what comes next has its turn once this is written down
		return true
	}
	return slices.Contains(d.Hooks, phase) || slices.Contains(d.Clear, phase)
}

// unasked lists the objects whose deletion waits for a person to agree.
func (s *session) unasked(left []plan.Leftover) []object.Key {
	var keys []object.Key
	for _, l := range left {
		if l.Asks && !l.Going && s.app.Approved.Before(s.app.Deletion.Since) {
			keys = append(keys, l.Entry.Key)
		}
	}
	return keys
}

// mayDelete repeats the proof of ownership on what the API server has.
func (s *session) mayDelete(live *unstructured.Unstructured) error {
	if owner, marked := s.subject.Owner(live); !marked || owner != s.app.ID {
		return fmt.Errorf("it does not carry this application's mark any more")
	}
	return nil
}

// remaining lists the live objects that the application owns and that may go,
// in the order they came.
func (s *session) remaining(ctx context.Context) ([]plan.Leftover, error) {
	c := &comparison{health: nil, unknown: map[object.Key]error{}, extra: map[object.Key]bool{}}
	owned := s.candidates(nil)
	kinds, err := s.serve(ctx, c, owned)
	if err != nil {
		return nil, err
	}
	var left []plan.Leftover
	for _, e := range owned {
		kind := kinds[e.Key.GroupKind()]
		if unknown := (*UnknownKindError)(nil); errors.As(kind.err, &unknown) {
			continue // the kind is gone and its objects with it
		}
		if kind.err != nil {
			return nil, condition.Newf(condition.DeleteFailed, "%s: %w", e.Key, kind.err)
		}
		live, found := s.cluster.Live(e.Key)
		if !found {
			continue
		}
		if owner, marked := s.subject.Owner(live); !marked || owner != s.app.ID || s.subject.KeepOnDelete(live) != "" || s.subject.Permit(e.Key) != nil {
			continue
		}
		if s.claimedElsewhere(e.Key) {
			continue // it has moved to another application
		}
		if s.subject.AttemptOf(live) == plan.Attempt(s.ending(), app.PostDelete) {
			continue // it runs after all others have gone
		}
		if e.Key.Kind == s.app.ID.Kind && e.Key.Namespace == s.app.ID.Namespace && e.Key.Name == s.app.ID.Name {
			continue // an application that deploys itself
		}
		wave, _ := s.subject.PruneWave(live)
		left = append(left, plan.Leftover{
			Entry: object.Entry{Key: e.Key, Version: kind.resource.GVK.Version}, UID: string(live.GetUID()),
			Wave: wave, Going: live.GetDeletionTimestamp() != nil, Asks: s.subject.AsksOnDelete(live),
		})
	}
	s.traits.Order.Sort(left)
	return left, nil
}
