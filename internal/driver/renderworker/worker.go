package renderworker

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/plumbline-dev/plumbline/internal/core/render"
	"github.com/plumbline-dev/plumbline/internal/core/render/wire"
	"github.com/plumbline-dev/plumbline/internal/core/source"
)

// worker is one process. It is used by one goroutine at a time; kill and close
// may be called by any.
type worker struct {
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	stdout io.ReadCloser
	conn   *wire.Conn
	stderr *head
	timer  *time.Timer // set while idle

	over  atomic.Bool   // the memory limit
	ended chan struct{} // closed when the process is gone

	mu     sync.Mutex
	reaped bool // the process is being waited for; its id may be another's soon
}

// ending says what may be done with a worker after a render.
type ending int

const (
	endBroken ending = iota // nothing
	endClean                // render again
	endSpent                // close it
)

// errNeverBegan is the end of a worker that had not read its job.
var errNeverBegan = errors.New("render worker ended before it began")

// watchInterval is how often the memory of a worker is looked at during a render.
const watchInterval = 25 * time.Millisecond

// render does one job, answering the worker's questions from tree.
func (w *worker) render(ctx context.Context, req render.Request, tree source.Tree, limit int64) (render.Result, ending, error) {
	text, err := json.Marshal(wire.Job{Request: req, Revision: tree.Revision()})
	if err != nil {
		return render.Result{}, endClean, fmt.Errorf("path %q: request: %w", req.Path, err)
	}
	w.stderr.reset()
	stop := context.AfterFunc(ctx, w.signal)
	defer stop()
	done := make(chan struct{})
	defer close(done)
	go w.watch(limit, done)

	if err := w.conn.Send(wire.Render, text); err != nil {
		return render.Result{}, endBroken, errNeverBegan
	}
	res, end, err := w.converse(tree)
	if end != endBroken && !stop() && ctx.Err() != nil {
		return render.Result{}, endBroken, context.Cause(ctx) // the kill is on its way
	}
	return res, end, err
}

func (w *worker) converse(tree source.Tree) (render.Result, ending, error) {
	if kind, _, err := w.conn.Receive(); err != nil || kind != wire.Begun {
		return render.Result{}, endBroken, errNeverBegan
	}
	for {
		kind, payload, err := w.conn.Receive()
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return render.Result{}, endBroken, errors.New("the process ended without an answer")
		}
		if err != nil {
			return render.Result{}, endBroken, err
		}
		if len(payload) == 0 {
			return render.Result{}, endBroken, fmt.Errorf("message %q is empty", byte(kind))
		}
		end := endClean
		if payload[0] == wire.Spent {
			end = endSpent
		}
		switch kind {
		case wire.Ask:
			if err := w.reply(tree, wire.Question(payload[0]), string(payload[1:])); err != nil {
				return render.Result{}, endBroken, err
			}
		case wire.Result:
			res, err := render.DecodeResult(payload[1:])
			return res, end, err
		case wire.Failure:
			return render.Result{}, end, wire.DecodeError(payload[1:])
		default:
			return render.Result{}, endBroken, fmt.Errorf("message %q is out of place", byte(kind))
		}
	}
}

func (w *worker) reply(tree source.Tree, q wire.Question, name string) error {
	data, err := wire.Answer(tree, q, name)
	if err != nil {
		return w.conn.Send(wire.Refusal, wire.EncodeError(err))
	}
	return w.conn.Send(wire.Reply, data)
}

// watch looks at the worker's memory now and then until done.
func (w *worker) watch(limit int64, done <-chan struct{}) {
	tick := time.NewTicker(watchInterval)
	defer tick.Stop()
	for {
		select {
		case <-done:
			return
		case <-tick.C:
		}
		if w.memory() > limit {
			w.over.Store(true)
			w.signal()
			return
		}
	}
}

// tooLarge reports whether the worker ended because of its memory: the pool saw
// it grow, or it met its own limit.
func (w *worker) tooLarge() bool {
	text := w.stderr.text()
	return w.over.Load() || strings.Contains(text, "out of memory") || strings.Contains(text, "failed to allocate")
}

// kill ends the process now and waits until it is gone.
func (w *worker) kill() {
	w.signal()
	w.reap()
	<-w.ended
}

// close lets the process end by itself, as it does when its input ends.
func (w *worker) close() {
	w.stdin.Close()
	select {
	case <-w.reap():
	case <-time.After(time.Second):
		w.kill()
	}
}

// signal kills the process, and what it may have started, without waiting.
func (w *worker) signal() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.reaped {
		killGroup(w.cmd.Process.Pid)
	}
	w.cmd.Process.Kill() //nolint:errcheck // it may be gone
}

func (w *worker) reap() <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.reaped {
		w.reaped = true
		go func() {
			w.cmd.Wait() //nolint:errcheck // how it ended shows elsewhere
			close(w.ended)
		}()
	}
	return w.ended
}

// lastWords returns what the runtime said when the process crashed, or err.
func (w *worker) lastWords(err error) string {
	first := ""
	for line := range strings.Lines(w.stderr.text()) {
		line = strings.TrimSpace(line)
		for _, prefix := range []string{"panic: ", "fatal error: "} {
			if rest, ok := strings.CutPrefix(line, prefix); ok {
				return rest
			}
		}
		if first == "" && !strings.HasPrefix(line, "#") { // not a tool's remark
			first = line
		}
	}
	if first == "" {
		return err.Error()
	}
	return first
}

// head keeps the first bytes written to it.
type head struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

const headLimit = 16 << 10

func (h *head) Write(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.buf.Write(p[:min(len(p), headLimit-h.buf.Len())])
	return len(p), nil
}

func (h *head) text() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return strings.ToValidUTF8(h.buf.String(), "")
}

func (h *head) reset() {
	h.mu.Lock()
	h.buf.Reset()
	h.mu.Unlock()
}

// spawner starts processes from one thread that lives as long as the pool: on
// Linux a worker ends when the thread that started it does.
type spawner struct {
	jobs chan func()
	once sync.Once
	done chan struct{}
}

func newSpawner() *spawner { return &spawner{jobs: make(chan func()), done: make(chan struct{})} }

func (s *spawner) close() {
	s.once.Do(func() {})
	close(s.done)
}

func (s *spawner) run() {
	runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
	for {
		select {
		case f := <-s.jobs:
			f()
		case <-s.done:
			return
		}
	}
}

func (s *spawner) start(opts Options) (*worker, error) {
	s.once.Do(func() { go s.run() })
	var w *worker
	err := errClosed
	finished := make(chan struct{})
	select {
	case s.jobs <- func() { w, err = start(opts); close(finished) }:
		<-finished
	case <-s.done:
	}
	return w, err
}

func start(opts Options) (*worker, error) {
	if len(opts.Command) == 0 {
		return nil, errors.New("has no command")
	}
	cmd := exec.Command(opts.Command[0], opts.Command[1:]...)
	cmd.Dir = "/"
	cmd.Env = append([]string{
		"PATH=", "HOME=/", "TZ=UTC", "LANG=C",
		fmt.Sprintf("GOMEMLIMIT=%d", opts.MemoryLimit/10*8),
		fmt.Sprintf("%s=%d", memoryEnv, opts.MemoryLimit),
	}, opts.Env...)
	apart(cmd)
	w := &worker{cmd: cmd, stderr: &head{}, ended: make(chan struct{})}
	cmd.Stderr = w.stderr
	cmd.WaitDelay = time.Second
	var err error
	if w.stdin, err = cmd.StdinPipe(); err != nil {
		return nil, err
	}
	if w.stdout, err = cmd.StdoutPipe(); err != nil {
		return nil, err
	}
	w.conn = wire.NewConn(w.stdout, w.stdin)
	return w, cmd.Start()
}
