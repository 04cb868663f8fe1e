// Package tell sends notices about applications to whoever reads them.
//
// In go notices; out go Event objects through a port, one after the other and
// beside the work: nobody waits, and while the work is at its hardest nothing is
// sent. When more come than can be sent, notices are dropped and counted. It does
// not decide what is worth telling.
package tell

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/plumbline-dev/plumbline/internal/core/notice"
)

// Writer stores one Event object.
type Writer interface {
	Post(ctx context.Context, event *unstructured.Unstructured) error
}

// Options tune a Teller. The zero value works.
type Options struct {
	Queue  int         // notices that wait at most; 0 means 1024
	Pace   func() bool // reports that the work needs the API server more; nil: never
	Logger *slog.Logger
}

// Bounds of one notice: how long it waits for the work at most, between how many
// looks, and how long sending it may take.
const (
	patience    = 30 * time.Second
	look        = 250 * time.Millisecond
	sendTimeout = 10 * time.Second
)

// Teller sends notices. Create one with New and start it.
type Teller struct {
	writer Writer
	opts   Options
	queue  chan told

	sent, dropped, failed atomic.Int64
}

type told struct {
	about  notice.Subject
	notice notice.Notice
	at     time.Time
}

// New returns a Teller that sends with Start.
func New(w Writer, opts Options) *Teller {
	if opts.Queue <= 0 {
		opts.Queue = 1024
	}
	if opts.Pace == nil {
		opts.Pace = func() bool { return false }
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	return &Teller{writer: w, opts: opts, queue: make(chan told, opts.Queue)}
}

// Tell queues notices about one object, or drops what does not fit. It never waits.
func (t *Teller) Tell(about notice.Subject, list []notice.Notice) {
	for _, n := range list {
		select {
		case t.queue <- told{about, n, time.Now()}:
		default:
			t.dropped.Add(1)
		}
	}
}

// Counts returns how many notices were sent, dropped because too many waited, and
// refused by the API server.
func (t *Teller) Counts() (sent, dropped, failed int64) {
	return t.sent.Load(), t.dropped.Load(), t.failed.Load()
}

// Start sends until ctx ends.
func (t *Teller) Start(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case next := <-t.queue:
			t.await(ctx, next.at.Add(patience))
			t.send(ctx, next)
		}
	}
}

// await gives way to the work.
func (t *Teller) await(ctx context.Context, until time.Time) {
	tick := time.NewTicker(look)
	defer tick.Stop()
	for t.opts.Pace() && time.Now().Before(until) {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (t *Teller) send(ctx context.Context, n told) {
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	if err := t.writer.Post(ctx, notice.Event(n.about, n.notice, "plumbd", n.at)); err != nil {
		t.failed.Add(1)
		t.opts.Logger.Debug("event not sent", "app", n.about.ID.String(), "reason", string(n.notice.Reason), "err", err)
		return
	}
	t.sent.Add(1)
}
