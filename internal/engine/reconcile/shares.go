package reconcile

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/plumbline-dev/plumbline/internal/core/app"
)

// postponed is when to look again at an application that may not be worked on
// now, and arrivalRetry when to ask again for those that came.
const (
	postponed    = 200 * time.Millisecond
	arrivalRetry = time.Second
)

// arrival is a change whose arrivals are being read.
type arrival struct{ Moves }

// errArriving says that an application came a moment ago.
var errArriving = errors.New("its state has not been read since it came")

// Share makes the controller work on this replica's applications alone. It is
// called before Start.
func (c *Controller) Share(shares Shares) { c.shares = shares }

// begin starts work on an application if it is ours and may be loaded.
func (c *Controller) begin(ctx context.Context, id app.ID) (context.Context, func(), error) {
	if c.shares == nil {
		return ctx, func() {}, nil
	}
	c.mu.Lock()
	arriving := slices.ContainsFunc(c.moves, func(m *arrival) bool { return m.Came(id) })
	c.mu.Unlock()
	if arriving {
		return nil, nil, errArriving
	}
	return c.shares.Begin(ctx, id)
}

// Rebalanced forgets the applications that left this replica and queues those
// that came, once they have been read anew.
func (c *Controller) Rebalanced(ctx context.Context, moves Moves) {
	c.mu.Lock()
	m := &arrival{moves}
	c.moves = append(c.moves, m)
	c.mu.Unlock()
	c.reconciler.leave(moves.Left)
	go c.arrive(ctx, m)
}

// arrive queues what came. Until it is known how those applications stand, they
// are not worked on: the replica that had them may have written a moment ago.
func (c *Controller) arrive(ctx context.Context, moves *arrival) {
	var came []app.ID
	for _, d := range c.reconciler.dialects {
		for {
			ids, err := d.Arrivals(ctx, moves.Came)
			if err == nil {
				came = append(came, ids...)
				break
			}
			c.reconciler.options.Logger.Warn("applications not listed", "err", err)
			select {
			case <-ctx.Done():
				return
			case <-time.After(arrivalRetry):
			}
		}
	}
	c.mu.Lock()
	c.moves = slices.DeleteFunc(c.moves, func(m *arrival) bool { return m == moves })
	c.mu.Unlock()
	for _, id := range came {
		c.Enqueue(id)
	}
}

// leave drops everything that was kept for the applications that left.
func (r *Reconciler) leave(left func(app.ID) bool) {
	r.mu.Lock()
	var gone []app.ID
	for id := range r.memories {
		if left(id) {
			gone = append(gone, id)
		}
	}
	r.mu.Unlock()
	for _, id := range gone {
		r.forget(id)
	}
}

// Kept counts the applications that this replica keeps true to their sources.
func (r *Reconciler) Kept() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.memories)
}
