package kube

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"k8s.io/client-go/rest"
)

// Permit returns the context that one write keeps to and a function to call
// after it, or the reason why nothing may be written now.
type Permit func(ctx context.Context) (context.Context, context.CancelFunc, error)

// Fence has every request of config that changes something ask permit before it is
// sent. Reads and dry runs pass, and so does what belongs to a context from
// Unfenced. While such requests are under way, their connection asks once more
// whenever it writes, and closes when they may not go on: a request may have waited
// for its turn, or the whole process for its own.
func Fence(config *rest.Config, permit Permit) {
	barrier := &barrier{permit: permit}
	config.Wrap(func(next http.RoundTripper) http.RoundTripper { return &fence{next: next, barrier: barrier} })
	dial := config.Dial
	if dial == nil {
		dial = (&net.Dialer{Timeout: 30 * time.Second, KeepAlive: 30 * time.Second}).DialContext
	}
	config.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &fencedConn{Conn: conn, barrier: barrier}, nil
	}
}

// barrier is what the requests and the connections of one config have in common.
type barrier struct {
	permit Permit
	writes atomic.Int64 // that were permitted and are under way
}

// fencedConn is a connection that writes are sent on.
type fencedConn struct {
	net.Conn
	barrier *barrier
}

// Write implements net.Conn.
func (c *fencedConn) Write(b []byte) (int, error) {
	if c.barrier.writes.Load() > 0 {
		_, done, err := c.barrier.permit(context.Background())
		if err != nil {
			return 0, errors.Join(err, c.Close())
		}
		done()
	}
	return c.Conn.Write(b)
}

type unfenced struct{}

// Unfenced returns a context whose requests pass every fence.
func Unfenced(ctx context.Context) context.Context { return context.WithValue(ctx, unfenced{}, true) }

type fence struct {
	next    http.RoundTripper
	barrier *barrier
}

// RoundTrip sends the request if it may be sent.
func (f *fence) RoundTrip(r *http.Request) (*http.Response, error) {
	if !mutates(r) || r.Context().Value(unfenced{}) != nil {
		return f.next.RoundTrip(r)
	}
	ctx, ended, err := f.barrier.permit(r.Context())
	if err != nil {
		if r.Body != nil {
			_ = r.Body.Close()
		}
		return nil, err
	}
	f.barrier.writes.Add(1)
	done := sync.OnceFunc(func() {
		f.barrier.writes.Add(-1)
		ended()
	})
	resp, err := f.next.RoundTrip(r.WithContext(ctx))
	if err != nil {
		if cause := context.Cause(ctx); cause != nil && r.Context().Err() == nil {
			err = fmt.Errorf("%w: %w", cause, err)
		}
		done()
		return nil, err
	}
	resp.Body = &fencedBody{ReadCloser: resp.Body, done: done}
	return resp, nil
}

// WrappedRoundTripper lets client-go see the transport beneath.
func (f *fence) WrappedRoundTripper() http.RoundTripper { return f.next }

// fencedBody ends a write's permission with its answer.
type fencedBody struct {
	io.ReadCloser
	done func()
}

// Close implements io.Closer.
func (b *fencedBody) Close() error {
	defer b.done()
	return b.ReadCloser.Close()
}

// mutates reports whether a request changes what is stored. Reviews of access
// are created and never stored, but nobody here asks for them.
func mutates(r *http.Request) bool {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
		return false
	}
	return !r.URL.Query().Has("dryRun")
}
