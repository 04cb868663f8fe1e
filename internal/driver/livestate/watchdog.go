package livestate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"
)

// watchdog ends a request when nothing has been read from it for too long.
type watchdog struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
	timer  *time.Timer
	limit  atomic.Int64 // time.Duration
}

// newWatchdog returns a watchdog that allows silence for limit from now on,
// and the context that it ends.
func newWatchdog(parent context.Context, limit time.Duration) (*watchdog, context.Context) {
	ctx, cancel := context.WithCancelCause(parent)
	g := &watchdog{ctx: ctx, cancel: cancel}
	g.limit.Store(int64(limit))
	g.timer = time.AfterFunc(limit, func() {
		cancel(fmt.Errorf("%w for %s", errSilent, time.Duration(g.limit.Load())))
	})
	return g, ctx
}

// allow sets how long silence is allowed, from now on.
func (g *watchdog) allow(limit time.Duration) {
	g.limit.Store(int64(limit))
	g.timer.Reset(limit)
}

// cause returns why the watchdog ended the request, or nil.
func (g *watchdog) cause() error {
	if cause := context.Cause(g.ctx); errors.Is(cause, errSilent) {
		return cause
	}
	return nil
}

// explain returns the watchdog's reason for err, where it was the reason.
func (g *watchdog) explain(err error) error {
	if cause := g.cause(); cause != nil {
		return cause
	}
	return err
}

func (g *watchdog) stop() {
	g.timer.Stop()
	g.cancel(nil)
}

// reader returns r, with each byte read from it counting as a sign of life.
func (g *watchdog) reader(r io.Reader) io.Reader { return &watchedReader{guard: g, r: r} }

type watchedReader struct {
	guard *watchdog
	r     io.Reader
}

func (w *watchedReader) Read(p []byte) (int, error) {
	n, err := w.r.Read(p)
	if n > 0 {
		w.guard.timer.Reset(time.Duration(w.guard.limit.Load()))
	}
	return n, err
}
