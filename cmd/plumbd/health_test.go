package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/plumbline-dev/plumbline/internal/core/app"
	"github.com/plumbline-dev/plumbline/internal/core/pulse"
)

func ask(t *testing.T, handler http.HandlerFunc) (int, string) {
	t.Helper()
	w := httptest.NewRecorder()
	handler(w, httptest.NewRequest(http.MethodGet, "/", nil))
	return w.Code, strings.TrimSpace(w.Body.String())
}

// A stuck reconcile fails /healthz and is named there.
func TestLive(t *testing.T) {
	now := pulse.Pulse{Moved: time.Now()}
	h := &health{stuck: time.Minute, pulse: func() pulse.Pulse { return now }}
	if code, text := ask(t, h.live); code != http.StatusOK {
		t.Errorf("idle: %d %s", code, text)
	}
	now.Under = []pulse.Work{{App: app.ID{Kind: "Application", Namespace: "argocd", Name: "shop"}, Stage: "render", Since: time.Now().Add(-2 * time.Minute)}}
	if code, text := ask(t, h.live); code != http.StatusServiceUnavailable || !strings.Contains(text, `argocd/shop is in stage "render"`) {
		t.Errorf("stuck: %d %s", code, text)
	}
}

// Readiness needs the declarations and kinds once, and an API server that answers.
func TestReady(t *testing.T) {
	synced, pending := false, 2
	c := &contact{}
	h := &health{contact: c, lost: time.Millisecond, synced: func(context.Context) bool { return synced }, pending: func() int { return pending }}
	expect := func(state string, code int, text string) {
		t.Helper()
		if got, body := ask(t, h.ready); got != code || !strings.Contains(body, text) {
			t.Errorf("%s: %d %q", state, got, body)
		}
	}
	expect("at first", http.StatusServiceUnavailable, "declarations")
	synced = true
	expect("without kinds", http.StatusServiceUnavailable, "2 kinds")
	pending = 0
	expect("with all", http.StatusOK, "ok")
	pending = 1
	expect("with a new kind", http.StatusOK, "ok")

	server := httptest.NewServer(http.NotFoundHandler())
	client := &http.Client{Transport: c.transport(&http.Transport{DisableKeepAlives: true})}
	get := func(ctx context.Context, url string) {
		t.Helper()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		if resp, err := client.Do(req); err == nil {
			resp.Body.Close()
		}
	}
	get(t.Context(), server.URL)
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	get(cancelled, server.URL)
	expect("after we gave up asking", http.StatusOK, "ok")
	get(t.Context(), "http://127.0.0.1:1")
	for c.lost(h.lost) == "" {
		<-time.After(time.Millisecond)
	}
	expect("without an answer", http.StatusServiceUnavailable, "has not answered")
	get(t.Context(), server.URL)
	server.Close()
	expect("after an answer", http.StatusOK, "ok")
}
