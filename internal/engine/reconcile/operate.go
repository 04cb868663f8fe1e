package reconcile

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/plumbline-dev/plumbline/internal/core/app"
	coreapply "github.com/plumbline-dev/plumbline/internal/core/apply"
	"github.com/plumbline-dev/plumbline/internal/core/condition"
	"github.com/plumbline-dev/plumbline/internal/core/gate"
	"github.com/plumbline-dev/plumbline/internal/core/object"
	"github.com/plumbline-dev/plumbline/internal/core/plan"
	"github.com/plumbline-dev/plumbline/internal/core/source"
	"github.com/plumbline-dev/plumbline/internal/engine/apply"
)

// advance compares the application with a revision, acts if it may, and
// assesses the result.
func (s *session) advance(ctx context.Context, rev source.Revision) {
	s.out.Revision = rev
	items, err := s.render(ctx, rev)
	items = s.split(items)
	if s.early(err) {
		return
	}
	if err != nil {
		s.fail(err, condition.RenderFailed)
		s.holdLast(ctx)
		s.mentions(ctx, rev)
		return
	}
	found, err := s.compare(ctx, items)
	if err != nil {
		s.fail(err, condition.CompareFailed)
		s.claimItems(items)
		return
	}
	s.mute.heard(s.app.ID)
	s.assess(ctx, found)
	verdict := s.decide(ctx, rev)
	s.again(verdict.After)
	if verdict.Hold != nil {
		s.out.Problems = append(s.out.Problems, *verdict.Hold)
	}
	run := s.begin(verdict, rev)
	switch {
	case run != nil && verdict.Blocked != "":
		run.Message, s.out.Run = verdict.Blocked, run
	case run != nil:
		if err := s.announce(ctx, found); err != nil {
			s.fail(err, condition.ApplyFailed)
			return
		}
		found = s.operate(ctx, run, items, found)
		s.assess(ctx, found)
		s.out.Run = run
	}
	s.releaseLost(ctx, found)
	s.conclude(found)
}

// holdLast keeps an application true to the revision it was brought to last,
// while a newer one cannot be rendered. Nothing is pruned for that, and what
// users see stays unknown with the reason.
func (s *session) holdLast(ctx context.Context) {
	last := s.out.Run
	if last == nil || last.Phase != app.Succeeded || last.Revision.ID == s.out.Revision.ID || last.Source != s.app.Declared ||
		s.app.Request != nil || !s.policy.SelfHeal || !s.policy.Automatic {
		return
	}
	items, err := s.render(ctx, last.Revision)
	items = s.split(items)
	if err != nil {
		return // the newer revision's failure is what matters
	}
	found, err := s.compare(ctx, items)
	if err != nil {
		return
	}
	s.out.Revision = last.Revision
	s.assess(ctx, found)
	verdict := s.decide(ctx, last.Revision)
	s.again(verdict.After)
	if verdict.Start != nil && len(verdict.Start.Only) > 0 {
		verdict.Start.Prune = false
		run := s.begin(verdict, last.Revision)
		s.assess(ctx, s.operate(ctx, run, items, found))
		s.out.Run = run
	}
	s.out.Sync = app.Unknown
}

// announce writes the objects that are about to be created to the inventory, so
// that a crash right after creates nothing that nobody knows to be ours.
func (s *session) announce(ctx context.Context, found *comparison) error {
	var entries []object.Entry
	for _, item := range found.items {
		if item.Standing == plan.Missing && !item.Aside && !s.app.State.Inventory.Has(item.Key()) {
			entries = append(entries, object.Entry{Key: item.Key(), Version: item.Object.GroupVersionKind().Version})
		}
	}
	if !s.traits.Announce || len(entries) == 0 {
		return nil
	}
	out := s.out
	out.Inventory = s.out.Inventory.Union(object.NewInventory(entries))
	out.Problems, out.Guarded = slices.Concat(s.out.Problems, found.holds), true
	out.Waiting = "Applying revision " + out.Revision.String()
	return s.subject.Report(ctx, out, s.now)
}

// fail ends a comparison that could not be made: what was known stands, and an
// operation that was asked for fails with the reason.
func (s *session) fail(err error, fallback condition.Reason) {
	s.problem(err, fallback)
	s.out.Sync = app.Unknown
	s.again(retryLater(err))
	if op := s.app.Request; op != nil {
		s.out.Run, s.out.Answers = s.start(*op), true
		s.finish(s.out.Run, app.Errored, s.out.Problems[len(s.out.Problems)-1].Message)
	}
}

// retryLater asks for another look where nothing announces that the cause has
// gone: sources, renders and specs announce themselves.
func retryLater(err error) time.Duration {
	switch condition.Of(err, condition.CompareFailed).Reason {
	case condition.CompareFailed, condition.SourceFailed:
		return 10 * time.Second
	default:
		return 0
	}
}

func (s *session) decide(ctx context.Context, rev source.Revision) gate.Verdict {
	_, end := s.stage(ctx, s.app.ID, "gate")
	defer end(nil)
	return gate.Decide(gate.Input{
		Policy: s.policy, Request: s.app.Request, Run: s.out.Run, Source: s.app.Declared,
		Revision: rev, Sync: s.out.Sync, Resources: s.out.Resources, Confirmed: s.app.Confirmed, Windows: s.app.Windows, Now: s.now,
	})
}

// begin turns a verdict into the operation to work on; nil: none.
func (s *session) begin(v gate.Verdict, rev source.Revision) *app.Run {
	var run *app.Run
	switch {
	case v.Start != nil:
		s.mem.patient = gate.Wait{}
		run = s.start(*v.Start)
		s.out.Answers = v.Start == s.app.Request
	case v.Resume:
		run, s.did.Resumed = s.out.Run, true
	case v.Retry:
		run = s.out.Run
		run.FinishedAt, run.Results = time.Time{}, nil
	default:
		return nil
	}
	if v.Start == nil {
		s.out.Answers = s.app.Request != nil && !run.Operation.Automatic
	}
	run.Revision, run.Source = rev, s.app.Declared
	return run
}

func (s *session) start(op app.Operation) *app.Run {
	return &app.Run{Operation: op, Phase: app.Running, StartedAt: s.stamp()}
}

// operate runs as many waves as may run now and returns how things stand then.
func (s *session) operate(ctx context.Context, run *app.Run, items []plan.Item, found *comparison) *comparison {
	ctx, end := s.stage(ctx, s.app.ID, "apply")
	found, err := s.waves(ctx, run, items, found)
	end(err)
	return found
}

// recompare compares once more after writes.
func (s *session) recompare(ctx context.Context, items []plan.Item, found **comparison) error {
	again, err := s.compare(ctx, items)
	if err == nil {
		*found = again
	}
	return err
}

// preflight says why nothing of an operation may run; "" lets it.
func (s *session) preflight(run *app.Run, found *comparison, hooks []error) string {
	if invalid := slices.Concat(found.invalid, hooks); len(invalid) > 0 {
		texts := make([]string, len(invalid))
		for i, err := range invalid {
			texts[i] = err.Error()
		}
		return "one or more synchronization tasks are not valid: " + condition.Summary(texts)
	}
	if run.Operation.Prune && !s.policy.AllowEmpty && len(found.items) == 0 && len(found.leftovers) > 0 {
		return fmt.Sprintf("%s declares no object at all, and nothing is deleted on the word of an empty source: restore it, allow an empty application in the policy, or delete the application itself", run.Revision)
	}
	if s.policy.FailOnShared && len(found.shared) > 0 {
		return "Shared resource found: " + condition.Summary(found.shared)
	}
	return ""
}

// planInput also returns the leftovers that wait for a person to agree, and
// whether others wait for other applications.
func (s *session) planInput(run *app.Run, found *comparison) (in plan.Input, asked []object.Key, deferred bool) {
	leftovers, asked := s.asked(run, found.leftovers)
	leftovers, deferred = s.deferred(run, leftovers, found.awaited)
	in = plan.Input{
		Order: s.traits.Order, Leftovers: leftovers, PruneLast: s.policy.PruneLast,
		Prune: run.Operation.Prune && (!s.policy.PruneNever || s.app.Policy.PruneNever), Only: run.Operation.Only, Adopt: s.traits.Adopts || len(run.Operation.Only) == 0,
	}
	for _, item := range found.items {
		if _, unknown := found.unknown[item.Key()]; unknown || found.going[item.Key()] {
			continue
		}
		item.Force = item.Force || run.Operation.Force
		in.Items = append(in.Items, item)
	}
	return in, asked, deferred
}

// leaving lists the objects of an operation that somebody is deleting: what is
// applied to them goes with them, so they are created anew once they are gone.
func leaving(run *app.Run, found *comparison) []object.Key {
	if run.Operation.DryRun {
		return nil
	}
	var keys []object.Key
	for _, item := range found.items {
		key := item.Key()
		if found.going[key] && selected(run, key) {
			keys = append(keys, key)
		}
	}
	return keys
}

// unseen lists the objects of an operation that cannot be looked at: it is not
// over as long as they may differ.
func unseen(run *app.Run, found *comparison) []object.Key {
	if run.Operation.DryRun {
		return nil
	}
	var keys []object.Key
	for _, item := range found.items {
		if _, unknown := found.unknown[item.Key()]; unknown && selected(run, item.Key()) {
			keys = append(keys, item.Key())
		}
	}
	for _, e := range found.unseen {
		if run.Operation.Prune && selected(run, e.Key) {
			keys = append(keys, e.Key)
		}
	}
	return keys
}

// selected reports whether an operation is about an object.
func selected(run *app.Run, key object.Key) bool {
	return len(run.Operation.Only) == 0 || slices.ContainsFunc(run.Operation.Only, func(s app.Selector) bool { return s.Matches(key) })
}

func (s *session) apply(ctx context.Context, run *app.Run, steps []plan.Step) []coreapply.Event {
	events := apply.Run(ctx, s.cluster, s.job(run), steps)
	drift := 0
	for _, e := range events {
		s.options.Recorder.Step(e.Step.Action, e.Err)
		if e.Err == nil && e.Live != nil && !run.Operation.DryRun {
			s.learn(e)
		}
		if e.Err == nil && e.Step.Action == plan.Patch && len(run.Operation.Only) > 0 && run.Operation.Automatic {
			drift++
		}
		if e.Err == nil && !run.Operation.DryRun {
			s.did.Written = append(s.did.Written, e.Step.Key)
			s.options.Logger.Info("changed object", "app", s.app.ID.String(), "action", string(e.Step.Action), "object", e.Step.Key.String(), "reason", e.Step.Reason, "revision", run.Revision.String())
		}
		if worthARecord(e) {
			run.Note(e.Result(run.Operation.DryRun))
		}
	}
	s.options.Recorder.Drift(0, drift)
	return events
}

// job is how the steps of an operation are taken.
func (s *session) job(run *app.Run) apply.Job {
	return apply.Job{
		User: s.app.ID, RunAs: s.app.Target.RunAs, Manager: s.traits.Manager, Takeover: s.traits.Takeover,
		Propagation: s.policy.Propagation, DryRun: run.Operation.DryRun, Parallel: s.options.Parallel,
		Finalizer: s.traits.HookFinalizer, MayPrune: s.mayPrune(run),
	}
}

// worthARecord leaves out what is no part of the application, what only makes room
// for it, and failures that say nothing about an object.
func worthARecord(e coreapply.Event) bool {
	if e.Err != nil {
		return !apply.Transient(e.Err)
	}
	return !e.Step.Aside && e.Step.Action != plan.Clear
}

// learn remembers how an object stands that was just written.
func (s *session) learn(e coreapply.Event) {
	if e.Step.Aside || e.Step.Hook {
		return
	}
	s.mem.items[e.Step.Key] = s.fresh(e)
}

// record adds the objects that needed no change, and the leftovers that stay,
// to the results of a complete operation.
func (s *session) record(run *app.Run, found *comparison, p plan.Plan) {
	have := map[object.Key]bool{}
	for _, r := range run.Results {
		have[r.Key] = true
	}
	for _, w := range p.Waves {
		for _, st := range w.Steps {
			if st.Action == plan.Keep && !have[st.Key] {
				run.Note(coreapply.Event{Step: st}.Result(false))
			}
		}
	}
	if len(run.Operation.Only) > 0 {
		return
	}
	for _, item := range found.items {
		if key := item.Key(); !item.Aside && !have[key] && item.Standing != plan.Missing {
			run.Note(app.Result{Key: key, Version: item.Object.GroupVersionKind().Version, Status: app.ResultSynced, Message: "unchanged"})
		}
	}
}

// terminatedMessage is that of operations which a person stopped.
const terminatedMessage = "Operation terminated"

// finish ends an attempt; a failed one is tried again while its limit allows.
func (s *session) finish(run *app.Run, phase app.Phase, message string) {
	s.did.Ended, s.did.Message = phase, message
	run.Phase, run.Message, run.FinishedAt = phase, message, s.options.Now().Truncate(time.Second)
	limit := run.Operation.Retry.Limit
	if phase == app.Succeeded || (limit >= 0 && run.Retries >= limit) || message == terminatedMessage {
		s.options.Logger.Info("sync finished", "app", s.app.ID.String(), "phase", string(phase), "revision", run.Revision.String(), "message", message)
		return
	}
	s.options.Logger.Warn("sync failed", "app", s.app.ID.String(), "revision", run.Revision.String(), "retries", run.Retries, "err", message)
	run.Phase = app.Running
	run.Retries++
	s.again(max(time.Second, run.Operation.Retry.Delay(run.Retries-1)))
}
