package reconcile

import (
	"context"
	"sync"
	"time"

	"github.com/plumbline-dev/plumbline/internal/core/app"
	"github.com/plumbline-dev/plumbline/internal/core/pulse"
)

// progress is where each reconcile that is under way stands.
type progress struct {
	mu    sync.Mutex
	under map[app.ID]*pulse.Work
}

// enter notes that an application entered a stage, and returns a function that
// puts it back into the one before, or out of the list.
func (p *progress) enter(id app.ID, stage string, now time.Time) func(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.under == nil {
		p.under = map[app.ID]*pulse.Work{}
	}
	before := p.under[id]
	p.under[id] = &pulse.Work{App: id, Stage: stage, Since: now}
	return func(now time.Time) {
		p.mu.Lock()
		defer p.mu.Unlock()
		if before == nil {
			delete(p.under, id)
			return
		}
		p.under[id] = &pulse.Work{App: id, Stage: before.Stage, Since: now}
	}
}

// list returns what is under way.
func (p *progress) list() []pulse.Work {
	p.mu.Lock()
	defer p.mu.Unlock()
	list := make([]pulse.Work, 0, len(p.under))
	for _, w := range p.under {
		list = append(list, *w)
	}
	return list
}

// stage begins a stage of an application's reconcile. The returned function ends
// it.
func (r *Reconciler) stage(ctx context.Context, id app.ID, name string) (context.Context, func(error)) {
	left := r.progress.enter(id, name, time.Now())
	ctx, end := r.options.Recorder.Begin(ctx, id, name)
	return ctx, func(err error) {
		end(err)
		left(time.Now())
	}
}

// Pulse tells what the queue does. It is called every few seconds: what it says
// about waiting goes back no further than the last call.
func (c *Controller) Pulse() pulse.Pulse {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := pulse.Pulse{Under: c.reconciler.progress.list()}
	if c.queue != nil {
		p.Waiting = c.queue.Len()
	}
	if p.Waiting == 0 {
		c.moved = time.Now()
	}
	p.Moved = c.moved
	return p
}

// done notes that an application was done with.
func (c *Controller) done() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.moved = time.Now()
}
