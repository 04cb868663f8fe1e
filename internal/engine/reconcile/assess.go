package reconcile

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/plumbline-dev/plumbline/internal/core/app"
	coreapply "github.com/plumbline-dev/plumbline/internal/core/apply"
	"github.com/plumbline-dev/plumbline/internal/core/condition"
	"github.com/plumbline-dev/plumbline/internal/core/diff"
	"github.com/plumbline-dev/plumbline/internal/core/health"
	"github.com/plumbline-dev/plumbline/internal/core/object"
	"github.com/plumbline-dev/plumbline/internal/core/plan"
)

// fresh is the standing of an object right after it was written.
func (s *session) fresh(e coreapply.Event) *standing {
	now := &standing{
		uid: string(e.Live.GetUID()), version: e.Live.GetResourceVersion(), verdict: plan.Same,
		desired: diff.DigestOf(e.Step.Manifest.Object), images: images(e.Live), owner: s.app.ID,
	}
	now.owned, _ = diff.Owned(e.Live, s.traits.Manager)
	now.health, now.rated = health.Assess(e.Live)
	now.progress, _ = health.Wait(e.Live)
	return now
}

// assess derives sync status, health and resources from a comparison.
func (s *session) assess(c *comparison) {
	s.out.Compared = true
	s.out.Sync = app.Synced
	s.out.Resources = s.out.Resources[:0]
	s.out.Inventory, s.out.Images = c.inventory, c.images
	missing, worst := 0, health.Status{Code: health.Healthy}
	for _, item := range c.items {
		if item.Aside {
			if item.Standing == plan.Differs {
				s.out.Sync = app.OutOfSync
			}
			continue
		}
		r := s.resource(c, item)
		if r.Sync == app.OutOfSync {
			s.out.Sync = app.OutOfSync
		}
		if item.Standing == plan.Missing {
			missing++
		}
		if h, rated := c.health[item.Key()]; rated && !ignoredChild(item.Key(), h) {
			worst = worse(worst, h, item.Key())
		}
		s.out.Resources = append(s.out.Resources, r)
	}
	for _, left := range c.leftovers {
		s.out.Resources = append(s.out.Resources, app.Resource{
			Key: left.Entry.Key, Version: left.Entry.Version, Sync: app.OutOfSync, Prune: true, Reason: left.Held, Wave: left.Wave,
		})
		if !c.extra[left.Entry.Key] {
			s.out.Sync = app.OutOfSync
		}
	}
	if missing > 0 && missing == len(s.out.Resources) {
		worst = health.Status{Code: health.Missing, Message: "Nothing of it is in the cluster"}
	}
	s.out.Health = worst
	slices.SortFunc(s.out.Resources, func(a, b app.Resource) int { return a.Key.Compare(b.Key) })
}

func (s *session) resource(c *comparison, item plan.Item) app.Resource {
	r := app.Resource{Key: item.Key(), Version: item.Object.GroupVersionKind().Version, Sync: app.Synced, Wave: item.Wave}
	if h, rated := c.health[r.Key]; rated {
		r.Health = &h
	}
	if _, unknown := c.unknown[r.Key]; unknown {
		r.Sync = app.Unknown
		return r
	}
	switch item.Standing {
	case plan.Missing:
		r.Sync, r.Reason = app.OutOfSync, "not in cluster"
		r.Health = &health.Status{Code: health.Missing}
	case plan.Differs:
		r.Sync, r.Reason = app.OutOfSync, item.Why
	case plan.Unowned, plan.Same:
	}
	return r
}

// ignoredChild reports whether a nested application's state leaves its parent's
// health alone.
func ignoredChild(key object.Key, h health.Status) bool {
	return key.Kind == "Application" && (h.Code == health.Missing || h.Code == health.Unknown)
}

func worse(worst, next health.Status, key object.Key) health.Status {
	if !health.Worse(next.Code, worst.Code) {
		return worst
	}
	return health.Status{Code: next.Code, Message: fmt.Sprintf("%s: %s", key, next.Message)}
}

// conclude adds what the comparison could not do and decides whether the
// application is done, waits, or failed.
func (s *session) conclude(c *comparison) {
	var unknown []string
	for key, err := range c.unknown {
		unknown = append(unknown, fmt.Sprintf("%s: %v", key, err))
	}
	if len(unknown) > 0 {
		s.problem(condition.Newf(condition.CompareFailed, "%s", condition.Summary(unknown)), condition.CompareFailed)
		s.again(10 * time.Second)
		if s.out.Sync == app.Synced {
			s.out.Sync = app.Unknown
		}
	}
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
		!slices.ContainsFunc(run.Results, func(r app.Result) bool { return r.Status == app.ResultFailed && s.isDesired(r.Key) }) {
		reason = condition.PruneFailed
	}
	s.problem(condition.Newf(reason, "%s", run.Message), reason)
}

func (s *session) isDesired(key object.Key) bool {
	return slices.ContainsFunc(s.out.Resources, func(r app.Resource) bool { return r.Key == key && !r.Prune })
}

// awaitHealth keeps an application waiting until everything it applied is
// healthy, where its policy asks for that.
func (s *session) awaitHealth(c *comparison, run *app.Run) {
	if !s.policy.Await {
		return
	}
	var waiting []string
	broken := false
	for _, item := range c.items {
		if item.Aside || item.Settled == plan.Ready {
			continue
		}
		h := c.health[item.Key()]
		waiting = append(waiting, fmt.Sprintf("%s: %s %s", item.Key(), h.Code, h.Message))
		broken = broken || item.Settled == plan.Broken
	}
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
