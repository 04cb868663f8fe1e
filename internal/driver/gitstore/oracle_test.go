package gitstore

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/plumbline-dev/plumbline/internal/core/gitobject"
	"github.com/plumbline-dev/plumbline/internal/core/source"
)

// compare checks every entry of a tree, and its content, against git's answers.
func compare(t *testing.T, w *work, at source.Tree, commit string) {
	t.Helper()
	want := map[string]string{}
	for line := range strings.SplitSeq(w.git("ls-tree", "-r", "-t", "-z", commit), "\x00") {
		if head, name, ok := strings.Cut(line, "\t"); ok {
			if strings.HasPrefix(head, "120000") { // trees do not tell a link's own id
				head = "120000 blob"
			}
			want[name] = head
		}
	}
	got := map[string]string{}
	err := fs.WalkDir(at, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || name == "." {
			return err
		}
		mode := map[fs.FileMode]string{
			source.ModeFile: "100644 blob", source.ModeExecutable: "100755 blob", source.ModeLink: "120000 blob",
			source.ModeDirectory: "040000 tree", source.ModeSubmodule: "160000 commit",
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if info.Mode() == source.ModeLink {
			got[name] = mode[info.Mode()]
			return nil
		}
		id, err := at.ID(name)
		if err != nil {
			return err
		}
		got[name] = mode[info.Mode()] + " " + id
		if info.Mode().IsRegular() && name != "lfs.bin" {
			data, err := at.ReadFile(name)
			if err != nil {
				return err
			}
			if (gitobject.Object{Kind: gitobject.KindBlob, Data: data}).ID().String() != id || info.Size() != int64(len(data)) {
				t.Errorf("%s: content does not fit id %s and size %d", name, id, info.Size())
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("tree of %s (-git +ours):\n%s", commit, diff)
	}
}

// Git is the oracle: every revision's every file, from loose objects, from packs
// with deltas, from packs that refer to deltas by id, and from many packs.
func TestReadsWhatGitReads(t *testing.T) {
	w := newWork(t)
	last := w.manifold(300)
	local := func(t *testing.T) func(string) source.Tree {
		l, err := OpenLocal(w.dir, Options{})
		if err != nil {
			t.Fatal(err)
		}
		return func(id string) source.Tree {
			at, err := l.Tree(source.Revision{ID: id})
			if err != nil {
				t.Fatal(err)
			}
			return at
		}
	}
	commits := strings.Fields(w.git("rev-list", "--all"))
	check := func(t *testing.T, open func(string) source.Tree) {
		for i, id := range commits {
			if i%6 == 0 || id == last {
				compare(t, w, open(id), id)
			}
		}
		if got := w.git("cat-file", "blob", last+":big/one.txt"); got == "" {
			t.Fatal("no oracle")
		} else if data, err := open(last).ReadFile("big/one.txt"); err != nil || strings.TrimSuffix(string(data), "\n") != got {
			t.Errorf("big/one.txt differs: %v", err)
		}
	}
	t.Run("loose", func(t *testing.T) { check(t, local(t)) })
	t.Run("fetched", func(t *testing.T) {
		s := newStore(t, Options{})
		mustFetch(t, s, w.remote())
		check(t, func(id string) source.Tree { return mustTree(t, s, w.remote(), id) })
	})
	t.Run("tiny cache", func(t *testing.T) {
		s := newStore(t, Options{CacheBytes: 2000})
		mustFetch(t, s, w.remote())
		check(t, func(id string) source.Tree { return mustTree(t, s, w.remote(), id) })
	})
	w.git("repack", "-a", "-d", "-q", "-f", "--depth=50")
	t.Run("offset deltas", func(t *testing.T) { check(t, local(t)) })
	w.git("-c", "repack.usedeltabaseoffset=false", "repack", "-a", "-d", "-q", "-f", "--depth=50")
	t.Run("reference deltas", func(t *testing.T) { check(t, local(t)) })
	w.write("later.txt", "later")
	last = w.commit("later")
	commits = append(commits, last)
	t.Run("packed and loose", func(t *testing.T) { check(t, local(t)) })
	w.git("repack", "-q")
	t.Run("two packs", func(t *testing.T) { check(t, local(t)) })
}

func TestTreeIsAFileSystem(t *testing.T) {
	w := newWork(t)
	w.write("a/b/c.txt", "1")
	w.write("a/run", "2")
	w.write("d.txt", "3")
	id := w.commit("x")
	s := newStore(t, Options{})
	if err := fstest.TestFS(mustTree(t, s, w.remote(), id), "a/b/c.txt", "a/run", "d.txt"); err != nil {
		t.Error(err)
	}
}

func TestRefsAreGits(t *testing.T) {
	w := newWork(t)
	last := w.manifold(20)
	w.git("update-ref", "refs/pull/7/head", "HEAD~1")
	s := newStore(t, Options{})
	want := source.Refs{"HEAD": {ID: last}}
	for line := range strings.Lines(w.git("for-each-ref", "--format=%(refname) %(objectname) %(*objectname)", "refs/heads", "refs/tags")) {
		f := strings.Fields(line)
		want[f[0]] = source.RefTarget{ID: w.git("rev-parse", f[0]+"^{commit}")}
	}
	if diff := cmp.Diff(want, mustFetch(t, s, w.remote())); diff != "" {
		t.Errorf("refs (-git +ours):\n%s", diff)
	}
	want["refs/pull/7/head"] = source.RefTarget{ID: w.git("rev-parse", "HEAD~1")}
	if diff := cmp.Diff(want, mustFetch(t, s, w.remote(), "refs/pull/7/head", "refs/pull/8/head")); diff != "" {
		t.Errorf("refs with a pull request (-git +ours):\n%s", diff)
	}
	delete(want, "refs/pull/7/head")
	for _, pack := range []bool{false, true} {
		if pack {
			w.git("pack-refs", "--all")
		}
		l, err := OpenLocal(w.dir, Options{})
		if err != nil {
			t.Fatal(err)
		}
		got, err := l.Refs()
		if err != nil {
			t.Fatal(err)
		}
		delete(got, "refs/pull/7/head")
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("local refs, packed %v (-git +ours):\n%s", pack, diff)
		}
	}
}

func TestMetadata(t *testing.T) {
	w := newWork(t)
	last := w.manifold(20)
	s := newStore(t, Options{})
	got, err := s.Commit(t.Context(), w.remote(), last)
	if err != nil {
		t.Fatal(err)
	}
	raw := w.git("cat-file", "commit", last) + "\n"
	want := gitobject.Commit{
		ID: last, Tree: w.git("rev-parse", last+"^{tree}"), Parents: strings.Fields(w.git("log", "-1", "--format=%P", last)),
		Author:    gitobject.Signature{Name: "Ann Author", Email: "ann@example.com", When: time.Unix(1700000000, 0)},
		Committer: gitobject.Signature{Name: "Carl Committer", Email: "carl@example.com", When: time.Unix(1700000100, 0)},
		Subject:   "manifold", Message: "manifold\n\nWith a body.\n", Payload: []byte(raw),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if zone := got.Author.When.Format("-0700") + got.Committer.When.Format("-0700"); zone != "+0130-0800" {
		t.Errorf("time zones %s", zone)
	}
	tag, err := s.Tag(t.Context(), w.remote(), "nested")
	if err != nil || tag.Target != last || tag.Name != "nested" || tag.Message != "of a tag\n" {
		t.Errorf("%+v, %v", tag, err)
	}
	for _, name := range []string{"light", "absent"} {
		if _, err := s.Tag(t.Context(), w.remote(), name); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What a tree does not hold is said, not skipped.
func TestTreeReports(t *testing.T) {
	w := newWork(t)
	last := w.manifold(20)
	s := newStore(t, Options{MaxFileBytes: 10_000})
	at := mustTree(t, s, w.remote(), last)
	tests := map[string]struct{ path, want string }{
		"link":             {"links/chain", ""},
		"link to dir":      {"links/dir/foo/x", ""},
		"link through":     {"links/self/self/file", ""},
		"absent":           {"nothing/here", "read nothing/here: file does not exist"},
		"below file":       {"run.sh/x", "read run.sh/x: file does not exist"},
		"directory":        {"apps", "read apps: is a directory"},
		"escape":           {"links/out", `path "links/out" is a symbolic link to "../../etc/passwd", which leaves the repository`},
		"absolute":         {"links/abs", `path "links/abs" is a symbolic link to "/etc/passwd", which leaves the repository`},
		"dotdot":           {"../x", `path "../x" leaves the repository`},
		"loop":             {"links/loop", "read links/loop: too many symbolic links"},
		"dangling":         {"links/dangling", "read links/dangling: file does not exist"},
		"submodule":        {"vendor/module", `path "vendor/module" is a submodule at commit 1212121: submodules are not fetched; use the other repository as a source of its own`},
		"in a submodule":   {"vendor/module/x.yaml", `path "vendor/module" is a submodule at commit 1212121: submodules are not fetched; use the other repository as a source of its own`},
		"lfs":              {"lfs.bin", `file "lfs.bin" is a Git LFS pointer to 4711 bytes: LFS content is not fetched; store the file in Git itself`},
		"too big":          {"big/one.txt", `file "big/one.txt" has 21506 bytes, more than the limit of 10000`},
		"git":              {".git/config", "read .git/config: file does not exist"},
		"submodule in dir": {"vendor", "read vendor: is a directory"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := at.ReadFile(tt.path)
			if got := fmt.Sprint(err); got != tt.want && (tt.want != "" || err != nil) {
				t.Errorf("ReadFile(%q): %s, want %s", tt.path, got, tt.want)
			}
			_, openErr := at.Open(tt.path)
			if (openErr == nil) != (err == nil) && !errors.Is(err, source.ErrIsDirectory) {
				t.Errorf("Open(%q): %v", tt.path, openErr)
			}
		})
	}
	if _, err := at.ReadDir("vendor/module"); err == nil {
		t.Error("a submodule was listed")
	}
	real, err := at.Resolve("links/dir/foo/x")
	if real != "sort/foo/x" || err != nil {
		t.Errorf("resolves to %q, %v", real, err)
	}
	listing, _ := at.ReadDir("links/dir")
	var names []string
	for _, e := range listing {
		names = append(names, e.Name())
	}
	if !slices.Equal(names, []string{"foo", "foo-bar", "foo.d", "foo0"}) {
		t.Errorf("listing %q", names)
	}
	// Ids are the same as those of the files on disk.
	disk := source.FromFS(os.DirFS(w.dir), source.Revision{})
	for _, name := range []string{"apps", "sort", "run.sh", "odd"} {
		want, _ := at.ID(name)
		if name == "run.sh" {
			os.Chmod(filepath.Join(w.dir, name), 0o755)
		}
		if got, err := disk.ID(name); err != nil || got != want {
			t.Errorf("%s: id on disk %s, %v, in the tree %s", name, got, err, want)
		}
	}
}

// A footprint of one revision is compared with the next.
func TestFootprintAcrossCommits(t *testing.T) {
	w := newWork(t)
	w.write("apps/a/x.yaml", "1")
	w.write("apps/b/x.yaml", "1")
	w.write("base/x.yaml", "1")
	first := w.commit("one")
	w.write("apps/b/x.yaml", "2")
	second := w.commit("two")
	w.write("base/x.yaml", "2")
	third := w.commit("three")
	s := newStore(t, Options{})
	r := source.Record(mustTree(t, s, w.remote(), first), "apps/a")
	r.ReadFile("apps/a/x.yaml")
	inside := r.Footprint()
	r.ReadFile("base/x.yaml")
	both := r.Footprint()
	for _, tt := range []struct {
		footprint source.Footprint
		commit    string
		want      bool
	}{{inside, second, true}, {inside, third, true}, {both, second, true}, {both, third, false}} {
		if got := tt.footprint.Holds(mustTree(t, s, w.remote(), tt.commit)); got != tt.want {
			t.Errorf("holds %v, want %v", got, tt.want)
		}
	}
}
