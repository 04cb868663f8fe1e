package reconcile

import (
	"context"
	"errors"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/plumbline-dev/plumbline/internal/core/app"
	"github.com/plumbline-dev/plumbline/internal/core/gate"
	"github.com/plumbline-dev/plumbline/internal/core/object"
	"github.com/plumbline-dev/plumbline/internal/core/plan"
)

// recount is when to look again at what is in a namespace or of a kind that is
// not deleted because of it: nothing announces that it has left.
const recount = 30 * soon

// guard lets the prune guards look at the leftovers. What they judge by is how
// much the application owned when it last reported: objects that this very
// revision brings do not make a deletion any smaller.
func (s *session) guard(ctx context.Context, c *comparison) {
	s.mem.held.Store(0)
	if !s.prunes() && !s.app.State.PruneHeld {
		return
	}
	owned := len(s.app.State.Inventory)
	if owned == 0 { // the record was lost, or another engine kept it
		owned = len(c.leftovers)
		for _, item := range c.items {
			if item.Standing != plan.Missing && !item.Aside {
				owned++
			}
		}
	}
	in := gate.Prunes{
		App: s.app.ID, Revision: s.out.Revision, Limit: s.policy.PruneLimit.Or(s.options.PruneLimit), Confirmed: s.app.Confirmed,
		Owned: owned, Standing: s.app.State.PruneHeld, Leftovers: c.leftovers,
	}
	if !gate.Confirms(in.Confirmed, in.Revision) {
		in.Collateral = s.collateral(ctx, c.leftovers)
		if in.Mentions = s.mute.mentions(s.app, c.leftovers); len(in.Mentions) > 0 {
			s.again(recount)
		}
	}
	c.leftovers, c.holds = gate.Guard(in)
	for _, l := range c.leftovers {
		if l.Guarded {
			s.mem.held.Add(1)
		}
	}
}

// collateral finds out what would go with the leftovers that take others along.
func (s *session) collateral(ctx context.Context, leftovers []plan.Leftover) []gate.Collateral {
	var list []gate.Collateral
	for _, l := range leftovers {
		if l.Held != "" || l.Going || !gate.TakesAlong(l.Entry.Key) || !s.prunes() {
			continue
		}
		live, found := s.cluster.Live(l.Entry.Key)
		if !found {
			continue
		}
		inside, err := s.cluster.Inside(ctx, live)
		one := gate.Collateral{Of: l.Entry.Key, Losses: gate.Losses(inside, leftovers), Hidden: s.app.Target.RunAs != "", Err: err}
		if err != nil || len(one.Losses) > 0 {
			s.again(recount)
		}
		list = append(list, one)
	}
	return list
}

// prunes reports whether anything may be pruned at all.
func (s *session) prunes() bool {
	return s.policy.Prune || (s.app.Request != nil && s.app.Request.Prune) || (s.out.Run != nil && !s.out.Run.Phase.Done() && s.out.Run.Operation.Prune)
}

// unapproved reports whether an object waits for a person to agree to its
// deletion since an operation began.
func (s *session) unapproved(run *app.Run) bool {
	return s.app.Approved.Before(run.StartedAt) && !gate.Confirms(s.app.Confirmed, run.Revision)
}

// asked marks the leftovers that wait for a person's consent, and lists them.
func (s *session) asked(run *app.Run, leftovers []plan.Leftover) ([]plan.Leftover, []object.Key) {
	if !run.Operation.Prune || run.Operation.DryRun || !s.unapproved(run) {
		return leftovers, nil
	}
	var out []plan.Leftover
	var keys []object.Key
	for _, l := range leftovers {
		if l.Asks && l.Held == "" && !l.Going && selected(run, l.Entry.Key) {
			l.Held = "waiting for a person to agree to its deletion"
			keys = append(keys, l.Entry.Key)
		}
		out = append(out, l)
	}
	return out, keys
}

// mayPrune repeats the proof of ownership on what the API server has.
func (s *session) mayPrune(run *app.Run) func(*unstructured.Unstructured) error {
	return func(live *unstructured.Unstructured) error {
		if err := s.mayDelete(live); err != nil {
			return err
		}
		if why := s.subject.KeepOnPrune(live); why != "" {
			return errors.New(why)
		}
		if s.subject.AsksOnPrune(live) && s.unapproved(run) {
			return errors.New("a person has to agree to its deletion first")
		}
		return nil
	}
}
