package reconcile

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/plumbline-dev/plumbline/internal/core/app"
	"github.com/plumbline-dev/plumbline/internal/core/object"
	"github.com/plumbline-dev/plumbline/internal/core/plan"
	"github.com/plumbline-dev/plumbline/internal/core/source"
)

const (
	// patience is how long prunes wait for other applications to say what they
	// declare; rollPause is when to ask again.
	patience  = 15 * time.Second
	rollPause = 200 * time.Millisecond
)

// rollcall knows which applications have yet to say what they declare: all of
// them after a start, and those that a revision or their user changed. An object
// that one commit moves from one application to another is pruned by nobody,
// because the prune waits until the other one has claimed it.
type rollcall struct {
	mu       sync.Mutex
	expected map[app.ID]question
}

// question is what an application has not answered yet.
type question struct {
	asked    int    // how often
	revision string // of which; empty: of any
	since    time.Time
}

// expect asks an application what it declares at a revision (empty: at any).
func (r *rollcall) expect(id app.ID, revision string, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.expected == nil {
		r.expected = map[app.ID]question{}
	}
	q, open := r.expected[id]
	if !open || (revision != "" && revision != q.revision) {
		q.since = now
	}
	if revision != "" {
		q.revision = revision
	}
	q.asked++
	r.expected[id] = q
}

// asked returns how often an application was asked since it answered last.
func (r *rollcall) asked(id app.ID) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.expected[id].asked
}

// answered notes that an application has said what it declares at a revision, or
// (empty) that it cannot, unless it was asked once more meanwhile.
func (r *rollcall) answered(id app.ID, revision string, asked int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if q := r.expected[id]; q.asked == asked && (q.revision == "" || revision == "" || revision == q.revision) {
		delete(r.expected, id)
	}
}

// gone strikes an application off.
func (r *rollcall) gone(id app.ID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.expected, id)
}

// others counts the applications but one whose answer is not there yet and may
// still be waited for: one that cannot answer holds up nobody for longer.
func (r *rollcall) others(id app.ID, now time.Time) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := 0
	for other, q := range r.expected {
		if other != id && now.Sub(q.since) < patience {
			n++
		}
	}
	return n
}

// Expect says that what an application declares may have changed, with a
// revision or (empty) otherwise. Call it for all that did before the first of
// them is reconciled: nothing is pruned meanwhile.
func (r *Reconciler) Expect(id app.ID, revision string) { r.roll.expect(id, revision, r.options.Now()) }

// deferred holds prunes back while other applications have yet to say what they
// declare, for a bounded time.
func (s *session) deferred(run *app.Run, leftovers []plan.Leftover) ([]plan.Leftover, bool) {
	if !run.Operation.Prune || run.Operation.DryRun {
		return leftovers, false
	}
	others := s.roll.others(s.app.ID, s.now)
	if others == 0 || (!s.mem.patient.IsZero() && s.now.Sub(s.mem.patient) > patience) {
		return leftovers, false
	}
	out, waits := make([]plan.Leftover, len(leftovers)), false
	for i, l := range leftovers {
		if l.Held == "" && !l.Going && selected(run, l.Entry.Key) {
			l.Held, waits = fmt.Sprintf("waiting for what %d other applications declare now", others), true
		}
		out[i] = l
	}
	if waits && s.mem.patient.IsZero() {
		s.mem.patient = s.now
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
	keys := declared
	for _, e := range s.policy.Awaited {
		keys = append(keys, e.Key)
		foreign[e.Key] = true
	}
	for _, key := range declared {
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
	problems := s.out.Problems
	items, err := s.render(ctx, rev)
	s.out.Problems = problems // they are told when the revision's turn has come
	if err != nil {
		return
	}
	keys := make([]object.Key, 0, len(items)+len(s.out.Inventory))
	for _, item := range items {
		keys = append(keys, item.Key())
	}
	for _, e := range s.out.Inventory {
		keys = append(keys, e.Key)
	}
	s.claim(keys)
}
