package render

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plumbline-dev/plumbline/internal/core/object"
	"github.com/plumbline-dev/plumbline/internal/core/source"
)

// including is a renderer that understands one directive: "# include <path>"
// adds another file, or "# include? <path>" if it exists.
type including struct {
	mu    sync.Mutex
	calls []string
}

func (r *including) Render(ctx context.Context, req Request, tree source.Tree) (Result, error) {
	r.mu.Lock()
	r.calls = append(r.calls, req.Path)
	r.mu.Unlock()
	var out []object.Manifest
	todo := []string{path.Join(req.Path, "app.yaml")}
	for len(todo) > 0 {
		name := todo[0]
		todo = todo[1:]
		data, err := tree.ReadFile(name)
		if err != nil {
			return Result{}, err
		}
		for line := range strings.Lines(string(data)) {
			if rest, ok := strings.CutPrefix(line, "# include? "); ok {
				if _, err := tree.Stat(strings.TrimSpace(rest)); err == nil {
					todo = append(todo, strings.TrimSpace(rest))
				}
			}
			if rest, ok := strings.CutPrefix(line, "# include "); ok {
				todo = append(todo, strings.TrimSpace(rest))
			}
		}
		manifests, err := object.Decode(name, data)
		if err != nil {
			return Result{}, err
		}
		out = append(out, manifests...)
	}
	return Result{Manifests: out, Tool: req.Tool}, nil
}

func (r *including) called() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := slices.Sorted(slices.Values(r.calls))
	r.calls = nil
	return out
}

// A commit renders exactly the applications that it touches, in a repository of
// a thousand of which every tenth uses a shared base.
func TestMemoRendersWhatACommitTouches(t *testing.T) {
	f := files{"base/one.yaml": configMap("one"), "base/two.yaml": configMap("two")}
	var paths, shared []string
	for i := range 1000 {
		dir := fmt.Sprintf("apps/a%03d", i)
		paths = append(paths, dir)
		text := "# include? overrides/" + path.Base(dir) + ".yaml\n" + configMap(path.Base(dir))
		if i%10 == 0 {
			shared = append(shared, dir)
			text = "# include base/one.yaml\n" + text
		}
		f[dir+"/app.yaml"] = text
	}
	memo, r := NewMemo(MemoOptions{}), &including{}
	renderAll := func(f files, rev string) map[string]string {
		tree := f.treeAt(source.Revision{ID: rev})
		digests := map[string]string{}
		for _, p := range paths {
			res, _, err := memo.Render(t.Context(), Request{Path: p}, tree, r)
			if err != nil {
				t.Fatal(err)
			}
			digests[p] = res.Digest
		}
		return digests
	}
	first := renderAll(f, "1")
	if got := r.called(); len(got) != 1000 {
		t.Fatalf("first revision: %d renders", len(got))
	}
	steps := []struct {
		reason string
		change func(files)
		want   []string
		same   bool
	}{
		{"an unrelated file changes nothing", func(f files) { f["README.md"] = "x" }, nil, true},
		{"one application's file renders that one", func(f files) { f["apps/a007/app.yaml"] += "data: {a: b}\n" }, []string{"apps/a007"}, false},
		{"a shared base renders its dependants", func(f files) { f["base/one.yaml"] += "data: {a: b}\n" }, shared, false},
		{"a base nobody uses renders none", func(f files) { f["base/two.yaml"] += "data: {a: b}\n" }, nil, true},
		{"a file that was found absent and appears renders its reader", func(f files) { f["overrides/a042.yaml"] = configMap("o") }, []string{"apps/a042"}, false},
	}
	last := first
	for i, step := range steps {
		step.change(f)
		now := renderAll(f, fmt.Sprint(i+2))
		if diff := cmp.Diff(step.want, r.called()); diff != "" {
			t.Errorf("%s:\n%s", step.reason, diff)
		}
		if same := maps.Equal(last, now); same != step.same {
			t.Errorf("%s: equal digests: %t", step.reason, same)
		}
		last = now
	}
	// Back to the first revision, the way a rollback goes.
	f["apps/a007/app.yaml"] = strings.TrimSuffix(f["apps/a007/app.yaml"], "data: {a: b}\n")
	renderAll(f, "9")
	if got := r.called(); len(got) != 0 {
		t.Errorf("a revision seen before was rendered again: %v", got)
	}
	if s := memo.Stats(); s.Misses != 1102 || s.Hits != 5898 {
		t.Errorf("stats %+v", s)
	}
}

func TestMemoRemembersErrors(t *testing.T) {
	f := files{"a/app.yaml": configMap("a") + "  x: [\n", "a/s/x": ""}
	memo, r := NewMemo(MemoOptions{}), &including{}
	_, first, err1 := memo.Render(t.Context(), Request{Path: "a"}, f.tree(), r)
	f["other"] = ""
	_, second, err2 := memo.Render(t.Context(), Request{Path: "a"}, f.tree(), r)
	if first != Rendered || second != Remembered || err1 == nil || err2 == nil || err1.Error() != err2.Error() {
		t.Errorf("%s %v, %s %v", first, err1, second, err2)
	}
	f["a/app.yaml"] = configMap("a")
	if _, out, err := memo.Render(t.Context(), Request{Path: "a"}, f.tree(), r); err != nil || out != Rendered {
		t.Errorf("repaired: %s %v", out, err)
	}
	// A path error names the revision that was asked for, not the one it was first seen in.
	dir := DirectoryRenderer{}
	for _, id := range []string{"1111111", "2222222"} {
		_, _, err := memo.Render(t.Context(), Request{Tool: Directory, Path: "no"}, f.treeAt(source.Revision{ID: id}), dir)
		if want := id + ` has no directory "no"`; err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

type rendererFunc func(context.Context, Request, source.Tree) (Result, error)

func (f rendererFunc) Render(ctx context.Context, req Request, tree source.Tree) (Result, error) {
	return f(ctx, req, tree)
}

func TestMemoForgets(t *testing.T) {
	cases := map[string]struct {
		reason string
		render rendererFunc
	}{
		"Impure":  {"an impure result is not to be reused", func(context.Context, Request, source.Tree) (Result, error) { return Result{Impure: "clock"}, nil }},
		"Stopped": {"a stopped render says nothing about the files", func(context.Context, Request, source.Tree) (Result, error) { return Result{}, &StoppedError{"stopped"} }},
		"Cancelled": {"nor does a cancelled one", func(context.Context, Request, source.Tree) (Result, error) {
			return Result{}, fmt.Errorf("x: %w", context.Canceled)
		}},
		"Panic": {"a crash is an error of this render only", func(context.Context, Request, source.Tree) (Result, error) { panic("boom") }},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			memo, calls := NewMemo(MemoOptions{}), 0
			tree := files{"a/x": ""}.tree()
			for range 2 {
				_, out, _ := memo.Render(t.Context(), Request{Path: "a"}, tree, rendererFunc(func(ctx context.Context, req Request, tree source.Tree) (Result, error) {
					calls++
					return tc.render(ctx, req, tree)
				}))
				if out != Rendered {
					t.Errorf("%s: %s", tc.reason, out)
				}
			}
			if calls != 2 || memo.Stats().Entries != 0 {
				t.Errorf("%s: %d calls, %+v", tc.reason, calls, memo.Stats())
			}
		})
	}
}

func TestMemoSharesFlights(t *testing.T) {
	memo := NewMemo(MemoOptions{})
	tree := files{"a/app.yaml": configMap("a")}.tree()
	started, release := make(chan struct{}), make(chan struct{})
	var calls atomic.Int32
	r := rendererFunc(func(ctx context.Context, req Request, tree source.Tree) (Result, error) {
		if calls.Add(1) == 1 {
			close(started)
			<-ctx.Done() // the first caller gives up
			return Result{}, ctx.Err()
		}
		<-release
		return (&including{}).Render(ctx, req, tree)
	})
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		if _, _, err := memo.Render(ctx, Request{Path: "a"}, tree, r); !errors.Is(err, context.Canceled) {
			t.Errorf("first caller: %v", err)
		}
	})
	<-started
	for range 8 {
		wg.Go(func() {
			if res, _, err := memo.Render(t.Context(), Request{Path: "a"}, tree, r); err != nil || len(res.Manifests) != 1 {
				t.Errorf("later caller: %v %v", res, err)
			}
		})
	}
	cancel()
	close(release)
	wg.Wait()
	if n := calls.Load(); n != 2 {
		t.Errorf("%d renders, want 2", n)
	}
}

func TestMemoStaysWithinItsLimit(t *testing.T) {
	memo, r := NewMemo(MemoOptions{Limit: 20_000}), &including{}
	f := files{}
	for i := range 50 {
		f[fmt.Sprintf("a%02d/app.yaml", i)] = configMap("a") + "data: {x: " + strings.Repeat("y", 500) + "}\n"
	}
	tree := f.tree()
	marks := map[string]Mark{}
	for i := range 50 {
		for _, dir := range []string{"a00", fmt.Sprintf("a%02d", i)} {
			res, _, err := memo.Render(t.Context(), Request{Path: dir}, tree, r)
			if err != nil {
				t.Fatal(err)
			}
			marks[dir] = memo.Mark(Request{Path: dir}, res, tree)
		}
	}
	s := memo.Stats()
	if s.Bytes > 20_000 || s.Bytes < 15_000 || s.Evictions == 0 || s.Misses != 50 {
		t.Errorf("stats %+v", s)
	}
	if !memo.Same(marks["a00"], tree) {
		t.Error("what is used most was forgotten")
	}
	if memo.Same(marks["a01"], tree) {
		t.Error("what was not used for longest was kept")
	}
}

func TestMark(t *testing.T) {
	base := files{"a/app.yaml": configMap("a"), "a/README": "hi", "b/app.yaml": configMap("b")}
	for name, c := range map[string]struct {
		change files
		tool   Tool
		heeds  []string
		pinned bool
		same   bool
	}{
		"nothing":                    {same: true},
		"another directory":          {change: files{"b/app.yaml": configMap("c")}, same: true},
		"a file that nobody reads":   {change: files{"a/README": "hello"}, same: true},
		"a manifest":                 {change: files{"a/app.yaml": configMap("c")}},
		"a further manifest":         {change: files{"a/more.yaml": configMap("c")}},
		"another tool is called for": {change: files{"a/kustomization.yaml": "resources: [app.yaml]"}},
		"no longer a directory":      {change: files{"a": "file", "a/app.yaml": ""}},
		"a file that is heeded":      {heeds: []string{"README"}, change: files{"a/README": "hello"}},
		"one that is not there":      {heeds: []string{".more"}, change: files{"a/.more": "helm: {}"}},
		"nothing heeded":             {heeds: []string{".more", "README"}, same: true},
		"made for one revision":      {pinned: true},
		"the tool was asked for":     {tool: Directory, change: files{"a/README": "hello"}, same: true},
	} {
		t.Run(name, func(t *testing.T) {
			memo := NewMemo(MemoOptions{})
			req := Request{Path: "a", Tool: c.tool, Heeds: c.heeds, Pinned: c.pinned}
			res, _, err := memo.Render(t.Context(), req, base.tree(), DirectoryRenderer{})
			if err != nil {
				t.Fatal(err)
			}
			mark, after := memo.Mark(req, res, base.tree()), maps.Clone(base)
			for file, text := range c.change {
				if after[file] = text; text == "" {
					delete(after, file)
				}
			}
			if got := memo.Same(mark, after.tree()); got != c.same {
				t.Errorf("same: %t, want %t", got, c.same)
			}
			if memo.Same(Mark{}, after.tree()) {
				t.Error("what was never rendered is the same")
			}
		})
	}
}

func TestResultKeepsItsValues(t *testing.T) {
	res, err := DirectoryRenderer{}.Render(t.Context(), Request{Path: "."}, files{"a.yaml": configMap("a") + "n: 9007199254740993\nf: 1.5\nl: [1, a, ~, true]\n"}.tree())
	if err != nil {
		t.Fatal(err)
	}
	res.Warnings, res.Impure = []string{"w"}, "i"
	data, err := EncodeResult(res)
	if err != nil {
		t.Fatal(err)
	}
	again, err := DecodeResult(data)
	if diff := cmp.Diff(res, again); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
}

func BenchmarkMemoHit(b *testing.B) {
	f := files{}
	for i := range 1000 {
		f[fmt.Sprintf("apps/a%03d/app.yaml", i)] = strings.Repeat("---\n"+configMap("a"), 4)
	}
	memo, r, tree := NewMemo(MemoOptions{}), &including{}, f.tree()
	req := Request{Path: "apps/a007"}
	res, _, err := memo.Render(b.Context(), req, tree, r)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("Result", func(b *testing.B) {
		for b.Loop() {
			memo.Render(b.Context(), req, tree, r)
		}
	})
	b.Run("Same", func(b *testing.B) {
		mark := memo.Mark(req, res, tree)
		for b.Loop() {
			if !memo.Same(mark, tree) {
				b.Fatal("it is another")
			}
		}
	})
}
