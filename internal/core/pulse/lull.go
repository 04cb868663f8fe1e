package pulse

import (
	"time"

	"github.com/plumbline-dev/plumbline/internal/core/app"
)

// LullLimit is how long a report waits for a lull, once its turn has come.
const LullLimit = 10 * time.Second

// Lull tells applications that are worked on from those that have only to report:
// nobody is in a hurry for that, so that it waits until nothing is worked on. The
// zero value knows of none. It is not safe for concurrent use.
type Lull struct {
	under  map[app.ID]bool // worked on, and whether another look was asked for meanwhile
	hushed map[app.ID]bool // queued only to report
	aside  map[app.ID]bool // taken from the queue until there is a lull
	over   bool            // the time for a lull has passed
}

// Asked notes that somebody wants an application looked at: from now on it has
// more to do than to report.
func (l *Lull) Asked(id app.ID) {
	if _, under := l.under[id]; under {
		l.under[id] = true
	}
	delete(l.hushed, id)
	delete(l.aside, id)
}

// Hush notes that an application which is worked on is queued only to report,
// unless another look at it was asked for meanwhile.
func (l *Lull) Hush(id app.ID) {
	if !l.under[id] {
		add(&l.hushed, id)
	}
}

func add(set *map[app.ID]bool, id app.ID) {
	if *set == nil {
		*set = map[app.ID]bool{}
	}
	(*set)[id] = true
}

// Early reports whether the turn of an application has come before there is a
// lull: it is set aside until Release returns it. After the first one, call
// Release(true) when LullLimit has passed.
func (l *Lull) Early(id app.ID) (early, first bool) {
	if !l.hushed[id] || len(l.under) == 0 || l.over {
		return false, false
	}
	delete(l.hushed, id)
	add(&l.aside, id)
	return true, len(l.aside) == 1
}

// Release returns the applications to queue again only to report: none before
// there is a lull, or over is true because the time for one has passed.
func (l *Lull) Release(over bool) []app.ID {
	lull := len(l.under) == 0
	if !lull && !over {
		return nil
	}
	l.over = !lull
	ids := make([]app.ID, 0, len(l.aside))
	for id := range l.aside {
		ids = append(ids, id)
		add(&l.hushed, id)
	}
	clear(l.aside)
	return ids
}

// Begin notes that the work on an application begins. One that only reports does
// not count as worked on.
func (l *Lull) Begin(id app.ID) {
	delete(l.aside, id)
	if l.hushed[id] {
		delete(l.hushed, id)
		return
	}
	if l.under == nil {
		l.under = map[app.ID]bool{}
	}
	l.under[id] = false
}

// End notes that the work on an application has ended.
func (l *Lull) End(id app.ID) { delete(l.under, id) }

// Busy reports whether more applications have something to do, and not only to
// report, than there are workers; queued is how many wait for whatever reason.
func (l *Lull) Busy(queued, workers int) bool {
	return queued-len(l.hushed)+len(l.under) > workers
}
