package reconcile

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/plumbline-dev/plumbline/internal/core/app"
	coreapply "github.com/plumbline-dev/plumbline/internal/core/apply"
	"github.com/plumbline-dev/plumbline/internal/core/assess"
	"github.com/plumbline-dev/plumbline/internal/core/condition"
	"github.com/plumbline-dev/plumbline/internal/core/diff"
	"github.com/plumbline-dev/plumbline/internal/core/object"
	"github.com/plumbline-dev/plumbline/internal/core/plan"
)

// fresh is the standing of an object right after it was written.
func (s *session) fresh(e coreapply.Event) *standing {
	now := &standing{
		uid: string(e.Live.GetUID()), version: e.Live.GetResourceVersion(), verdict: plan.Same,
		desired: s.digestOf(e.Step.Manifest.Object), vitals: assess.VitalsOf(e.Live, s.traits.Checks), owner: s.app.ID,
	}
	now.owned, _ = diff.Owned(e.Live, s.traits.Manager)
	return now
}

// assess derives what users see from a comparison.
func (s *session) assess(ctx context.Context, c *comparison) {
	_, end := s.stage(ctx, s.app.ID, "assess")
	defer end(nil)
	state := assess.State{Items: c.items, Leftovers: c.leftovers, Health: c.health, Ignored: c.extra, Claimed: c.claimed, Unseen: c.unseen, Unknown: map[object.Key]bool{}}
	for key := range c.unknown {
		state.Unknown[key] = true
	}
	verdict := assess.Judge(state)
	s.out.Compared = true
	s.out.Sync, s.out.Health, s.out.Resources = verdict.Sync, verdict.Health, verdict.Resources
	s.out.Inventory, s.out.Images = c.inventory, c.images
	s.out.Hooks = nil
	for _, live := range c.hooks {
		wave, _ := s.subject.PruneWave(live)
		s.out.Hooks = append(s.out.Hooks, app.Resource{Key: object.KeyOf(live), Version: live.GroupVersionKind().Version, Wave: wave})
	}
	slices.SortFunc(s.out.Hooks, func(a, b app.Resource) int { return a.Key.Compare(b.Key) })
}

// conclude adds what the comparison could not do and decides whether the
// application is done, waits, or failed.
func (s *session) conclude(c *comparison) {
	unknown := assess.Blind(c.unknown)
	if len(unknown) > 0 {
		s.problem(condition.Newf(condition.CompareFailed, "%s", condition.Summary(unknown)), condition.CompareFailed)
		s.again(10 * time.Second)
		if s.out.Sync == app.Synced {
			s.out.Sync = app.Unknown
		}
	}
	s.out.Problems = append(s.out.Problems, c.holds...)
	s.out.Guarded = true
	for _, text := range c.shared {
		s.out.Problems = append(s.out.Problems, condition.Problem{Reason: condition.SharedObject, Message: text})
	}
	if len(c.invalid) > 0 {
		texts := make([]string, len(c.invalid))
		for i, err := range c.invalid {
			texts[i] = err.Error()
		}
		s.problem(errors.New(condition.Summary(texts)), condition.PlanInvalid)
	}
	if s.app.Borrowed && s.out.Sync == app.Synced {
		s.out.Sync = app.OutOfSync // with what the application itself says
	}
	s.concludeRun(c)
}

func (s *session) concludeRun(c *comparison) {
	run := s.out.Run
	if run == nil {
		return
	}
	switch {
	case !run.Phase.Done() && run.FinishedAt.IsZero():
		s.out.Waiting = run.Message
	case run.Phase == app.Succeeded:
		if len(run.Operation.Only) == 0 && !run.Operation.DryRun {
			s.out.Applied = run.Revision.ID
		}
		s.awaitHealth(c, run)
	case run.Message != "" && s.out.Sync != app.Synced:
		s.failed(run)
	}
}

func (s *session) failed(run *app.Run) {
	if slices.ContainsFunc(s.out.Problems, func(p condition.Problem) bool { return !p.Reason.Warning() }) {
		return // the cause is listed already
	}
	reason := condition.ApplyFailed
	if slices.ContainsFunc(run.Results, func(r app.Result) bool { return r.Status == app.ResultFailed }) &&
		!slices.ContainsFunc(run.Results, func(r app.Result) bool { return r.Status == app.ResultFailed && (r.Hook || s.isDesired(r.Key)) }) {
		reason = condition.PruneFailed
	}
	s.problem(condition.Newf(reason, "%s", run.Message), reason)
}

func (s *session) isDesired(key object.Key) bool {
	return slices.ContainsFunc(s.out.Resources, func(r app.Resource) bool { return r.Key == key && !r.Prune })
}

// awaitHealth keeps an application waiting until everything it applied, or what
// its policy lists, is healthy, where its policy asks for that.
func (s *session) awaitHealth(c *comparison, run *app.Run) {
	if !s.policy.Await {
		return
	}
	waiting, broken := s.unhealthy(c)
	if len(waiting) == 0 {
		s.mem.since = time.Time{}
		return
	}
	if s.mem.since.IsZero() || s.mem.since.Before(run.FinishedAt) {
		s.mem.since = run.FinishedAt
	}
	left := s.mem.since.Add(s.policy.Timeout).Sub(s.now)
	switch {
	case broken:
		s.problem(condition.Newf(condition.HealthFailed, "failed early due to stalled resources: [%s]", condition.Summary(waiting)), condition.HealthFailed)
	case s.policy.Timeout > 0 && left <= 0:
		s.problem(condition.Newf(condition.HealthFailed, "timeout waiting for: [%s]", condition.Summary(waiting)), condition.HealthFailed)
	default:
		s.out.Waiting = fmt.Sprintf("Running health checks for revision %s with a timeout of %s", s.out.Revision, s.policy.Timeout)
		s.again(left)
	}
}

// unhealthy lists what is waited for, and whether waiting can end at all.
func (s *session) unhealthy(c *comparison) (waiting []string, broken bool) {
	note := func(key object.Key, settled plan.Settled, state string) {
		if settled != plan.Ready {
			waiting = append(waiting, fmt.Sprintf("%s: %s", key, state))
			broken = broken || settled == plan.Broken
		}
	}
	for _, entry := range s.policy.Awaited {
		live, found := s.cluster.Live(entry.Key)
		if !found {
			entry.Key.Namespace = "" // its kind may live in no namespace
			live, found = s.cluster.Live(entry.Key)
		}
		if !found {
			note(entry.Key, plan.Pending, "NotFound")
			continue
		}
		vitals := assess.VitalsOf(live, s.traits.Checks)
		note(entry.Key, vitals.Settled(s.traits.Order), string(vitals.Health.Code)+" "+vitals.Health.Message)
	}
	if len(s.policy.Awaited) > 0 {
		return waiting, broken
	}
	for _, item := range c.items {
		if !item.Aside {
			h := c.health[item.Key()]
			note(item.Key(), item.Settled, string(h.Code)+" "+h.Message)
		}
	}
	return waiting, broken
}
