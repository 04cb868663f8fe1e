// Package otlp sends traces to an OpenTelemetry collector over HTTP.
//
// In go the names of things that begin and end, tied together by contexts; out
// go spans, in batches and beside the work. A collector that does not answer
// costs spans, nothing else. The package decides nothing and never sees what
// the work is about, but for the names that it is given.
package otlp

import (
	"context"
	"fmt"
	"log/slog"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// Options say where traces go and who sends them.
type Options struct {
	// Endpoint is the collector's URL, as in OTEL_EXPORTER_OTLP_ENDPOINT, which
	// counts, with the other variables of that standard, when it is empty.
	Endpoint string
	Service  string // name of the program; OTEL_SERVICE_NAME comes before it
	Version  string
	Instance string // of several; may be empty
	Logger   *slog.Logger
}

// Tracer makes spans. Create one with New and Close it.
type Tracer struct {
	provider *sdktrace.TracerProvider
	tracer   trace.Tracer
}

// New returns a Tracer. It does not wait for the collector.
func New(ctx context.Context, opts Options) (*Tracer, error) {
	var to []otlptracehttp.Option
	if opts.Endpoint != "" {
		to = append(to, otlptracehttp.WithEndpointURL(opts.Endpoint+"/v1/traces"))
	}
	exporter, err := otlptracehttp.New(ctx, to...)
	if err != nil {
		return nil, fmt.Errorf("traces: %w", err)
	}
	who := []attribute.KeyValue{attribute.String("service.name", opts.Service), attribute.String("service.version", opts.Version)}
	if opts.Instance != "" {
		who = append(who, attribute.String("service.instance.id", opts.Instance))
	}
	res, err := resource.New(ctx, resource.WithAttributes(who...), resource.WithFromEnv(), resource.WithTelemetrySDK())
	if err != nil {
		return nil, fmt.Errorf("traces: %w", err)
	}
	provider := sdktrace.NewTracerProvider(sdktrace.WithBatcher(quiet{exporter, opts.Logger}), sdktrace.WithResource(res))
	return &Tracer{provider: provider, tracer: provider.Tracer("plumbline.dev/plumbd")}, nil
}

// Begin begins a span within that of ctx, if it has one. Attributes are pairs of
// key and value. The function ends it.
func (t *Tracer) Begin(ctx context.Context, name string, attributes ...string) (context.Context, func(error)) {
	var list []attribute.KeyValue
	for i := 0; i+1 < len(attributes); i += 2 {
		list = append(list, attribute.String(attributes[i], attributes[i+1]))
	}
	ctx, span := t.tracer.Start(ctx, name, trace.WithAttributes(list...))
	return ctx, func(err error) {
		if err != nil {
			span.SetStatus(codes.Error, err.Error())
		}
		span.End()
	}
}

// Close sends what has not been sent yet, until ctx ends.
func (t *Tracer) Close(ctx context.Context) error { return t.provider.Shutdown(ctx) }

// quiet keeps a collector's failures from the library's own log.
type quiet struct {
	sdktrace.SpanExporter
	log *slog.Logger
}

// ExportSpans implements sdktrace.SpanExporter.
func (q quiet) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	if err := q.SpanExporter.ExportSpans(ctx, spans); err != nil && q.log != nil {
		q.log.Debug("traces not sent", "spans", len(spans), "err", err)
	}
	return nil
}
