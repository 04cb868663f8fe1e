package kube

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"
)

// EndSilentWatches returns a wrapper of transports which ends watches on which
// nothing arrives for so long. API servers send a bookmark every minute, so a
// watch that is silent for some minutes is dead even if its connection is not.
func EndSilentWatches(limit time.Duration) func(http.RoundTripper) http.RoundTripper {
	return func(next http.RoundTripper) http.RoundTripper { return &listener{next: next, limit: limit} }
}

type listener struct {
	next  http.RoundTripper
	limit time.Duration
}

// RoundTrip sends the request and listens to the answer of a watch.
func (l *listener) RoundTrip(r *http.Request) (*http.Response, error) {
	if watch := r.URL.Query().Get("watch"); watch != "true" && watch != "1" {
		return l.next.RoundTrip(r)
	}
	ctx, cancel := context.WithCancelCause(r.Context())
	timer := time.AfterFunc(l.limit, func() { cancel(fmt.Errorf("the watch was silent for %s", l.limit)) })
	resp, err := l.next.RoundTrip(r.WithContext(ctx))
	if err != nil {
		timer.Stop()
		cancel(nil)
		return nil, err
	}
	resp.Body = &heard{ReadCloser: resp.Body, timer: timer, limit: l.limit, end: func() { cancel(nil) }}
	return resp, nil
}

// WrappedRoundTripper lets client-go see the transport beneath.
func (l *listener) WrappedRoundTripper() http.RoundTripper { return l.next }

// heard is a body of which each byte is a sign of life.
type heard struct {
	io.ReadCloser
	timer *time.Timer
	limit time.Duration
	end   func()
}

// Read implements io.Reader.
func (h *heard) Read(p []byte) (int, error) {
	n, err := h.ReadCloser.Read(p)
	if n > 0 {
		h.timer.Reset(h.limit)
	}
	return n, err
}

// Close implements io.Closer.
func (h *heard) Close() error {
	h.timer.Stop()
	defer h.end()
	return h.ReadCloser.Close()
}
