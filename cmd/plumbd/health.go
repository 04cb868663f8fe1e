package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/plumbline-dev/plumbline/internal/core/pulse"
)

// contact is when the API server was heard of.
type contact struct {
	mu    sync.Mutex
	state pulse.Contact
}

// transport notes the answers, and the reads and watches that got none.
func (c *contact) transport(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		resp, err := next.RoundTrip(r)
		now := time.Now()
		c.mu.Lock()
		defer c.mu.Unlock()
		switch {
		case err == nil:
			c.state = c.state.Answer(now)
		case !errors.Is(context.Cause(r.Context()), context.Canceled): // else we did not wait for one
			c.state = c.state.Fail(now)
		}
		return resp, err
	})
}

func (c *contact) lost(limit time.Duration) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state.Lost(time.Now(), limit)
}

// pulseEvery is how often the queue is looked at, asked or not.
const pulseEvery = 5 * time.Second

// health answers whether the server lives and whether it can work.
type health struct {
	pulse   func() pulse.Pulse
	stuck   time.Duration                  // longest time without progress
	synced  func(ctx context.Context) bool // the declarations are known
	pending func() int                     // kinds whose objects are not known yet
	contact *contact
	lost    time.Duration // longest time without an answer of the API server
	known   atomic.Bool   // declarations and kinds were known once
}

// live answers /healthz.
func (h *health) live(w http.ResponseWriter, _ *http.Request) {
	if why := h.pulse().Stuck(time.Now(), h.stuck); why != "" {
		http.Error(w, why, http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintln(w, "ok")
}

// ready answers /readyz.
func (h *health) ready(w http.ResponseWriter, r *http.Request) {
	if why := h.unready(r.Context()); why != "" {
		http.Error(w, why, http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintln(w, "ok")
}

func (h *health) unready(ctx context.Context) string {
	if why := h.contact.lost(h.lost); why != "" {
		return why
	}
	if h.known.Load() {
		return ""
	}
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	if !h.synced(ctx) {
		return "the declarations of applications are not known yet"
	}
	if n := h.pending(); n > 0 {
		return fmt.Sprintf("the objects of %d kinds are not known yet", n)
	}
	h.known.Store(true)
	return ""
}

// sample looks at the queue for as long as it runs, so that what it says about
// waiting is as old as it can be.
func (h *health) sample() manager.Runnable {
	return manager.RunnableFunc(func(ctx context.Context) error {
		tick := time.NewTicker(pulseEvery)
		defer tick.Stop()
		for {
			h.pulse()
			select {
			case <-ctx.Done():
				return nil
			case <-tick.C:
			}
		}
	})
}
