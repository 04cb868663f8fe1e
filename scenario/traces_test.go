package scenario

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	trace "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// spans are what a collector was sent.
type spans struct {
	mu   sync.Mutex
	list []*trace.Span
}

// ServeHTTP takes one batch, as the OTLP over HTTP says.
func (s *spans) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	batch := &collector.ExportTraceServiceRequest{}
	if err == nil {
		err = proto.Unmarshal(body, batch)
	}
	if err != nil || r.URL.Path != "/v1/traces" {
		http.Error(w, fmt.Sprint(r.URL.Path, err), http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, resource := range batch.ResourceSpans {
		for _, scope := range resource.ScopeSpans {
			s.list = append(s.list, scope.Spans...)
		}
	}
}

// chain finds spans of these names, each within the one before, the first within
// none. Without one it returns what there is instead.
func (s *spans) chain(names []string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var within func(parent []byte, names []string) bool
	within = func(parent []byte, names []string) bool {
		if len(names) == 0 {
			return true
		}
		for _, span := range s.list {
			if span.Name == names[0] && bytes.Equal(span.ParentSpanId, parent) && within(span.SpanId, names[1:]) {
				return true
			}
		}
		return false
	}
	if within(nil, names) {
		return nil
	}
	var have []string
	for _, span := range s.list {
		have = append(have, fmt.Sprintf("%s %x in %x", span.Name, span.SpanId, span.ParentSpanId))
	}
	return fmt.Errorf("no spans %s among:\n%s", strings.Join(names, " > "), tail(strings.Join(have, "\n"), 40))
}

// collector starts an OpenTelemetry collector; $OTLP is its URL.
func (s *story) collector(c *call) error {
	if err := c.want(0, 0, "collector"); err != nil {
		return err
	}
	s.spans = &spans{}
	server := httptest.NewServer(s.spans)
	c.Defer(server.Close)
	s.set(c, "OTLP", server.URL)
	return nil
}

// traced SPAN... waits until the collector has spans of these names, each within
// the one before and the first within none.
func (s *story) traced(c *call) error {
	if s.spans == nil {
		return fmt.Errorf("begin with the command collector")
	}
	return within(deadline, func() error { return s.spans.chain(c.args) })
}
