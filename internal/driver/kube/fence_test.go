package kube_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/plumbline-dev/plumbline/internal/driver/kube"
)

var errNoPermit = errors.New("no permit")

// Only what changes something needs a permit.
func TestFence(t *testing.T) {
	reached := ""
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { reached = r.Method }))
	defer server.Close()
	refused := &http.Client{Transport: kube.Fenced(func(context.Context) (context.Context, context.CancelFunc, error) {
		return nil, nil, errNoPermit
	})(http.DefaultTransport)}
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
			req, err := http.NewRequestWithContext(ctx, test.method, server.URL+"/api/v1/things"+test.query, strings.NewReader("{}"))
			if err != nil {
				t.Fatal(err)
			}
			resp, err := refused.Do(req)
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
	client := &http.Client{Transport: kube.Fenced(func(ctx context.Context) (context.Context, context.CancelFunc, error) {
		ctx, stop := context.WithCancelCause(ctx)
		context.AfterFunc(lapse, func() { stop(errNoPermit) })
		return ctx, func() { given <- struct{}{} }, nil
	})(http.DefaultTransport)}
	resp, err := client.Post(server.URL, "application/json", strings.NewReader("{}"))
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
	req, _ := http.NewRequest("PATCH", server.URL, strings.NewReader("{}"))
	if _, err := client.Do(req); !errors.Is(err, errNoPermit) {
		t.Errorf("ended because %v", err)
	}
	<-given
}
