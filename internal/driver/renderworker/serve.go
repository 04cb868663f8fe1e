package renderworker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"

	"github.com/plumbline-dev/plumbline/internal/core/render"
	"github.com/plumbline-dev/plumbline/internal/core/render/wire"
)

// Tainted is what a renderer implements whose renders may leave something behind
// in the process. A worker that is tainted ends after the render.
type Tainted interface{ Tainted() bool }

// Serve renders what is asked for on in and replies on out, one render at a
// time, until in ends. It is the main function of a worker process: before the
// first render it gives up the network, PATH and, if it was told to, memory above
// a limit. It returns nil when in ended between renders.
func Serve(ctx context.Context, in io.Reader, out io.Writer, renderers map[render.Tool]render.Renderer) error {
	isolate()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s := &server{conn: wire.NewConn(in, out), tools: renderers, frames: make(chan frame), gone: make(chan struct{})}
	go s.listen()
	for {
		f, ok := s.next()
		if !ok {
			return s.end()
		}
		if f.kind != wire.Render {
			return fmt.Errorf("message %q is out of place", byte(f.kind))
		}
		done := make(chan error, 1)
		go func() { done <- s.render(ctx, f.payload) }()
		select {
		case err := <-done:
			if err != nil {
				return err
			}
		case <-s.gone: // nobody waits for this render any more
			return io.ErrUnexpectedEOF
		}
	}
}

type frame struct {
	kind    wire.Kind
	payload []byte
}

type server struct {
	conn   *wire.Conn
	tools  render.Tools
	frames chan frame
	gone   chan struct{} // closed when in has ended
	err    error         // why, set before gone is closed
}

func (s *server) listen() {
	defer close(s.gone)
	for {
		kind, payload, err := s.conn.Receive()
		if err != nil {
			s.err = err
			return
		}
		s.frames <- frame{kind, payload}
	}
}

func (s *server) next() (frame, bool) {
	select {
	case f := <-s.frames:
		return f, true
	case <-s.gone:
		return frame{}, false
	}
}

func (s *server) end() error {
	if errors.Is(s.err, io.EOF) {
		return nil
	}
	return s.err
}

// render does one job. It fails only if the pool cannot be reached.
func (s *server) render(ctx context.Context, payload []byte) error {
	var j wire.Job
	if err := json.Unmarshal(payload, &j); err != nil {
		return fmt.Errorf("job: %w", err)
	}
	if err := s.conn.Send(wire.Begun); err != nil {
		return err
	}
	tree := wire.NewTree(j.Revision, s.ask)
	res, err := s.tools.Render(ctx, j.Request, tree)
	var data []byte
	if err == nil {
		data, err = render.EncodeResult(res)
	}
	if err == nil && len(data) >= wire.Limit {
		err = fmt.Errorf("path %q: renders to %d bytes, more than the limit of %d", j.Request.Path, len(data), wire.Limit)
	}
	state := []byte{wire.Clean}
	for _, r := range s.tools {
		if t, ok := r.(Tainted); ok && t.Tainted() {
			state[0] = wire.Spent
		}
	}
	if err != nil {
		return s.conn.Send(wire.Failure, state, wire.EncodeError(err))
	}
	return s.conn.Send(wire.Result, state, data)
}

func (s *server) ask(q wire.Question, name string) ([]byte, error) {
	if err := s.conn.Send(wire.Ask, []byte{byte(q)}, []byte(name)); err != nil {
		return nil, err
	}
	f, ok := s.next()
	switch {
	case !ok:
		return nil, io.ErrUnexpectedEOF
	case f.kind == wire.Reply:
		return f.payload, nil
	case f.kind == wire.Refusal:
		return nil, wire.DecodeError(f.payload)
	}
	return nil, fmt.Errorf("message %q is out of place", byte(f.kind))
}

// errOffline is what any attempt to reach the network meets.
var errOffline = errors.New("there is no network while rendering: put what the render needs in the repository")

type offline struct{}

func (offline) RoundTrip(*http.Request) (*http.Response, error) { return nil, errOffline }

// memoryEnv carries the memory limit in bytes to the worker.
const memoryEnv = "PLUMB_RENDER_MEMORY"

// isolate takes from the process what a template must not have.
func isolate() {
	http.DefaultTransport = offline{}
	http.DefaultClient = &http.Client{Transport: offline{}}
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		return nil, errOffline
	}}
	limit, err := strconv.ParseInt(os.Getenv(memoryEnv), 10, 64)
	os.Clearenv()
	if err == nil && limit > 0 {
		limitMemory(limit)
	}
}
