package kube

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
)

// Permit returns the context that one write keeps to and a function to call
// after it, or the reason why nothing may be written now.
type Permit func(ctx context.Context) (context.Context, context.CancelFunc, error)

// Fenced returns a transport that asks permit, right before it is sent, for every
// request that changes something. Reads and dry runs pass, and so does what
// belongs to a context from Unfenced.
func Fenced(permit Permit) func(http.RoundTripper) http.RoundTripper {
	return func(next http.RoundTripper) http.RoundTripper { return &fence{next: next, permit: permit} }
}

type unfenced struct{}

// Unfenced returns a context whose requests pass every fence.
func Unfenced(ctx context.Context) context.Context { return context.WithValue(ctx, unfenced{}, true) }

type fence struct {
	next   http.RoundTripper
	permit Permit
}

// RoundTrip sends the request if it may be sent.
func (f *fence) RoundTrip(r *http.Request) (*http.Response, error) {
	if !mutates(r) || r.Context().Value(unfenced{}) != nil {
		return f.next.RoundTrip(r)
	}
	ctx, done, err := f.permit(r.Context())
	if err != nil {
		if r.Body != nil {
			_ = r.Body.Close()
		}
		return nil, err
	}
	resp, err := f.next.RoundTrip(r.WithContext(ctx))
	if err != nil {
		if cause := context.Cause(ctx); cause != nil && r.Context().Err() == nil {
			err = fmt.Errorf("%w: %w", cause, err)
		}
		done()
		return nil, err
	}
	resp.Body = &fencedBody{ReadCloser: resp.Body, done: sync.OnceFunc(done)}
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
