package hook

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// forwarded marks an event that another replica passed on, so that it goes no
// further.
const forwarded = "Plumbline-Forwarded"

// Bounds of passing on.
const (
	relayTimeout = 5 * time.Second
	relayAtOnce  = 64 // events under way; more are not passed on
)

// Relay passes each event that next accepts on to the other replicas, at the
// "host:port" addresses that others returns: whoever owns what was pushed may be
// any of them. What does not arrive is found by the next poll.
func Relay(next http.Handler, others func() []string, log *slog.Logger) http.Handler {
	r := &relay{
		next: next, others: others, log: log, slots: make(chan struct{}, relayAtOnce),
		client: &http.Client{
			Timeout:       relayTimeout,
			Transport:     &http.Transport{MaxIdleConnsPerHost: 2, IdleConnTimeout: time.Minute},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
	return r
}

type relay struct {
	next   http.Handler
	others func() []string
	log    *slog.Logger
	client *http.Client
	slots  chan struct{}
}

// ServeHTTP implements http.Handler.
func (r *relay) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if req.Method != http.MethodPost || req.Header.Get(forwarded) != "" {
		r.next.ServeHTTP(w, req)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, req.Body, MaxBody))
	read := io.Reader(bytes.NewReader(body))
	if err != nil {
		read = io.MultiReader(read, failing{err})
	}
	req.Body = io.NopCloser(read)
	answer := &status{ResponseWriter: w}
	r.next.ServeHTTP(answer, req)
	if answer.code != http.StatusAccepted {
		return
	}
	for _, address := range r.others() {
		r.pass(address, req, body)
	}
}

// pass sends an event to one replica without waiting for it.
func (r *relay) pass(address string, req *http.Request, body []byte) {
	if _, _, err := net.SplitHostPort(address); err != nil {
		r.log.Debug("event not passed on", "to", address, "err", err)
		return
	}
	select {
	case r.slots <- struct{}{}:
	default:
		r.log.Debug("event not passed on", "to", address, "err", "too many are under way")
		return
	}
	header := req.Header.Clone()
	header.Set(forwarded, "1")
	header.Del("Connection")
	path := req.URL.Path
	go func() {
		defer func() { <-r.slots }()
		if err := r.send(address, path, header, body); err != nil {
			r.log.Debug("event not passed on", "to", address, "err", err)
		}
	}()
}

func (r *relay) send(address, path string, header http.Header, body []byte) error {
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, "http://"+address+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header = header
	resp, err := r.client.Do(req)
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

// failing ends a body with the error that reading it had.
type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// status remembers how a request was answered.
type status struct {
	http.ResponseWriter
	code int
}

// WriteHeader implements http.ResponseWriter.
func (s *status) WriteHeader(code int) {
	s.code = code
	s.ResponseWriter.WriteHeader(code)
}
