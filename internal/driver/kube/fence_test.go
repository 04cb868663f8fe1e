package kube_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"k8s.io/client-go/rest"

	"github.com/plumbline-dev/plumbline/internal/driver/kube"
)

var errNoPermit = errors.New("no permit")

// fenced is a client of server behind a fence.
func fenced(t *testing.T, server *httptest.Server, permit kube.Permit) *http.Client {
	t.Helper()
	config := &rest.Config{Host: server.URL, TLSClientConfig: rest.TLSClientConfig{Insecure: server.TLS != nil}}
	kube.Fence(config, permit)
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.CloseIdleConnections)
	return client
}

func send(client *http.Client, ctx context.Context, method, url string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader("{}"))
	if err != nil {
		return nil, err
	}
	return client.Do(req)
}

// A permit that ends between the question and the wire, as when the process stood
// still there, lets nothing through; what is read afterwards gets another connection.
func TestFenceAtTheWire(t *testing.T) {
	var changed atomic.Int64
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.Method == "PATCH" {
			changed.Add(1)
		}
	}))
	server.EnableHTTP2 = true
	server.StartTLS()
	defer server.Close()
	var stood atomic.Bool
	client := fenced(t, server, func(ctx context.Context) (context.Context, context.CancelFunc, error) {
		if stood.Swap(true) {
			return nil, nil, errNoPermit
		}
		return ctx, func() {}, nil
	})
	read := func() {
		t.Helper()
		resp, err := send(client, t.Context(), "GET", server.URL)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
	}
	read()
	if resp, err := send(client, t.Context(), "PATCH", server.URL); err == nil {
		resp.Body.Close()
		t.Error("a write was sent without a permit")
	}
	read()
	if n := changed.Load(); n > 0 {
		t.Errorf("the server got %d writes", n)
	}
}

// Only what changes something needs a permit.
func TestFence(t *testing.T) {
	reached := ""
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { reached = r.Method }))
	defer server.Close()
	refused := fenced(t, server, func(context.Context) (context.Context, context.CancelFunc, error) {
		return nil, nil, errNoPermit
	})
	tests := map[string]struct {
		method, query string
		ctx           context.Context
		passes        bool
	}{
		"get":             {method: "GET", passes: true},
		"head":            {method: "HEAD", passes: true},
		"post":            {method: "POST"},
		"put":             {method: "PUT"},
		"patch":           {method: "PATCH"},
		"delete":          {method: "DELETE"},
		"dry run":         {method: "PATCH", query: "?dryRun=All&force=true", passes: true},
		"like a dry run":  {method: "PATCH", query: "?fieldManager=dryRun"},
		"before it began": {method: "PUT", ctx: kube.Unfenced(context.Background()), passes: true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			reached = ""
			ctx := test.ctx
			if ctx == nil {
				ctx = context.Background()
			}
			resp, err := send(refused, ctx, test.method, server.URL+"/api/v1/things"+test.query)
			if err == nil {
				resp.Body.Close()
			}
			if passed := reached == test.method; passed != test.passes {
				t.Errorf("passed: %t, error: %v", passed, err)
			}
			if !test.passes && !errors.Is(err, errNoPermit) {
				t.Errorf("refused because %v", err)
			}
		})
	}
}

// A write that is under way ends with its permit, and a permit ends with its write.
func TestFenceEnds(t *testing.T) {
	arrived, release := make(chan struct{}), make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == "PATCH" {
			close(arrived)
			<-release
		}
		_, _ = io.WriteString(w, "{}")
	}))
	defer server.Close()
	defer close(release)
	lapse, cancel := context.WithCancelCause(context.Background())
	given := make(chan struct{}, 2)
	client := fenced(t, server, func(ctx context.Context) (context.Context, context.CancelFunc, error) {
		if ctx == context.Background() {
			return ctx, func() {}, nil // the connection asks
		}
		ctx, stop := context.WithCancelCause(ctx)
		context.AfterFunc(lapse, func() { stop(errNoPermit) })
		return ctx, func() { given <- struct{}{} }, nil
	})
	resp, err := send(client, t.Context(), "POST", server.URL)
	if err != nil {
		t.Fatal(err)
	}
	if text, err := io.ReadAll(resp.Body); err != nil || string(text) != "{}" {
		t.Errorf("%q, %v", text, err)
	}
	if len(given) > 0 {
		t.Error("the permit ended before the answer was read")
	}
	resp.Body.Close()
	<-given
	go func() { <-arrived; cancel(errNoPermit) }()
	if _, err := send(client, t.Context(), "PATCH", server.URL); !errors.Is(err, errNoPermit) {
		t.Errorf("ended because %v", err)
	}
	<-given
}
