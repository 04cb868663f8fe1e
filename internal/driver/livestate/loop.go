package livestate

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/plumbline-dev/plumbline/internal/core/listwatch"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

const (
	// watchFor is the least time that a watch is asked to last; the server ends
	// it between that and the double.
	watchFor = 10 * time.Minute

	// doubts is the number of bad answers in a row after which a watch starts
	// from a new initial state instead of where it stopped.
	doubts = 5
)

var (
	errSuperseded = errors.New("the watch was replaced")
	errEnded      = errors.New("the server ended the watch at once")
	errSilent     = errors.New("the server went silent")
)

// refusedError is an answer that says that the server does not stream initial states.
type refusedError struct{ cause error }

func (e *refusedError) Error() string { return e.cause.Error() }
func (e *refusedError) Unwrap() error { return e.cause }

// backoff is the default of Config.Backoff.
func backoff(n int) time.Duration {
	d := min(500*time.Millisecond<<min(n-1, 10), 30*time.Second)
	return d/2 + rand.N(d)
}

// loop keeps one kind watched until ctx ends.
func (s *State) loop(ctx context.Context, k *kind, r *run) {
	defer s.loops.Done()
	failures := 0
	for {
		started := time.Now()
		progress, err := s.session(ctx, k, r)
		if ctx.Err() != nil {
			return
		}
		if err == nil && !progress && time.Since(started) < time.Second {
			err = errEnded
		}
		if progress {
			failures = 0
		}
		s.settle(k, r, progress, err)
		if err == nil {
			continue
		}
		failures++
		s.cfg.OnInterrupt(k.gk)
		s.cfg.Logger.Debug("watch interrupted", "kind", k.gk.String(), "failures", failures, "err", oneLine(err.Error()))
		poke, delay := r.poke, listwatch.Delay(err)
		if delay > 0 {
			poke = nil // the server knows better than whoever is in a hurry
		}
		if !pause(ctx, poke, max(s.cfg.Backoff(failures), delay)) {
			return
		}
	}
}

// pause waits and reports whether ctx goes on.
func pause(ctx context.Context, poke <-chan struct{}, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-poke:
	case <-timer.C:
	}
	return ctx.Err() == nil
}

// session receives one watch, from an initial state or from where the last one
// stopped. It reports whether anything valid arrived.
func (s *State) session(ctx context.Context, k *kind, r *run) (bool, error) {
	s.mu.Lock()
	r.session++
	resume := r.resume
	k.attempt = time.Now()
	s.mu.Unlock()

	w := &watch{state: s, kind: k, run: r, resource: r.resource}
	if resume != (listwatch.Version{}) {
		return w.follow(ctx, resume)
	}
	release, err := s.slot(ctx)
	if err != nil {
		return false, err
	}
	w.release = release
	defer w.received()
	if r.listing {
		resume, err := w.list(ctx)
		w.received()
		if err != nil {
			r.listing = !errors.Is(err, errSilent)
			return false, err
		}
		return w.follow(ctx, resume)
	}
	progress, err := w.initial(ctx)
	var refused *refusedError
	if errors.As(err, &refused) {
		s.cfg.Logger.Debug("initial state is listed", "kind", k.gk.String(), "err", oneLine(err.Error()))
		r.listing = true
		w.received()
		return s.session(ctx, k, r)
	}
	return progress, err
}

// slot waits for the permission to receive an initial state.
func (s *State) slot(ctx context.Context) (func(), error) {
	select {
	case s.slots <- struct{}{}:
		return func() { <-s.slots }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// settle notes how an attempt ended.
func (s *State) settle(k *kind, r *run, progress bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if k.run != r {
		return
	}
	k.streaming = false
	if progress || k.lost.IsZero() {
		k.lost = time.Now()
	}
	if err == nil {
		return // the next attempt follows at once
	}
	var bad *listwatch.StreamError
	r.garbled = !progress && errors.As(err, &bad)
	k.err = &KindError{GVK: r.resource.GVK, Cause: err}
	k.refused = listwatch.Refuses(err)
	switch {
	case apierrors.IsGone(err) || apierrors.IsResourceExpired(err) || apierrors.IsNotFound(err) || listwatch.TooNew(err):
		r.resume = listwatch.Version{}
	case progress:
		r.suspicious = 0
	case listwatch.Answered(err):
		if r.suspicious++; r.suspicious >= doubts {
			r.resume, r.suspicious = listwatch.Version{}, 0
		}
	}
	if k.told != newsBroken && !k.ready(s.cfg.StaleAfter) {
		k.told = newsBroken
		s.queue.addKind(k.gk, k.err)
	}
	k.finished++
	k.broadcast()
}

// opened notes that a watch carries k's changes again. After one that carried
// nonsense that is believed only when the first event has come.
func (s *State) opened(k *kind, r *run) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if k.run == r && k.initial && !r.garbled {
		k.streaming = true
		s.usable(k)
	}
}

// usable notes that k is ready; s.mu is held.
func (s *State) usable(k *kind) {
	k.err, k.refused = nil, false
	if k.told != newsUsable {
		k.told = newsUsable
		s.queue.addKind(k.gk, nil)
	}
	k.finished++
	k.broadcast()
}
