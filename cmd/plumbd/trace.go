package main

import (
	"context"
	"net/http"
	"os"
	"time"

	"github.com/plumbline-dev/plumbline/internal/core/app"
	"github.com/plumbline-dev/plumbline/internal/driver/otlp"
)

// newTracer returns what sends traces, and nil when nobody asked for that.
func newTracer(ctx context.Context, w *wiring) (*otlp.Tracer, error) {
	if w.cfg.otlp == "" && os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT") == "" && os.Getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") == "" {
		return nil, nil
	}
	return otlp.New(ctx, otlp.Options{Endpoint: w.cfg.otlp, Service: "plumbd", Version: version, Instance: w.cfg.share.name, Logger: w.log})
}

// recorder counts what the engine does and, where somebody listens, traces it.
type recorder struct {
	*counters
	tracer *otlp.Tracer
}

// Begin implements reconcile.Recorder.
func (r recorder) Begin(ctx context.Context, id app.ID, stage string) (context.Context, func(error)) {
	ctx, counted := r.counters.Begin(ctx, id, stage)
	if r.tracer == nil {
		return ctx, counted
	}
	ctx, traced := r.tracer.Begin(ctx, stage, "app", id.String(), "kind", id.Kind)
	return ctx, func(err error) {
		counted(err)
		traced(err)
	}
}

// fetches traces fetches; nil when nobody listens.
func (w *wiring) fetches() func(ctx context.Context, what, repository string) (context.Context, func(error)) {
	if w.tracer == nil {
		return nil
	}
	return func(ctx context.Context, what, repository string) (context.Context, func(error)) {
		return w.tracer.Begin(ctx, what, "repository", repository)
	}
}

// traced begins a trace with each push event.
func (w *wiring) traced(next http.Handler) http.Handler {
	if w.tracer == nil {
		return next
	}
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		ctx, end := w.tracer.Begin(r.Context(), "webhook", "path", r.URL.Path)
		defer end(nil)
		next.ServeHTTP(rw, r.WithContext(ctx))
	})
}

// closeTracer sends the last spans.
func (w *wiring) closeTracer() {
	if w.tracer == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	if err := w.tracer.Close(ctx); err != nil {
		w.log.Debug("traces not sent", "err", err)
	}
}
