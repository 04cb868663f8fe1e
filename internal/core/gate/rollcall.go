package gate

import (
	"time"

	"github.com/plumbline-dev/plumbline/internal/core/app"
)

// Patience is how long prunes of one application wait for others to say what they
// declare.
const Patience = 15 * time.Second

// KeptPatience is how long they wait besides for others that the engine keeps from
// saying so, as when it cannot see its own last write to them yet.
const KeptPatience = 2 * time.Minute

// Wait is how long the prunes of one application have waited. The zero value is
// that they have not.
type Wait struct {
	looked time.Time
	spent  time.Duration
	kept   time.Duration // while others were kept from answering
}

// Over counts the time since the last look and reports whether it was long enough;
// kept says that others are kept from answering. Of each pause between two looks a
// second counts at most: while the engine could do nothing, as when the API server was
// away, others could not answer either.
func (w *Wait) Over(now time.Time, kept bool) bool {
	if !w.looked.IsZero() {
		step := max(0, min(now.Sub(w.looked), time.Second))
		if kept && w.kept < KeptPatience {
			w.kept += step
		} else {
			w.spent += step
		}
	}
	w.looked = now
	return w.spent >= Patience
}

// RollCall knows which applications have yet to say what they declare: all of
// them after a start, and those that a revision or their user changed. An object
// that one commit moves from one application to another is pruned by nobody,
// because a prune waits until the other one has claimed it.
//
// The zero value expects nobody. It is not safe for concurrent use.
type RollCall struct {
	open map[app.ID]question
}

// question is what an application has not answered yet.
type question struct {
	asked    Asked
	revision string // of which; empty: of any
	kept     bool   // the engine keeps it from answering
}

// Asked counts how often an application was asked since it answered last.
type Asked struct {
	all       int
	unbounded int // of any revision: what it declares may have changed by itself
}

// Expect asks an application what it declares at a revision (empty: at any). Ask
// all that changed before the first of them acts.
func (r *RollCall) Expect(id app.ID, revision string) {
	if r.open == nil {
		r.open = map[app.ID]question{}
	}
	q := r.open[id]
	if revision != "" {
		q.revision = revision
	}
	q.asked.all++
	if revision == "" {
		q.asked.unbounded++
	}
	r.open[id] = q
}

// Asked returns how often an application was asked since it answered last. Take
// it before the work begins that finds the answer.
func (r *RollCall) Asked(id app.ID) Asked { return r.open[id].asked }

// Wanted returns the revision at which an application has yet to say what it
// declares; empty: at any, or it has said all.
func (r *RollCall) Wanted(id app.ID) string { return r.open[id].revision }

// Answered notes that an application has said what it declares at a revision, or
// (empty) that it cannot say, unless it was asked once more since asked, or what
// was asked for is another revision. To be asked once more for that very revision
// does not matter: a source is often read again while the answer is found.
func (r *RollCall) Answered(id app.ID, revision string, asked Asked) {
	q := r.open[id]
	same := revision != "" && revision == q.revision && q.asked.unbounded == asked.unbounded
	if same || q.asked == asked && (q.revision == "" || revision == "") {
		delete(r.open, id)
	}
}

// Keep notes whether the engine keeps an application from answering.
func (r *RollCall) Keep(id app.ID, kept bool) {
	if q, open := r.open[id]; open && q.kept != kept {
		q.kept = kept
		r.open[id] = q
	}
}

// Kept reports whether an application but one is kept from answering.
func (r *RollCall) Kept(id app.ID) bool {
	for other, q := range r.open {
		if other != id && q.kept {
			return true
		}
	}
	return false
}

// Gone strikes an application off.
func (r *RollCall) Gone(id app.ID) { delete(r.open, id) }

// Others counts the applications but one whose answer is not there yet.
func (r *RollCall) Others(id app.ID) int {
	n := len(r.open)
	if _, open := r.open[id]; open {
		n--
	}
	return n
}
