package source_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/plumbline-dev/plumbline/internal/core/source"
)

func file(content string) *fstest.MapFile {
	return &fstest.MapFile{Data: []byte(content), Mode: 0o644}
}

func link(target string) *fstest.MapFile {
	return &fstest.MapFile{Data: []byte(target), Mode: fs.ModeSymlink | 0o777}
}

func tree(files fstest.MapFS) source.Tree { return source.FromFS(files, source.Revision{ID: id("a")}) }

// An operation is one read; seen is everything its caller can learn from it.
type operation struct {
	what, path string
}

func (o operation) seen(t source.Tree) string {
	var got any
	var err error
	switch o.what {
	case "read":
		got, err = t.ReadFile(o.path)
	case "list":
		var entries []fs.DirEntry
		entries, err = t.ReadDir(o.path)
		var names []string
		for _, e := range entries {
			names = append(names, e.Name()+" "+e.Type().String())
		}
		got = names
	case "stat":
		var info fs.FileInfo
		if info, err = t.Stat(o.path); err == nil {
			got = info.Mode()
		}
	case "size":
		var info fs.FileInfo
		if info, err = t.Stat(o.path); err == nil {
			got = fmt.Sprint(info.Mode(), info.Size())
			if info.Mode().IsRegular() { // whoever looks at the size depends on the content
				data, _ := t.ReadFile(o.path)
				got = fmt.Sprint(got, string(data))
			}
		}
	case "id":
		got, err = t.ID(o.path)
	case "resolve":
		got, err = t.Resolve(o.path)
	}
	if err != nil {
		return "error: " + err.Error()
	}
	return fmt.Sprintf("%v", got)
}

var operations = []string{"read", "list", "stat", "size", "id", "resolve"}

func randomTree(r *rand.Rand) fstest.MapFS {
	files := fstest.MapFS{}
	for range 3 + r.IntN(10) {
		mutate(r, files)
	}
	return files
}

func randomPath(r *rand.Rand) string {
	parts := make([]string, 1+r.IntN(3))
	for i := range parts {
		parts[i] = string("abc"[r.IntN(3)])
	}
	return strings.Join(parts, "/")
}

// mutate changes one path, keeping the map a tree: nothing lies below a file.
func mutate(r *rand.Rand, files fstest.MapFS) {
	name := randomPath(r)
	for other := range files {
		if strings.HasPrefix(other, name+"/") || strings.HasPrefix(name, other+"/") {
			delete(files, other)
		}
	}
	switch r.IntN(7) {
	case 0:
		delete(files, name)
	case 1, 2:
		targets := []string{"a", "b/c", "../a", "../../b", "../../../c", "/a", ".", "./b/../c"}
		files[name] = link(targets[r.IntN(len(targets))])
	case 3:
		files[name] = &fstest.MapFile{Data: []byte("x"), Mode: 0o755}
	default:
		files[name] = file(fmt.Sprint(r.IntN(3)))
	}
}

func clone(files fstest.MapFS) fstest.MapFS {
	out := fstest.MapFS{}
	for name, f := range files {
		c := *f
		out[name] = &c
	}
	return out
}

// A footprint holds exactly when every read gives the same answer.
func TestFootprintHoldsExactlyWhenReadsAgree(t *testing.T) {
	holds, scoped := 0, 0
	for seed := range uint64(6000) {
		r := rand.New(rand.NewPCG(seed, 1))
		before := randomTree(r)
		after := clone(before)
		for range r.IntN(3) {
			mutate(r, after)
		}
		one, two := tree(before), tree(after)
		scope := []string{"", ".", "a", "a/b"}[r.IntN(4)]
		recorder := source.Record(one, scope)
		var done []operation
		for range 1 + r.IntN(6) {
			op := operation{operations[r.IntN(len(operations))], randomPath(r)}
			if r.IntN(3) > 0 && scope != "" {
				op.path = path.Join(scope, op.path)
			}
			if got, want := op.seen(recorder), op.seen(one); got != want {
				t.Fatalf("seed %d: recorder says %q, tree %q", seed, got, want)
			}
			done = append(done, op)
		}
		footprint := recorder.Footprint()
		if footprint.Scope() != "" {
			scoped++
		}
		if !footprint.Holds(one) {
			t.Fatalf("seed %d: does not hold for the tree it was made from", seed)
		}
		same := !slices.ContainsFunc(done, func(op operation) bool { return op.seen(one) != op.seen(two) })
		if got := footprint.Holds(two); got != same {
			t.Fatalf("seed %d: holds %v, reads agree %v, reads %v\n%v\n%v", seed, got, same, done, before, after)
		}
		if same {
			holds++
		}
		copied := source.Footprint{}
		if data, _ := footprint.MarshalBinary(); copied.UnmarshalBinary(data) != nil || copied != footprint {
			t.Fatalf("seed %d: encoding does not come back", seed)
		}
	}
	if holds < 1000 || holds > 5000 || scoped < 500 {
		t.Errorf("the trees are not varied enough: %d hold, %d inside their scope", holds, scoped)
	}
}

func TestFootprintNamesWhatChanged(t *testing.T) {
	before := fstest.MapFS{"app/a.yaml": file("1"), "base/b.yaml": file("2"), "other/c.yaml": file("3")}
	read := func(files fstest.MapFS) source.Footprint {
		r := source.Record(tree(files), "app")
		fs.WalkDir(r, "app", func(name string, d fs.DirEntry, err error) error {
			if err == nil && !d.IsDir() {
				_, err = r.ReadFile(name)
			}
			return err
		})
		r.ReadFile("base/b.yaml")
		r.Stat("base/kustomization.yaml")
		return r.Footprint()
	}
	tests := map[string]struct {
		reason string
		change func(fstest.MapFS)
		want   source.Read
		differ bool
	}{
		"nothing":   {"", func(fstest.MapFS) {}, source.Read{}, false},
		"elsewhere": {"nobody read it", func(m fstest.MapFS) { m["other/c.yaml"] = file("4") }, source.Read{}, false},
		"neighbour": {"the base was not listed", func(m fstest.MapFS) { m["base/new.yaml"] = file("4") }, source.Read{}, false},
		"content":   {"", func(m fstest.MapFS) { m["base/b.yaml"] = file("4") }, source.Read{Path: "base/b.yaml", Ask: source.AskContent}, true},
		"new file":  {"the application was listed", func(m fstest.MapFS) { m["app/new.yaml"] = file("4") }, source.Read{Path: "app", Ask: source.AskListing}, true},
		"found after all": {"its absence was noticed", func(m fstest.MapFS) { m["base/kustomization.yaml"] = file("4") },
			source.Read{Path: "base/kustomization.yaml", Ask: source.AskKind, Answer: "-"}, true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			after := clone(before)
			tt.change(after)
			got, differs := read(before).Differs(tree(after))
			if !got.Absent() {
				got.Answer = ""
			}
			if differs != tt.differ || got != tt.want {
				t.Errorf("differs %v at %+v, want %v at %+v: %s", differs, got, tt.differ, tt.want, tt.reason)
			}
		})
	}
	if read(before) != read(clone(before)) {
		t.Error("equal reads of equal trees give different footprints")
	}
}

// faulty fails every read of one path with an error that says nothing about the
// tree.
type faulty struct{ source.Tree }

func (f faulty) ID(name string) (string, error) {
	if name == "broken" {
		return "", errors.New("input/output error")
	}
	return f.Tree.ID(name)
}

func TestFootprintOfFaultNeverHolds(t *testing.T) {
	base := faulty{tree(fstest.MapFS{"broken": file("x"), "fine": file("y")})}
	r := source.Record(base, ".")
	r.ReadFile("fine")
	if !r.Footprint().Holds(base) {
		t.Error("does not hold before the fault")
	}
	r.ReadFile("broken")
	if r.Footprint().Holds(base) || r.Footprint() != (source.Footprint{}) {
		t.Error("holds after a fault")
	}
	if (source.Footprint{}).Holds(base) {
		t.Error("the zero footprint holds")
	}
}

func TestRecorderIsSafeForConcurrentUse(t *testing.T) {
	files := fstest.MapFS{}
	for i := range 50 {
		files[fmt.Sprintf("d%d/f", i)] = file(fmt.Sprint(i))
	}
	r := source.Record(tree(files), ".")
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			fs.WalkDir(r, ".", func(name string, d fs.DirEntry, err error) error {
				if !d.IsDir() {
					r.ReadFile(name)
				}
				return nil
			})
			r.Footprint()
		})
	}
	readers.Wait()
	if got := len(r.Footprint().Reads()); got != 102 { // the root's kind and listing, 50 listings, 50 contents
		var lines []string
		for _, read := range r.Footprint().Reads() {
			lines = append(lines, fmt.Sprint(read.Path, " ", read.Ask))
		}
		t.Errorf("%d reads: %s", got, strings.Join(lines, ", "))
	}
}

func TestRecorderIsATree(t *testing.T) {
	files := fstest.MapFS{"a/b.txt": file("1"), "a/c/d.txt": file("2"), "e": file("3"), "l": link("a/c/d.txt")}
	if err := fstest.TestFS(source.Record(tree(files), ""), "a/b.txt", "a/c/d.txt", "e"); err != nil {
		t.Error(err)
	}
}

func FuzzFootprintEncoding(f *testing.F) {
	r := source.Record(tree(fstest.MapFS{"a/b": file("1"), "a/c": link("b")}), "a")
	for _, op := range operations {
		operation{op, "a/b"}.seen(r)
		operation{op, "a"}.seen(r)
		operation{op, "a/c"}.seen(r)
		operation{op, "x"}.seen(r)
	}
	data, _ := r.Footprint().MarshalBinary()
	f.Add(data)
	at := tree(fstest.MapFS{"a/b": file("1")})
	f.Fuzz(func(t *testing.T, data []byte) {
		var fp source.Footprint
		if err := fp.UnmarshalBinary(data); err != nil {
			return
		}
		fp.Holds(at)
		fp.Reads()
		again, _ := fp.MarshalBinary()
		if diff := cmp.Diff(data, again); diff != "" && !bytes.Equal(data, again) {
			t.Error(diff)
		}
	})
}

func benchmarkFootprint(b *testing.B, scope string) {
	files := fstest.MapFS{}
	for i := range 100 {
		files[fmt.Sprintf("app/f%d.yaml", i)] = file(fmt.Sprint(i))
	}
	files["base/x.yaml"] = file("x")
	at := tree(files)
	r := source.Record(at, scope)
	for i := range 100 {
		r.ReadFile(fmt.Sprintf("app/f%d.yaml", i))
	}
	if scope == "" {
		r.ReadFile("base/x.yaml")
	}
	footprint := r.Footprint()
	lookup := instant{at, map[string]string{}}
	for _, read := range footprint.Reads() {
		lookup.ids[read.Path], _ = at.ID(read.Path)
	}
	lookup.ids["app"], _ = at.ID("app")
	b.ReportMetric(float64(footprint.Size())/100, "B/read")
	b.ReportAllocs()
	for b.Loop() {
		if !footprint.Holds(lookup) {
			b.Fatal("does not hold")
		}
	}
}

// instant answers ids from a map, so that the benchmark shows the footprint.
type instant struct {
	source.Tree
	ids map[string]string
}

func (i instant) ID(name string) (string, error) { return i.ids[name], nil }

func BenchmarkHolds100Reads(b *testing.B) { benchmarkFootprint(b, "") }
func BenchmarkHoldsByScope(b *testing.B)  { benchmarkFootprint(b, "app") }

// A reader of everything leaves one note, which holds for equal trees alone.
func TestWhole(t *testing.T) {
	files := fstest.MapFS{"app/a": file("1"), "b": file("2")}
	r := source.Record(tree(files), "app")
	whole, err := source.Whole(r)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"app/a", "b"} {
		if _, err := whole.ReadFile(name); err != nil {
			t.Fatal(err)
		}
	}
	print := r.Footprint()
	if n := len(print.Reads()); n != 1 {
		t.Errorf("%d notes", n)
	}
	if !print.Holds(tree(clone(files))) {
		t.Error("does not hold for an equal tree")
	}
	files["c"] = file("3")
	if print.Holds(tree(files)) {
		t.Error("holds for a tree with one file more")
	}
	if plain, err := source.Whole(tree(files)); err != nil || plain == nil {
		t.Error(err)
	}
}
