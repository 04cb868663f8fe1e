package gitserver

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
)

// Fault is a way in which a server misbehaves.
type Fault string

const (
	FaultOff      Fault = "off"      // works
	FaultHang     Fault = "hang"     // accepts the request and never answers
	Fault500      Fault = "500"      // answers with an internal error
	FaultHTML     Fault = "html"     // answers 200 with a web page, as a login portal does
	FaultTruncate Fault = "truncate" // breaks the connection in the middle of the answer
)

// truncateAfter is how much of a broken answer arrives, in bytes.
const truncateAfter = 64

// portal is what someone in between answers instead of the server.
const portal = `<!doctype html>
<html>
<head><title>Sign in</title></head>
<body><h1>Sign in to continue</h1></body>
</html>
`

// faults remembers which repositories misbehave.
type faults struct {
	mu      sync.Mutex
	modes   map[string]Fault
	release chan struct{} // closed when hanging requests shall end
}

func (f *faults) set(name string, mode Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.wake()
	if mode == FaultOff {
		delete(f.modes, name)
		return
	}
	f.modes[name] = mode
}

func (f *faults) clear() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.wake()
	clear(f.modes)
}

// wake ends all hanging requests. The caller holds mu.
func (f *faults) wake() {
	if f.release != nil {
		close(f.release)
		f.release = nil
	}
}

func (f *faults) mode(name string) (Fault, <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.release == nil {
		f.release = make(chan struct{})
	}
	return f.modes[name], f.release
}

// serve misbehaves for the repository called name, or reports that it does not
// have to. The healthy handler is what a truncated answer is cut from.
func (f *faults) serve(name string, w http.ResponseWriter, r *http.Request, healthy http.Handler) bool {
	mode, release := f.mode(name)
	switch mode {
	case FaultHang:
		select {
		case <-r.Context().Done():
		case <-release:
		}
		panic(http.ErrAbortHandler) // no answer, not even an empty one
	case Fault500:
		http.Error(w, "the sandbox was told to fail", http.StatusInternalServerError)
	case FaultHTML:
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = fmt.Fprint(w, portal)
	case FaultTruncate:
		ctx, cancel := context.WithCancel(r.Context())
		defer cancel()
		healthy.ServeHTTP(&truncated{ResponseWriter: w, left: truncateAfter}, r.WithContext(ctx))
		panic(http.ErrAbortHandler)
	default:
		return false
	}
	return true
}

// truncated passes the first bytes of an answer on and swallows the rest.
type truncated struct {
	http.ResponseWriter
	left int
}

func (t *truncated) Write(p []byte) (int, error) {
	if n := min(len(p), t.left); n > 0 {
		t.left -= n
		if _, err := t.ResponseWriter.Write(p[:n]); err != nil {
			return 0, err
		}
		_ = http.NewResponseController(t.ResponseWriter).Flush()
	}
	return len(p), nil
}

// serveFault handles POST /_fault?repo=NAME&mode=MODE.
func (s *Server) serveFault(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		http.Error(w, "use POST /_fault?repo=NAME&mode=hang|500|html|truncate|off", http.StatusMethodNotAllowed)
		return
	}
	name, mode := strings.TrimSuffix(r.URL.Query().Get("repo"), ".git"), Fault(r.URL.Query().Get("mode"))
	switch mode {
	case FaultOff, FaultHang, Fault500, FaultHTML, FaultTruncate:
	default:
		http.Error(w, fmt.Sprintf("mode %q: not one of hang, 500, html, truncate, off", mode), http.StatusBadRequest)
		return
	}
	if _, _, ok := split(name + ".git/"); !ok || !s.exists(name) {
		http.Error(w, fmt.Sprintf("repository %q: not below the git root", name), http.StatusNotFound)
		return
	}
	s.faults.set(name, mode)
	w.WriteHeader(http.StatusNoContent)
}
