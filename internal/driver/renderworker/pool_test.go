package renderworker

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/plumbline-dev/plumbline/internal/core/object"
	"github.com/plumbline-dev/plumbline/internal/core/render"
	"github.com/plumbline-dev/plumbline/internal/core/source"
	"github.com/plumbline-dev/plumbline/internal/driver/helm"
	"github.com/plumbline-dev/plumbline/internal/driver/kustomize"
)

const workerEnv = "PLUMB_TEST_WORKER=1"

// TestMain makes this program its own worker.
func TestMain(m *testing.M) {
	if os.Getenv("PLUMB_TEST_WORKER") == "1" {
		if err := Serve(context.Background(), os.Stdin, os.Stdout, tools()); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

type rendererFunc func(context.Context, render.Request, source.Tree) (render.Result, error)

func (f rendererFunc) Render(ctx context.Context, req render.Request, tree source.Tree) (render.Result, error) {
	return f(ctx, req, tree)
}

var sink [][]byte

// spent is a renderer that taints its process.
type spent struct{ used atomic.Bool }

func (s *spent) Tainted() bool { return s.used.Load() }
func (s *spent) Render(context.Context, render.Request, source.Tree) (render.Result, error) {
	s.used.Store(true)
	return told(fmt.Sprint(os.Getpid())), nil
}

func told(texts ...string) render.Result {
	return render.Result{Warnings: texts}
}

// tools are what the test's workers can do: read well, and behave badly.
func tools() map[render.Tool]render.Renderer {
	return map[render.Tool]render.Renderer{
		render.Directory: render.DirectoryRenderer{},
		render.Kustomize: kustomize.Renderer{},
		render.Helm:      helm.Renderer{},
		"Spent":          &spent{},
		"Pid": rendererFunc(func(context.Context, render.Request, source.Tree) (render.Result, error) {
			return told(fmt.Sprint(os.Getpid())), nil
		}),
		"Loop": rendererFunc(func(_ context.Context, _ render.Request, tree source.Tree) (render.Result, error) {
			tree.Stat("started")
			for i := 0; ; i++ {
				sink = sink[:0]
			}
		}),
		"Bomb": rendererFunc(func(context.Context, render.Request, source.Tree) (render.Result, error) {
			for {
				b := make([]byte, 1<<20)
				for i := range b {
					b[i] = 1
				}
				sink = append(sink, b)
			}
		}),
		"Panic": rendererFunc(func(context.Context, render.Request, source.Tree) (render.Result, error) { panic("boom") }),
		"Exit": rendererFunc(func(context.Context, render.Request, source.Tree) (render.Result, error) {
			os.Exit(0)
			return render.Result{}, nil
		}),
		"Network": rendererFunc(func(context.Context, render.Request, source.Tree) (render.Result, error) {
			_, err := (&http.Client{}).Get("http://127.0.0.1:1/")
			return render.Result{}, err
		}),
		"Env": rendererFunc(func(context.Context, render.Request, source.Tree) (render.Result, error) {
			return told(os.Environ()...), nil
		}),
		"Probe": rendererFunc(probe),
	}
}

// probe asks every wire.Question about every name and reports the answers.
func probe(_ context.Context, req render.Request, tree source.Tree) (render.Result, error) {
	var out []string
	say := func(what string, v any, err error) {
		if err != nil {
			v = fmt.Sprintf("%v | not exist %t | is dir %t", err, errors.Is(err, fs.ErrNotExist), errors.Is(err, source.ErrIsDirectory))
			for _, t := range []any{new(*source.EscapeError), new(*source.SizeError), new(*source.LFSPointerError), new(*fs.PathError)} {
				if errors.As(err, t) {
					v = fmt.Sprintf("%v | %T", v, t)
				}
			}
		}
		out = append(out, fmt.Sprintf("%s: %v", what, v))
	}
	for _, name := range strings.Split(req.Path, ",") {
		data, err := tree.ReadFile(name)
		say("read "+name, string(data[:min(len(data), 10)]), err)
		entries, err := tree.ReadDir(name)
		say("list "+name, entries, err)
		info, err := tree.Stat(name)
		if err == nil {
			say("stat "+name, fmt.Sprint(info.Name(), info.Mode(), info.Size()), nil)
		} else {
			say("stat "+name, nil, err)
		}
		id, err := tree.ID(name)
		say("id "+name, id, err)
		real, err := tree.Resolve(name)
		say("resolve "+name, real, err)
	}
	say("revision", tree.Revision(), nil)
	return told(out...), nil
}

func pool(t testing.TB, opts Options) *Pool {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	opts.Command, opts.Env = []string{self}, append(opts.Env, workerEnv)
	p := New(opts)
	t.Cleanup(p.Close)
	return p
}

func tree() source.Tree {
	return source.FromFS(fstest.MapFS{
		"app/a.yaml":   {Data: []byte("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\nn: 9007199254740993\n")},
		"app/run.sh":   {Data: []byte("#!"), Mode: 0o755},
		"bad/b.yaml":   {Data: []byte("apiVersion: v1\nkind: ConfigMap\nmetadata: [\n")},
		"out":          {Data: []byte("../x"), Mode: fs.ModeSymlink},
		"in":           {Data: []byte("app/a.yaml"), Mode: fs.ModeSymlink},
		"big":          {Data: make([]byte, source.DefaultFileLimit+1)},
		"medium":       {Data: make([]byte, 8<<20)},
		"lfs":          {Data: []byte("version https://git-lfs.github.com/spec/v1\noid sha256:" + strings.Repeat("a", 64) + "\nsize 1\n")},
		"linked/a.yml": {Data: []byte("../in"), Mode: fs.ModeSymlink},
	}, source.Revision{Name: "main", ID: "4f1c2ab4f1c2ab"})
}

// A worker's tree answers like the tree itself, errors and their types included.
func TestWorkerSeesTheTree(t *testing.T) {
	p := pool(t, Options{})
	req := render.Request{Tool: "Probe", Path: "app,app/a.yaml,app/run.sh,out,in,big,medium,lfs,linked,nope,nope/x,../up,app/a.yaml/x"}
	want, _ := probe(t.Context(), req, tree())
	recorded := source.Record(tree(), "")
	got, err := p.Render(t.Context(), req, recorded)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want.Warnings, got.Warnings); diff != "" {
		t.Error(diff)
	}
	if !recorded.Footprint().Holds(tree()) || len(recorded.Footprint().Reads()) < 20 {
		t.Errorf("reads were not recorded: %v", recorded.Footprint().Reads())
	}
}

// A result is the same as without a worker, and so is an error.
func TestWorkerRenders(t *testing.T) {
	p := pool(t, Options{})
	for _, path := range []string{"app", "bad", "nope", "linked"} {
		req := render.Request{Path: path}
		want, wantErr := render.DirectoryRenderer{}.Render(t.Context(), req, tree())
		got, err := p.Render(t.Context(), req, tree())
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s:\n%s", path, diff)
		}
		if diff := cmp.Diff(wantErr, err); diff != "" {
			t.Errorf("%s:\n%s", path, diff)
		}
	}
	_, err := p.Render(t.Context(), render.Request{Path: "bad"}, tree())
	if e, ok := errors.AsType[*object.DecodeError](err); !ok || e.Line == 0 {
		t.Errorf("got %T, want *object.DecodeError", err)
	}
	if s := p.Stats(); s.Started != 1 || s.Idle != 1 || s.Busy != 0 {
		t.Errorf("one worker should have done all: %+v", s)
	}
}

// Whatever a render does to its worker, it fails alone and says why.
func TestWorkerEnds(t *testing.T) {
	cases := map[string]struct {
		tool render.Tool
		want string
		opts Options
	}{
		"Endless": {"Loop", `render stopped after 3s: Loop of path "app"`, Options{Timeout: 3 * time.Second}},
		"Memory":  {"Bomb", `render used more than 256 MiB: Bomb of path "app"`, Options{MemoryLimit: 256 << 20}},
		"Panic":   {"Panic", `render crashed: Panic of path "app": boom`, Options{}},
		"Exit":    {"Exit", `render crashed: Exit of path "app": the process ended without an answer`, Options{}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tc.opts.Workers = 2
			p := pool(t, tc.opts)
			if _, err := p.Render(t.Context(), render.Request{Path: "app"}, tree()); err != nil {
				t.Fatal(err)
			}
			_, err := p.Render(t.Context(), render.Request{Tool: tc.tool, Path: "app"}, tree())
			if _, ok := errors.AsType[*render.StoppedError](err); !ok || !strings.HasPrefix(err.Error(), tc.want) {
				t.Errorf("got %v (%T), want %s", err, err, tc.want)
			}
			if _, err := p.Render(t.Context(), render.Request{Path: "app"}, tree()); err != nil {
				t.Errorf("the next render: %v", err)
			}
			if s := p.Stats(); s.Killed+s.Died == 0 || s.Started < 2 {
				t.Errorf("stats %+v", s)
			}
		})
	}
}

// notify is a tree that tells when a name is first asked for.
type notify struct {
	source.Tree
	once  sync.Once
	asked chan struct{}
}

func (n *notify) Stat(name string) (fs.FileInfo, error) {
	n.once.Do(func() { close(n.asked) })
	return n.Tree.Stat(name)
}

func TestCancelledRenderIsKilled(t *testing.T) {
	p := pool(t, Options{Workers: 1})
	ctx, cancel := context.WithCancel(t.Context())
	nt := &notify{Tree: tree(), asked: make(chan struct{})}
	var wg sync.WaitGroup
	wg.Go(func() {
		if _, err := p.Render(ctx, render.Request{Tool: "Loop", Path: "app"}, nt); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	})
	<-nt.asked
	// The one worker is busy: a caller that gives up in the queue comes back at once.
	short, stop := context.WithCancel(t.Context())
	stop()
	if _, err := p.Render(short, render.Request{Path: "app"}, tree()); !errors.Is(err, context.Canceled) {
		t.Errorf("in the queue: %v", err)
	}
	cancel()
	wg.Wait()
	if _, err := p.Render(t.Context(), render.Request{Path: "app"}, tree()); err != nil {
		t.Error(err)
	}
}

func TestCloseEndsRenders(t *testing.T) {
	p := pool(t, Options{})
	nt := &notify{Tree: tree(), asked: make(chan struct{})}
	var wg sync.WaitGroup
	wg.Go(func() {
		_, err := p.Render(t.Context(), render.Request{Tool: "Loop", Path: "app"}, nt)
		if _, ok := errors.AsType[*render.StoppedError](err); !ok {
			t.Errorf("got %v", err)
		}
	})
	<-nt.asked
	p.Close()
	wg.Wait()
	if _, err := p.Render(t.Context(), render.Request{Path: "app"}, tree()); err == nil || !strings.Contains(err.Error(), "shut down") {
		t.Errorf("after Close: %v", err)
	}
}

func TestWorkerHasNothing(t *testing.T) {
	t.Setenv("SECRET", "canary")
	p := pool(t, Options{})
	if _, err := p.Render(t.Context(), render.Request{Tool: "Network", Path: "app"}, tree()); err == nil || !strings.Contains(err.Error(), "no network while rendering") {
		t.Errorf("network: %v", err)
	}
	got, err := p.Render(t.Context(), render.Request{Tool: "Env", Path: "app"}, tree())
	if err != nil || len(got.Warnings) != 0 {
		t.Errorf("environment: %v %v", got.Warnings, err)
	}
}

func pid(t *testing.T, p *Pool, tool render.Tool) string {
	t.Helper()
	got, err := p.Render(t.Context(), render.Request{Tool: tool, Path: "app"}, tree())
	if err != nil {
		t.Fatal(err)
	}
	return got.Warnings[0]
}

func TestWorkersAreReusedUntilTainted(t *testing.T) {
	p := pool(t, Options{Workers: 1})
	first := pid(t, p, "Pid")
	if second := pid(t, p, "Pid"); second != first {
		t.Error("a clean worker was not used again")
	}
	pid(t, p, "Spent")
	if third := pid(t, p, "Pid"); third == first {
		t.Error("a tainted worker was used again")
	}
	if s := p.Stats(); s.Started != 2 || s.Retired != 1 {
		t.Errorf("stats %+v", s)
	}
}

// A worker that was killed while idle costs the next render nothing.
func TestIdleWorkerThatDied(t *testing.T) {
	p := pool(t, Options{Workers: 1})
	first := pid(t, p, "Pid")
	p.mu.Lock()
	w := p.idle[0]
	p.mu.Unlock()
	w.cmd.Process.Kill()
	gone(t, first)
	if second := pid(t, p, "Pid"); second == first {
		t.Error("the dead answered")
	}
}

func TestIdleWorkersEnd(t *testing.T) {
	p := pool(t, Options{Workers: 1, IdleExit: time.Millisecond})
	first := pid(t, p, "Pid")
	gone(t, first)
	if s := p.Stats(); s.Idle != 0 || s.Killed != 0 {
		t.Errorf("stats %+v", s)
	}
	if pid(t, p, "Pid") == first {
		t.Error("the dead answered")
	}
}

// gone waits until a process has ended.
func gone(t *testing.T, pid string) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for alive(pid) {
		select {
		case <-tick.C:
		case <-t.Context().Done():
			t.Fatal("the process lives on")
		}
	}
}

// alive reports whether a process exists and is not a zombie.
func alive(pid string) bool {
	data, err := os.ReadFile("/proc/" + pid + "/stat")
	return err == nil && !strings.Contains(string(data), ") Z ")
}

func TestManyAtOnce(t *testing.T) {
	p := pool(t, Options{Workers: 3})
	var wg sync.WaitGroup
	for i := range 60 {
		wg.Go(func() {
			tool := []render.Tool{render.Directory, "Panic", "Pid"}[i%3]
			_, err := p.Render(t.Context(), render.Request{Tool: tool, Path: "app"}, tree())
			if (tool == "Panic") != (err != nil) {
				t.Errorf("%s: %v", tool, err)
			}
		})
	}
	wg.Wait()
	if s := p.Stats(); s.Busy != 0 || s.Renders != 60 || s.Idle > 3 {
		t.Errorf("stats %+v", s)
	}
}

func TestNoSuchCommand(t *testing.T) {
	p := New(Options{Command: []string{"/nonexistent/plumb"}})
	defer p.Close()
	_, err := p.Render(t.Context(), render.Request{Path: "app"}, tree())
	if want := "render could not begin: fork/exec /nonexistent/plumb: no such file or directory"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func BenchmarkWorker(b *testing.B) {
	req, tree := render.Request{Tool: render.Directory, Path: "app"}, tree()
	b.Run("InProcess", func(b *testing.B) {
		for b.Loop() {
			if _, err := (render.DirectoryRenderer{}).Render(b.Context(), req, tree); err != nil {
				b.Fatal(err)
			}
		}
	})
	p := pool(b, Options{})
	b.Run("Worker", func(b *testing.B) {
		for b.Loop() {
			if _, err := p.Render(b.Context(), req, tree); err != nil {
				b.Fatal(err)
			}
		}
	})
}
