package livestate

import (
	"slices"
	"sync"

	"github.com/plumbline-dev/plumbline/internal/core/object"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// notice is one thing to tell: a change, or news of a kind when kind is set.
type notice struct {
	change Change
	kind   *schema.GroupKind
	err    error
}

// queue delivers notices in order on a goroutine of its own and merges the
// changes of one object that nobody has heard of yet. Adding never blocks; the
// queue holds at most one notice per object and the news of kinds.
type queue struct {
	mu      sync.Mutex
	wake    sync.Cond
	order   []*notice
	pending map[object.Key]*notice
	peak    int // longest order since its memory was let go
	closed  bool
	done    chan struct{}
}

// keptPending is the most notices for which the queue keeps its memory once it
// is empty.
const keptPending = 256

func startQueue(onChange func(Change), onKind func(schema.GroupKind, error)) *queue {
	q := &queue{pending: map[object.Key]*notice{}, done: make(chan struct{})}
	q.wake.L = &q.mu
	go q.deliver(onChange, onKind)
	return q
}

func (q *queue) addChange(c Change) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if earlier, ok := q.pending[c.Key]; ok {
		earlier.change.Type = merge(earlier.change.Type, c.Type)
		earlier.change.Owners = union(earlier.change.Owners, c.Owners)
		return
	}
	n := &notice{change: c}
	q.pending[c.Key] = n
	q.add(n)
}

func (q *queue) addKind(gk schema.GroupKind, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.add(&notice{kind: &gk, err: err})
}

// add appends n; q.mu is held.
func (q *queue) add(n *notice) {
	if q.closed {
		return
	}
	q.order = append(q.order, n)
	q.wake.Signal()
}

// merge returns the type of two changes told as one.
func merge(earlier, later ChangeType) ChangeType {
	switch {
	case later == Deleted:
		return Deleted
	case earlier == Deleted:
		return Modified // gone and back: not the object that was known
	default:
		return earlier
	}
}

func (q *queue) deliver(onChange func(Change), onKind func(schema.GroupKind, error)) {
	defer close(q.done)
	for {
		n, ok := q.take()
		if !ok {
			return
		}
		switch {
		case n.kind == nil && onChange != nil:
			onChange(n.change)
		case n.kind != nil && onKind != nil:
			onKind(*n.kind, n.err)
		}
	}
}

func (q *queue) take() (*notice, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.order) == 0 && !q.closed {
		q.wake.Wait()
	}
	if q.closed {
		return nil, false
	}
	n := q.order[0]
	q.order[0] = nil
	q.order = q.order[1:]
	if n.kind == nil {
		delete(q.pending, n.change.Key)
	}
	if q.peak = max(q.peak, len(q.order)); len(q.order) == 0 && q.peak > keptPending {
		q.order, q.pending, q.peak = nil, map[object.Key]*notice{}, 0 // lets go of the memory of a burst
	}
	return n, true
}

// close drops what is pending and waits for a delivery in progress.
func (q *queue) close() {
	q.mu.Lock()
	q.closed = true
	q.wake.Broadcast()
	q.mu.Unlock()
	<-q.done
}

// union returns the sorted union of sorted a and b, reusing either where it can.
func union(a, b []string) []string {
	switch {
	case len(b) == 0:
		return a
	case len(a) == 0:
		return b
	case slices.Equal(a, b):
		return a
	}
	out := slices.Concat(a, b)
	slices.Sort(out)
	return slices.Compact(out)
}
