// Package plugin makes manifests by running programs of an installation's own.
//
// A run gets a directory of its own with the files of the tree, and no more of the
// server than what its definition names: not its environment, not its user if that is
// root. It ends, with all that it started, when its time is over or nobody waits for it.
package plugin

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/plumbline-dev/plumbline/internal/core/plugin"
	"github.com/plumbline-dev/plumbline/internal/core/render"
	"github.com/plumbline-dev/plumbline/internal/core/source"
)

// Options tune a Renderer.
type Options struct {
	Plugins []plugin.Definition

	Workers int           // runs at the same time; 0 means the number of CPUs
	Timeout time.Duration // of one command; 0 means 90s
}

const (
	outputLimit = 64 << 20 // bytes that a plugin prints
	wordsLimit  = 16 << 10 // bytes kept of what it says on stderr
)

// Renderer implements render.Renderer for render.Plugin.
type Renderer struct {
	plugins map[string]plugin.Definition
	opts    Options
	dir     string // where runs have their directories
	slots   chan struct{}
}

// New returns a Renderer. Close removes what it keeps on disk.
func New(opts Options) (*Renderer, error) {
	if opts.Workers <= 0 {
		opts.Workers = runtime.NumCPU()
	}
	if opts.Timeout == 0 {
		opts.Timeout = 90 * time.Second
	}
	r := &Renderer{plugins: map[string]plugin.Definition{}, opts: opts, slots: make(chan struct{}, opts.Workers)}
	for _, p := range opts.Plugins {
		if err := p.Check(); err != nil {
			return nil, err
		}
		if _, twice := r.plugins[p.Name]; twice {
			return nil, fmt.Errorf("plugin %q: there are two of this name", p.Name)
		}
		for _, command := range []plugin.Command{p.Init, p.Generate} {
			if len(command) > 0 && !strings.HasPrefix(command[0], ".") {
				if _, err := exec.LookPath(command[0]); err != nil {
					return nil, fmt.Errorf("plugin %q: %w", p.Name, err)
				}
			}
		}
		r.plugins[p.Name] = p
	}
	var err error
	if r.dir, err = os.MkdirTemp("", "plumbd-plugins-"); err != nil {
		return nil, err
	}
	return r, os.Chmod(r.dir, 0o711) // runs pass through to their own and see no other
}

// Close removes what runs left behind. No render may be under way.
func (r *Renderer) Close() { _ = os.RemoveAll(r.dir) }

// Render implements render.Renderer.
func (r *Renderer) Render(ctx context.Context, req render.Request, tree source.Tree) (render.Result, error) {
	name := ""
	if req.Plugin != nil {
		name = req.Plugin.Name
	}
	p, ok := r.plugins[name]
	dir, err := render.CleanPath(req.Path)
	if err != nil {
		return render.Result{}, err
	}
	if !ok {
		return render.Result{}, &render.PluginError{Path: dir, Name: name}
	}
	if _, err := render.Detect(tree, dir); err != nil { // says what is wrong with the path
		return render.Result{}, err
	}
	select {
	case r.slots <- struct{}{}:
		defer func() { <-r.slots }()
	case <-ctx.Done():
		return render.Result{}, context.Cause(ctx)
	}
	run, err := r.prepare(p, req, tree)
	if err != nil {
		return render.Result{}, err
	}
	defer run.clear()
	if len(p.Init) > 0 {
		if _, err := run.command(ctx, "init", p.Init, dir); err != nil {
			return render.Result{}, err
		}
	}
	output, err := run.command(ctx, "generate", p.Generate, dir)
	if err != nil {
		return render.Result{}, err
	}
	return p.Result(output, run.warnings)
}

// run is one use of a plugin.
type run struct {
	plugin   plugin.Definition
	timeout  time.Duration
	files    string // directory with those of the tree
	base     string // of everything
	env      []string
	warnings []string
}

func (r *Renderer) prepare(p plugin.Definition, req render.Request, tree source.Tree) (*run, error) {
	base, err := os.MkdirTemp(r.dir, "run-")
	if err != nil {
		return nil, err
	}
	out := &run{plugin: p, timeout: r.opts.Timeout, base: base, files: filepath.Join(base, "files")}
	home := filepath.Join(base, "home")
	err = os.Mkdir(home, 0o700)
	if err == nil {
		out.warnings, err = spill(tree, out.files, p.Modes)
	}
	if err == nil {
		err = giveAway(base)
	}
	if err != nil {
		out.clear()
		return nil, err
	}
	out.env = p.Environment(req, home, os.LookupEnv)
	return out, nil
}

func (r *run) clear() { _ = os.RemoveAll(r.base) }

// command runs one step in a directory of the files and returns what it printed.
func (r *run) command(ctx context.Context, step string, command plugin.Command, dir string) ([]byte, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, r.timeout, errTimeout)
	defer cancel()
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Dir = filepath.Join(r.files, filepath.FromSlash(dir))
	cmd.Env = r.env
	out, words := &bounded{limit: outputLimit}, &bounded{limit: wordsLimit, tail: true}
	out.full = cancel
	cmd.Stdout, cmd.Stderr = out, words
	cmd.WaitDelay = 2 * time.Second
	confine(cmd)
	runtime.LockOSThread() // the kernel ends the child with the thread that started it
	defer runtime.UnlockOSThread()
	err := cmd.Start()
	if err == nil {
		stop := context.AfterFunc(ctx, func() { killGroup(cmd) })
		err = cmd.Wait()
		stop()
		killGroup(cmd) // what it left running
	}
	cause := context.Cause(ctx)
	switch {
	case out.over:
		return nil, r.plugin.Failed(step, command, fmt.Sprintf("printed more than %d MiB", outputLimit>>20), "")
	case errors.Is(cause, errTimeout):
		return nil, r.plugin.Failed(step, command, fmt.Sprintf("stopped after %s", r.timeout), words.buf.String())
	case cause != nil:
		return nil, cause
	case err != nil:
		return nil, r.plugin.Failed(step, command, err.Error(), words.buf.String())
	}
	return out.buf.Bytes(), nil
}

var errTimeout = errors.New("plugin timed out")

// bounded keeps what is written to it up to a limit, or the end of it.
type bounded struct {
	buf   bytes.Buffer
	limit int
	tail  bool
	over  bool
	full  func()
}

func (b *bounded) Write(p []byte) (int, error) {
	switch {
	case b.tail:
		b.buf.Write(p)
		if more := b.buf.Len() - b.limit; more > 0 {
			b.buf.Next(more)
		}
	case b.over || b.buf.Len()+len(p) > b.limit:
		b.over = true
		b.full()
	default:
		b.buf.Write(p)
	}
	return len(p), nil
}
