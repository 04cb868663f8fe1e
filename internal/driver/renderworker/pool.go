package renderworker

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"

	"github.com/plumbline-dev/plumbline/internal/core/render"
	"github.com/plumbline-dev/plumbline/internal/core/source"
)

// Options tune a Pool. Only Command is required.
type Options struct {
	Command []string // program and arguments of a worker, which calls Serve
	Env     []string // environment of a worker besides what the pool sets; no secrets

	Workers     int           // renders at the same time; 0 means the number of CPUs
	Timeout     time.Duration // of one render, without the time in the queue; 0 means 60s
	MemoryLimit int64         // bytes of one worker; 0 means 512 MiB
	IdleExit    time.Duration // after which a worker without work ends; 0 means 30s
}

// Stats counts what the workers of a Pool did and says how many there are.
type Stats struct {
	Renders int64 // begun
	Started int64 // processes
	Killed  int64 // for time, memory or because the caller gave up
	Died    int64 // by themselves during a render
	Retired int64 // ended after a render that left something behind
	Busy    int
	Idle    int
}

// A Pool is a render.Renderer whose renders happen in worker processes. It is
// safe for concurrent use; callers beyond the number of workers wait in order.
// Close ends its processes.
type Pool struct {
	opts  Options
	slots chan struct{}
	spawn *spawner
	life  context.Context // ends with Close
	end   context.CancelCauseFunc

	mu     sync.Mutex
	idle   []*worker // the last one was used last
	stats  Stats
	closed bool
}

// New returns a Pool. It starts no process.
func New(opts Options) *Pool {
	if opts.Workers <= 0 {
		opts.Workers = runtime.NumCPU()
	}
	if opts.Timeout == 0 {
		opts.Timeout = time.Minute
	}
	if opts.MemoryLimit == 0 {
		opts.MemoryLimit = 512 << 20
	}
	if opts.IdleExit == 0 {
		opts.IdleExit = 30 * time.Second
	}
	p := &Pool{opts: opts, slots: make(chan struct{}, opts.Workers), spawn: newSpawner()}
	p.life, p.end = context.WithCancelCause(context.Background())
	return p
}

// Why a render was ended from this side.
var (
	errClosed  = errors.New("render workers have been shut down")
	errTimeout = errors.New("render timed out")
)

// Render implements render.Renderer. It fails with *render.StoppedError if the
// worker was ended or died, and with the context's cause if the caller gave up.
func (p *Pool) Render(ctx context.Context, req render.Request, tree source.Tree) (render.Result, error) {
	req, err := req.Detect(tree)
	if err != nil {
		return render.Result{}, err
	}
	select {
	case p.slots <- struct{}{}:
	case <-ctx.Done():
		return render.Result{}, context.Cause(ctx)
	}
	defer func() { <-p.slots }()
	for {
		w, reused, err := p.take()
		if err != nil {
			return render.Result{}, &render.StoppedError{Cause: "could not begin: " + err.Error()}
		}
		res, err := p.run(ctx, w, req, tree)
		if !errors.Is(err, errNeverBegan) {
			return res, err
		}
		if !reused {
			return res, &render.StoppedError{Cause: "could not begin: " + err.Error()}
		}
		// It died while it was idle, which has nothing to do with this render.
	}
}

// Stats returns the counters up to now.
func (p *Pool) Stats() Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.stats
	s.Idle = len(p.idle)
	return s
}

// Close ends all workers. Renders that are under way fail.
func (p *Pool) Close() {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return
	}
	p.closed = true
	idle := p.idle
	p.idle = nil
	p.mu.Unlock()
	p.end(errClosed)
	for _, w := range idle {
		w.close()
	}
	p.spawn.close()
}

// take returns the idle worker that was used last, or a new one.
func (p *Pool) take() (w *worker, reused bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, false, errClosed
	}
	for len(p.idle) > 0 {
		w = p.idle[len(p.idle)-1]
		p.idle = p.idle[:len(p.idle)-1]
		if w.timer.Stop() {
			return w, true, nil
		}
		go w.close() // its time is up
	}
	w, err = p.spawn.start(p.opts)
	if err != nil {
		return nil, false, err
	}
	p.stats.Started++
	return w, false, nil
}

// run renders on w and decides what becomes of w.
func (p *Pool) run(ctx context.Context, w *worker, req render.Request, tree source.Tree) (render.Result, error) {
	p.count(func(s *Stats) { s.Renders++; s.Busy++ })
	defer p.count(func(s *Stats) { s.Busy-- })

	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	timer := time.AfterFunc(p.opts.Timeout, func() { cancel(errTimeout) })
	defer timer.Stop()
	defer context.AfterFunc(p.life, func() { cancel(errClosed) })()

	res, end, err := w.render(ctx, req, tree, p.opts.MemoryLimit)
	switch end {
	case endClean:
		p.put(w)
		return res, err
	case endSpent:
		p.count(func(s *Stats) { s.Retired++ })
		w.close()
		return res, err
	}
	w.kill()
	return render.Result{}, p.explain(ctx, w, req, err)
}

// explain says why a worker did not finish and counts it.
func (p *Pool) explain(ctx context.Context, w *worker, req render.Request, err error) error {
	what := fmt.Sprintf("%s of path %q", req.Tool, req.Path)
	cause := context.Cause(ctx)
	if cause == nil && !w.tooLarge() {
		p.count(func(s *Stats) { s.Died++ })
		if errors.Is(err, errNeverBegan) {
			return err
		}
		return &render.StoppedError{Cause: fmt.Sprintf("crashed: %s: %s", what, w.lastWords(err))}
	}
	p.count(func(s *Stats) { s.Killed++ })
	switch {
	case w.tooLarge():
		return &render.StoppedError{Cause: fmt.Sprintf("used more than %d MiB: %s", p.opts.MemoryLimit>>20, what)}
	case errors.Is(cause, errTimeout):
		return &render.StoppedError{Cause: fmt.Sprintf("stopped after %s: %s", p.opts.Timeout, what)}
	case errors.Is(cause, errClosed):
		return &render.StoppedError{Cause: fmt.Sprintf("stopped: %s: %s", what, errClosed)}
	}
	return cause
}

// put keeps w for the next render, for a while.
func (p *Pool) put(w *worker) {
	if w.memory() > p.opts.MemoryLimit/2 {
		p.count(func(s *Stats) { s.Retired++ })
		w.close()
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		go w.close()
		return
	}
	w.timer = time.AfterFunc(p.opts.IdleExit, func() { p.expire(w) })
	p.idle = append(p.idle, w)
}

func (p *Pool) expire(w *worker) {
	p.mu.Lock()
	for i, other := range p.idle {
		if other == w {
			p.idle = append(p.idle[:i], p.idle[i+1:]...)
			break
		}
	}
	p.mu.Unlock()
	w.close()
}

func (p *Pool) count(f func(*Stats)) {
	p.mu.Lock()
	f(&p.stats)
	p.mu.Unlock()
}
