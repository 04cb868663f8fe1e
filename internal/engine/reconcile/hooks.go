package reconcile

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/plumbline-dev/plumbline/internal/core/app"
	"github.com/plumbline-dev/plumbline/internal/core/assess"
	"github.com/plumbline-dev/plumbline/internal/core/object"
	"github.com/plumbline-dev/plumbline/internal/core/plan"
	"github.com/plumbline-dev/plumbline/internal/core/source"
	"github.com/plumbline-dev/plumbline/internal/engine/apply"
)

// hook is one hook in an attempt of an operation: as it is to be created, and its
// object where there is one that was created for this attempt.
type hook struct {
	plan.Item

	live *unstructured.Unstructured
	said string // about its end
}

func itemsOf(hooks []hook) []plan.Item {
	items := make([]plan.Item, len(hooks))
	for i, h := range hooks {
		items[i] = h.Item
	}
	return items
}

// isHook reports whether a hook of that name is declared.
func (s *session) isHook(key object.Key) bool {
	named := func(item plan.Item) bool { return item.Key() == key }
	return slices.ContainsFunc(s.hooks, named) || slices.ContainsFunc(s.last, named)
}

// armed returns the hooks of an operation as they stand in its present attempt,
// and why some of them may not run. Operations on a selection have none.
func (s *session) armed(ctx context.Context, run *app.Run, found *comparison) (hooks []hook, refused []error) {
	if len(run.Operation.Only) > 0 || run.Operation.Bare {
		return nil, nil
	}
	parts := map[object.Key]bool{}
	for _, item := range found.items {
		parts[item.Key()] = true
	}
	for _, declared := range s.hooks {
		h, err := s.arm(ctx, run, found, declared)
		if err == nil && parts[h.Key()] {
			err = fmt.Errorf("%s: hook %s is also declared as a part of the application", h.Origin.File, h.Key())
		}
		if err != nil {
			refused = append(refused, err)
			continue
		}
		hooks = append(hooks, h)
	}
	return hooks, refused
}

func (s *session) arm(ctx context.Context, run *app.Run, found *comparison, declared plan.Item) (hook, error) {
	item, err := s.subject.Arm(declared, *run)
	if err != nil {
		return hook{}, fmt.Errorf("%s: hook %s: %w", declared.Origin.File, declared.Title(), err)
	}
	h := hook{Item: item}
	if err := found.served[item.Key().GroupKind()].err; err != nil {
		if unknown := (*UnknownKindError)(nil); !errors.As(err, &unknown) {
			h.Standing, h.Settled = plan.Same, plan.Pending // waited for until it can be looked at
			return h, nil
		}
		return h, s.unserved(found, &h.Item, err)
	}
	live, exists := s.cluster.Live(item.Key())
	state := plan.HookState{Recorded: run.EndOf(item.Key(), item.Phase), Live: exists, Once: assess.RunsOnce(item.Key().GroupKind())}
	if exists {
		state.Ours = s.subject.AttemptOf(live) == plan.Attempt(*run, item.Phase)
		state.Going = live.GetDeletionTimestamp() != nil
		vitals := assess.VitalsOf(live, s.traits.Checks)
		state.Settled, h.said = vitals.Settled(s.traits.Order), vitals.Health.Message
		item.Hook.UID = string(live.GetUID())
		if !state.Ours {
			if err := s.leftHook(live, item); err != nil {
				return h, err
			}
		}
	}
	var why string
	h.Standing, h.Settled, why = state.Judge(*item.Hook)
	h.said = cmp.Or(why, h.said)
	if state.Ours {
		h.live = live
	}
	if run.Operation.DryRun && (h.Standing == plan.Stale || h.Standing == plan.Leaving) {
		h.Standing = plan.Same // it can be tried only once the old one is gone
	}
	if h.Standing == plan.Missing {
		return h, s.validate(ctx, &h.Item)
	}
	return h, nil
}

// leftHook checks that an object in the way of a hook may be replaced by it.
func (s *session) leftHook(live *unstructured.Unstructured, item plan.Item) error {
	owner, marked := s.subject.Owner(live)
	switch {
	case marked && owner != s.app.ID:
		return fmt.Errorf("%s: hook %s cannot run: an object of that name belongs to application %s", item.Origin.File, item.Key(), owner)
	case !marked && !s.subject.IsHook(live):
		return fmt.Errorf("%s: hook %s cannot run: there is an object of that name which does not belong to this application: give the hook another name, or delete the object", item.Origin.File, item.Key())
	}
	return nil
}

// settle writes down which hooks came to their end, and only then lets go of their
// objects, which may delete themselves.
func (s *session) settle(ctx context.Context, run *app.Run, hooks []hook, found *comparison) error {
	changed := false
	var ended []hook
	for _, h := range hooks {
		if h.Standing != plan.Same || h.Settled == plan.Pending || run.Operation.DryRun {
			continue
		}
		ended = append(ended, h)
		end := app.Succeeded
		if h.Settled == plan.Broken {
			end = app.Failed
		}
		changed = run.NoteEnd(h.Key(), h.Object.GroupVersionKind().Version, h.Phase, end, h.said) || changed
	}
	if changed {
		if err := s.persist(ctx, run, found); err != nil {
			return err
		}
	}
	for _, h := range ended {
		if err := s.release(ctx, h.live); err != nil {
			return fmt.Errorf("hook %s: %w", h.Key(), err)
		}
	}
	return nil
}

// release takes our finalizer off a hook's object.
func (s *session) release(ctx context.Context, live *unstructured.Unstructured) error {
	if live == nil || !slices.Contains(live.GetFinalizers(), s.traits.HookFinalizer) {
		return nil
	}
	opts := apply.Options{User: s.app.ID, RunAs: s.app.Target.RunAs, Manager: s.traits.Manager}
	_, err := s.cluster.DropFinalizer(ctx, live, s.traits.HookFinalizer, opts)
	for n := 0; n < releaseTries && apierrors.IsConflict(err); n++ { // it is busy ending
		now, readErr := s.cluster.Read(ctx, object.KeyOf(live))
		if missing := (*apply.MissingError)(nil); errors.As(readErr, &missing) || (readErr == nil && now.GetUID() != live.GetUID()) {
			return nil
		}
		if readErr != nil {
			return readErr
		}
		_, err = s.cluster.DropFinalizer(ctx, now, s.traits.HookFinalizer, opts)
	}
	return err
}

// releaseTries bounds how often a hook that keeps changing is let go of at once.
const releaseTries = 3

// releaseLost lets go of hooks that no attempt in progress waits for any more.
func (s *session) releaseLost(ctx context.Context, found *comparison) {
	run := s.out.Run
	for _, live := range found.hooks {
		if run != nil && !run.Phase.Done() && run.FinishedAt.IsZero() && s.ofAttempt(live, run) {
			continue
		}
		now, exists := s.cluster.Live(object.KeyOf(live))
		if !exists || now.GetUID() != live.GetUID() {
			continue
		}
		if err := s.release(ctx, now); err != nil && ctx.Err() == nil {
			s.options.Logger.Warn("hook not let go of", "app", s.app.ID.String(), "object", object.KeyOf(live).String(), "err", err)
			s.again(soon)
		}
	}
}

func (s *session) ofAttempt(live *unstructured.Unstructured, run *app.Run) bool {
	attempt := s.subject.AttemptOf(live)
	return slices.ContainsFunc(app.SyncPhases, func(p app.SyncPhase) bool { return attempt == plan.Attempt(*run, p) })
}

// persist writes down how far an operation has come, and which hooks there will be.
func (s *session) persist(ctx context.Context, run *app.Run, found *comparison, coming ...app.Resource) error {
	s.assess(ctx, found)
	out := s.out
	out.Run, out.Waiting = run, cmp.Or(run.Message, "Applying revision "+out.Revision.String())
	out.Problems, out.Guarded = slices.Concat(s.out.Problems, found.holds), true
	out.Hooks = slices.Concat(s.out.Hooks, coming)
	slices.SortFunc(out.Hooks, func(a, b app.Resource) int { return a.Key.Compare(b.Key) })
	if err := s.subject.Report(ctx, out, s.now); err != nil {
		return err
	}
	s.persisted = true
	return nil
}

// beforeHooks writes down an operation, and the names of its hooks, before they are
// created: who finds one after a crash has to know what it was created for, and who
// deletes the application then has to find it.
func (s *session) beforeHooks(ctx context.Context, run *app.Run, wave *plan.Wave, found *comparison) error {
	stored := s.app.State.Run
	known := s.persisted || (stored != nil && stored.StartedAt.Equal(run.StartedAt) && stored.Retries == run.Retries && stored.Phase == run.Phase)
	var coming []app.Resource
	for _, st := range wave.Steps {
		if !st.Hook || st.Action == plan.Clear {
			continue
		}
		named := func(e object.Entry) bool { return e.Key == st.Key }
		if slices.ContainsFunc(found.hooks, func(live *unstructured.Unstructured) bool { return object.KeyOf(live) == st.Key }) {
			continue
		}
		known = known && slices.ContainsFunc(s.app.State.Hooks, named)
		coming = append(coming, app.Resource{Key: st.Key, Version: st.Version, Wave: wave.Number})
	}
	hooks := slices.ContainsFunc(wave.Steps, func(st plan.Step) bool { return st.Hook })
	if known || !hooks || run.Operation.DryRun {
		return nil
	}
	return s.persist(ctx, run, found, coming...)
}

// clear deletes the objects of hooks whose time is over.
func (s *session) clear(ctx context.Context, run *app.Run, hooks []hook, over func(hook) bool) []error {
	var steps []plan.Step
	for _, h := range hooks {
		if h.live == nil || run.Operation.DryRun || !over(h) {
			continue
		}
		steps = append(steps, plan.Step{
			Action: plan.Clear, Key: h.Key(), Version: h.Object.GroupVersionKind().Version, UID: string(h.live.GetUID()), Hook: true, Phase: h.Phase,
			Reason: "its time is over",
		})
	}
	if len(steps) == 0 {
		return nil
	}
	var errs []error
	for _, e := range apply.Run(ctx, s.cluster, s.job(run), steps) {
		s.options.Recorder.Step(e.Step.Action, e.Err)
		if e.Err != nil {
			errs = append(errs, e.Err)
		}
	}
	return errs
}

// terminate ends an operation that a person stopped, and the hooks it waits for.
func (s *session) terminate(ctx context.Context, run *app.Run, hooks []hook) {
	errs := s.clear(ctx, run, hooks, func(h hook) bool { return h.Settled == plan.Pending || h.live.GetDeletionTimestamp() != nil })
	for _, h := range hooks {
		if h.Standing == plan.Same && h.Settled == plan.Pending {
			run.NoteEnd(h.Key(), h.Object.GroupVersionKind().Version, h.Phase, app.Failed, "Terminated")
		}
	}
	if len(errs) > 0 {
		s.options.Logger.Warn("hooks not deleted", "app", s.app.ID.String(), "err", errors.Join(errs...))
		s.finish(run, app.Errored, "Operation termination had errors")
		return
	}
	s.finish(run, app.Failed, terminatedMessage)
}

// succeed ends an operation that did all it had to.
func (s *session) succeed(ctx context.Context, run *app.Run, hooks []hook) error {
	if errs := s.clear(ctx, run, hooks, func(h hook) bool { return h.Over(false) }); len(errs) > 0 {
		run.Message = "waiting to delete hooks: " + errs[0].Error()
		s.again(soon)
		return errs[0]
	}
	s.finish(run, app.Succeeded, "successfully synced (all tasks run)")
	return nil
}

// giveUp ends an attempt that failed once all that has to follow has run.
func (s *session) giveUp(ctx context.Context, run *app.Run, hooks []hook, text string) error {
	if errs := s.clear(ctx, run, hooks, func(h hook) bool { return h.Over(true) }); len(errs) > 0 {
		run.Message = text + "; waiting to delete hooks: " + errs[0].Error()
		s.again(soon)
		return errs[0]
	}
	s.finish(run, app.Failed, text)
	return nil
}

// runningHooks returns the revision of an operation whose hooks run, while a newer
// one is there: hooks are not left alone half-way. The newer one's turn comes after.
func (s *session) runningHooks(ctx context.Context, newest source.Revision) (source.Revision, bool) {
	run := s.out.Run
	if run == nil || !run.HooksRun() || run.Revision.ID == newest.ID || run.Source != s.app.Declared || run.Phase == app.Terminating {
		return newest, false
	}
	if _, err := s.trees(ctx, run.Revision); err != nil {
		return newest, false
	}
	return source.Revision{Name: newest.Name, ID: run.Revision.ID}, true
}
