package reconcile

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/plumbline-dev/plumbline/internal/core/app"
	"github.com/plumbline-dev/plumbline/internal/core/gate"
	"github.com/plumbline-dev/plumbline/internal/core/object"
	"github.com/plumbline-dev/plumbline/internal/core/plan"
	"github.com/plumbline-dev/plumbline/internal/core/source"
)

// rollPause is when to ask again whether other applications are known.
const rollPause = 200 * time.Millisecond

// rollcall is a gate.RollCall that many may use at a time.
type rollcall struct {
	mu   sync.Mutex
	call gate.RollCall
}

func (r *rollcall) asked(id app.ID) gate.Asked {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.call.Asked(id)
}

func (r *rollcall) wanted(id app.ID) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.call.Wanted(id)
}

func (r *rollcall) answered(id app.ID, revision string, asked gate.Asked) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.call.Answered(id, revision, asked)
}

func (r *rollcall) keep(id app.ID, kept bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.call.Keep(id, kept)
}

func (r *rollcall) kept(id app.ID) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.call.Kept(id)
}

func (r *rollcall) gone(id app.ID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.call.Gone(id)
}

func (r *rollcall) others(id app.ID) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.call.Others(id)
}

// Expect says that what an application declares may have changed, with a
// revision or (empty) otherwise. Call it for all that did before the first of
// them is reconciled: nothing is pruned meanwhile.
func (r *Reconciler) Expect(id app.ID, revision string) {
	r.roll.mu.Lock()
	defer r.roll.mu.Unlock()
	r.roll.call.Expect(id, revision)
}

// deferred holds prunes back while other applications have yet to say what they
// declare, for a bounded time.
func (s *session) deferred(run *app.Run, leftovers []plan.Leftover, others int) ([]plan.Leftover, bool) {
	if len(leftovers) == 0 || !run.Operation.Prune || run.Operation.DryRun {
		return leftovers, false
	}
	if others == 0 || s.mem.patient.Over(s.now, s.roll.kept(s.app.ID)) {
		return leftovers, false
	}
	out, waits := make([]plan.Leftover, len(leftovers)), false
	for i, l := range leftovers {
		if l.Held == "" && !l.Going && selected(run, l.Entry.Key) {
			l.Held, waits = fmt.Sprintf("waiting for what %d other applications declare now", others), true
		}
		out[i] = l
	}
	return out, waits
}

// claimedElsewhere reports whether another application declares an object now.
func (s *session) claimedElsewhere(key object.Key) bool {
	return slices.ContainsFunc(s.cluster.Claimed(key), func(id app.ID) bool {
		if id == s.app.ID {
			return false
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		mem := s.memories[id]
		return mem != nil && !mem.foreign[key]
	})
}

// claim declares what the application is about: what it declares, and what it
// only waits for.
func (s *session) claim(declared []object.Key) {
	foreign := map[object.Key]bool{}
	keys := append(declared, s.ahead...)
	for _, e := range s.policy.Awaited {
		keys = append(keys, e.Key)
		foreign[e.Key] = true
	}
	for _, key := range keys[:len(declared)+len(s.ahead)] {
		delete(foreign, key)
	}
	s.mu.Lock()
	s.mem.foreign = foreign
	s.mu.Unlock()
	s.cluster.Claim(s.app.ID, keys)
}

// claimAhead claims what a revision declares that may not be applied yet, beside
// what was applied, so that nobody prunes it meanwhile.
func (s *session) claimAhead(ctx context.Context, rev source.Revision) {
	problems, tools := s.out.Problems, s.out.Tools
	items, err := s.render(ctx, rev)
	items, _, _ = plan.Split(items)
	s.out.Problems, s.out.Tools = problems, tools // they are told when the revision's turn has come
	if err != nil {
		s.ahead = s.mem.ahead // what was claimed before stands
		s.mentions(ctx, rev)
		return
	}
	s.ahead = make([]object.Key, 0, len(items))
	for _, item := range items {
		s.ahead = append(s.ahead, item.Key())
	}
	s.mem.ahead = s.ahead
	keys := make([]object.Key, 0, len(s.out.Inventory))
	for _, e := range s.out.Inventory {
		keys = append(keys, e.Key)
	}
	s.claim(keys)
	s.mute.heard(s.app.ID)
}

// claimItems claims what is declared where it cannot be compared.
func (s *session) claimItems(items []plan.Item) {
	var keys []object.Key
	for _, item := range items {
		if !item.Aside {
			keys = append(keys, item.Key())
		}
	}
	s.claim(keys)
	s.mute.heard(s.app.ID)
}

// claimAnnounced claims what the revision declares that a managed source has
// read and does not show yet, as when its status cannot be written, and returns
// that revision: rev itself when it shows the newest one.
func (s *session) claimAnnounced(ctx context.Context, rev source.Revision) source.Revision {
	if s.app.Managed() == nil {
		return rev
	}
	if wanted := s.roll.wanted(s.app.ID); wanted != "" {
		s.mem.announced = wanted
	}
	if s.mem.announced == "" || s.mem.announced == rev.ID {
		s.mem.announced, s.mem.ahead = "", nil
		return rev
	}
	ahead := source.Revision{Name: rev.Name, ID: s.mem.announced}
	s.claimAhead(ctx, ahead)
	return ahead
}
