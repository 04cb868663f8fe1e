package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"time"

	"github.com/plumbline-dev/plumbline/internal/engine/refresh"
	"github.com/plumbline-dev/plumbline/internal/front/hook"
)

// httpServer answers webhooks, metrics and health questions.
type httpServer struct {
	listener net.Listener
	server   *http.Server
}

// listen takes the address before anything else is done, so that a second
// server on the machine does nothing.
func listen(address string) (net.Listener, error) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("-listen %s: %w", address, err)
	}
	return listener, nil
}

func newHTTPServer(w *wiring, poller *refresh.Poller) *httpServer {
	mux := http.NewServeMux()
	pushed := hook.Handler(poller.Pushed, w.log)
	if w.share != nil {
		pushed = hook.Relay(pushed, w.share.Addresses, w.log)
	}
	pushed = w.traced(pushed)
	mux.Handle("/hook/git", pushed)
	mux.Handle("/api/webhook", pushed)
	mux.Handle("/metrics", w.counters.handler())
	mux.HandleFunc("/healthz", w.health.live)
	mux.HandleFunc("/readyz", w.health.ready)
	if w.cfg.profile {
		mux.HandleFunc("/debug/pprof/", pprof.Index)
		mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
		mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	}
	return &httpServer{listener: w.listener, server: &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}}
}

func (s *httpServer) address() string { return s.listener.Addr().String() }

// Start serves until ctx ends.
func (s *httpServer) Start(ctx context.Context) error {
	context.AfterFunc(ctx, func() {
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer cancel()
		_ = s.server.Shutdown(grace)
	})
	if err := s.server.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
