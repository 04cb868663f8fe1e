package livetest

import (
	"encoding/json"
	"maps"
	"net/http"
	"strconv"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// cutter breaks the connection once it has written so many bytes.
type cutter struct {
	http.ResponseWriter
	left int // 0 means never
}

func (c *cutter) Write(p []byte) (int, error) {
	if c.left == 0 {
		return c.ResponseWriter.Write(p)
	}
	if len(p) < c.left {
		c.left -= len(p)
		return c.ResponseWriter.Write(p)
	}
	_, _ = c.ResponseWriter.Write(p[:c.left])
	c.Flush()
	panic(http.ErrAbortHandler)
}

func (c *cutter) Flush() {
	if f, ok := c.ResponseWriter.(http.Flusher); ok {
		f.Flush()
	}
}

// stream is one open watch.
type stream struct {
	w        *cutter
	out      *json.Encoder
	gvk      schema.GroupVersionKind
	metadata bool
	sent     int
	end      int // events after which the stream ends; 0 means never
}

func (t *stream) send(kind string, object map[string]any) bool {
	_ = t.out.Encode(map[string]any{"type": kind, "object": object})
	t.w.Flush()
	t.sent++
	return t.end == 0 || t.sent < t.end
}

func (t *stream) bookmark(version int, annotations map[string]any) bool {
	metadata := map[string]any{"resourceVersion": strconv.Itoa(version), "creationTimestamp": nil}
	if annotations != nil {
		metadata["annotations"] = annotations
	}
	return t.send("BOOKMARK", map[string]any{"apiVersion": t.gvk.GroupVersion().String(), "kind": t.gvk.Kind, "metadata": metadata})
}

func (s *Server) watch(w *cutter, r *http.Request, gvr schema.GroupVersionResource, req Request, fault Fault) {
	s.mu.Lock()
	t := &stream{w: w, out: json.NewEncoder(w), gvk: s.kinds[gvr], metadata: req.Metadata, end: fault.EndAfter}
	cut, version := s.cut, s.version
	next := len(s.history)
	var initial []*unstructured.Unstructured
	if req.Initial {
		initial = s.sorted(gvr)
	} else {
		from, _ := strconv.Atoi(req.Version)
		if status := s.refusal(from); status != nil {
			s.mu.Unlock()
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(status["code"].(int))
			_ = json.NewEncoder(w).Encode(status)
			return
		}
		for next > 0 && s.history[next-1].version > from {
			next--
		}
	}
	s.watching[gvr.Resource]++
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.watching[gvr.Resource]--
	}()

	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusOK)
	w.Flush()
	if fault.Event != "" {
		_, _ = w.Write([]byte(fault.Event))
		w.Flush()
	}
	for _, obj := range initial {
		if !t.send("ADDED", shape(obj, t.metadata)) {
			return
		}
	}
	if req.Initial && !fault.NoInitialEnd && !t.bookmark(version, map[string]any{metav1.InitialEventsAnnotationKey: "true"}) {
		return
	}
	s.follow(t, r, gvr, next, cut)
}

// follow sends what happens from the history's entry next on.
func (s *Server) follow(t *stream, r *http.Request, gvr schema.GroupVersionResource, next int, cut chan struct{}) {
	for {
		s.mu.Lock()
		var batch []event
		if next < len(s.history) {
			batch = s.history[next:]
			next = len(s.history)
		}
		changed := s.changed
		s.mu.Unlock()
		for _, e := range batch {
			more := true
			switch {
			case e.kind == "BOOKMARK":
				more = t.bookmark(e.version, nil)
			case e.resource == gvr:
				more = t.send(e.kind, shape(e.object, t.metadata))
			}
			if !more {
				return
			}
		}
		select {
		case <-changed:
		case <-cut:
			panic(http.ErrAbortHandler)
		case <-r.Context().Done():
			return
		}
	}
}

// refusal returns the status for a watch that cannot start at from.
func (s *Server) refusal(from int) map[string]any {
	switch {
	case from < s.floor:
		return status(http.StatusGone, metav1.StatusReasonExpired)
	case from > s.version:
		out := status(http.StatusGatewayTimeout, metav1.StatusReasonTimeout)
		out["details"] = map[string]any{"causes": []any{map[string]any{"reason": string(metav1.CauseTypeResourceVersionTooLarge)}}}
		return out
	}
	return nil
}

func status(code int, reason metav1.StatusReason) map[string]any {
	return map[string]any{
		"apiVersion": "v1", "kind": "Status", "status": "Failure", "code": code, "reason": string(reason), "message": "injected: " + string(reason),
	}
}

func writeStatus(w http.ResponseWriter, code int, reason metav1.StatusReason) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(status(code, reason))
}

// shape returns the object as it goes over the wire.
func shape(obj *unstructured.Unstructured, metadata bool) map[string]any {
	if metadata {
		return map[string]any{"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata", "metadata": obj.Object["metadata"]}
	}
	return maps.Clone(obj.Object)
}

func resourceOf(path string) (schema.GroupVersionResource, bool) {
	parts := strings.Split(strings.Trim(path, "/"), "/")
	switch {
	case len(parts) == 3 && parts[0] == "api":
		return schema.GroupVersionResource{Version: parts[1], Resource: parts[2]}, true
	case len(parts) == 4 && parts[0] == "apis":
		return schema.GroupVersionResource{Group: parts[1], Version: parts[2], Resource: parts[3]}, true
	}
	return schema.GroupVersionResource{}, false
}
