package gitstore

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/plumbline-dev/plumbline/internal/core/gitremote"
	"github.com/plumbline-dev/plumbline/internal/core/source"
)

// work is a repository that a test makes with git itself.
type work struct {
	t   testing.TB
	dir string
}

func newWork(t testing.TB) *work {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("git is not installed")
	}
	w := &work{t, t.TempDir()}
	w.git("init", "-q", "-b", "main", ".")
	w.git("config", "uploadpack.allowAnySHA1InWant", "true")
	return w
}

func gitEnv() []string {
	return append(os.Environ(),
		"GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null", "LC_ALL=C",
		"GIT_AUTHOR_NAME=Ann Author", "GIT_AUTHOR_EMAIL=ann@example.com", "GIT_AUTHOR_DATE=1700000000 +0130",
		"GIT_COMMITTER_NAME=Carl Committer", "GIT_COMMITTER_EMAIL=carl@example.com", "GIT_COMMITTER_DATE=1700000100 -0800")
}

func (w *work) git(args ...string) string {
	w.t.Helper()
	return w.gitIn(nil, args...)
}

func (w *work) gitIn(stdin []byte, args ...string) string {
	w.t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir, cmd.Env, cmd.Stdin = w.dir, gitEnv(), bytes.NewReader(stdin)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		w.t.Fatalf("git %s: %v: %s", strings.Join(args, " "), err, stderr.String())
	}
	return strings.TrimSuffix(string(out), "\n")
}

func (w *work) write(name, content string) {
	w.t.Helper()
	p := filepath.Join(w.dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(p, []byte(content), 0o644); err != nil {
		w.t.Fatal(err)
	}
}

// commit commits all there is and returns the id.
func (w *work) commit(message string) string {
	w.t.Helper()
	w.git("add", "-A")
	w.git("commit", "-q", "--allow-empty", "-m", message)
	return w.git("rev-parse", "HEAD")
}

func (w *work) remote() gitremote.Remote { return gitremote.Remote{URL: "file://" + w.dir} }

func newStore(t *testing.T, opts Options) *Store {
	t.Helper()
	opts.AllowFile = gitremote.FileAllowed
	s, err := Open(filepath.Join(t.TempDir(), "store"), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func mustFetch(t *testing.T, s *Store, r gitremote.Remote, extra ...string) source.Refs {
	t.Helper()
	refs, err := s.Fetch(context.Background(), r, extra...)
	if err != nil {
		t.Fatal(err)
	}
	return refs
}

func mustTree(t *testing.T, s *Store, r gitremote.Remote, id string) source.Tree {
	t.Helper()
	at, err := s.Tree(context.Background(), r, source.Revision{Name: "main", ID: id})
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// manifold fills w with all that a tree can hold, and returns the last commit.
func (w *work) manifold(files int) string {
	w.t.Helper()
	var body strings.Builder
	for i := range 400 {
		fmt.Fprintf(&body, "line %d of a file that compresses and differs little\n", i)
	}
	for i := range files {
		w.write(fmt.Sprintf("apps/app-%03d/f%d.yaml", i/10, i%10), fmt.Sprintf("name: app-%d\n", i))
	}
	w.write("big/one.txt", body.String())
	w.commit("one")
	for round := range 12 { // a chain of deltas, for blobs and for trees
		w.write("big/one.txt", strings.Replace(body.String(), "line 7 ", fmt.Sprintf("line seven in round %d ", round), 1))
		w.write(fmt.Sprintf("apps/app-%03d/f0.yaml", round), fmt.Sprintf("name: changed-%d\n", round))
		w.commit(fmt.Sprint("round ", round))
	}
	w.git("checkout", "-q", "-b", "side", "HEAD~3")
	w.write("side.txt", "side")
	w.commit("side")
	w.git("checkout", "-q", "main")
	w.git("merge", "-q", "--no-ff", "-m", "merge", "side")
	w.write("odd/ spaces .txt", "1")
	w.write("odd/ümläut-日本.txt", "2")
	w.write("odd/back\\slash", "3")
	w.write("odd/quote'\"", "4")
	w.write("odd/-dash", "5")
	w.write("odd/empty", "")
	w.write("sort/foo/x", "1")
	w.write("sort/foo-bar", "2")
	w.write("sort/foo.d", "3")
	w.write("sort/foo0", "4")
	w.write("run.sh", "#!/bin/sh\n")
	w.git("add", "-A")
	w.git("update-index", "--chmod=+x", "run.sh")
	for name, target := range map[string]string{
		"links/file": "../run.sh", "links/dir": "../sort", "links/chain": "file", "links/self": ".",
		"links/out": "../../etc/passwd", "links/abs": "/etc/passwd", "links/loop": "loop2", "links/loop2": "loop", "links/dangling": "nothing",
	} {
		id := w.gitIn([]byte(target), "hash-object", "-w", "--stdin")
		w.git("update-index", "--add", "--cacheinfo", "120000,"+id+","+name)
	}
	w.git("update-index", "--add", "--cacheinfo", "160000,"+strings.Repeat("12", 20)+",vendor/module")
	w.write("lfs.bin", "version https://git-lfs.github.com/spec/v1\noid sha256:"+strings.Repeat("ab", 32)+"\nsize 4711\n")
	w.git("add", "lfs.bin")
	w.git("commit", "-q", "-m", "manifold\n\nWith a body.\n")
	w.git("tag", "-a", "v1.0.0", "-m", "release one")
	w.git("tag", "-a", "nested", "-m", "of a tag", "v1.0.0")
	w.git("tag", "light")
	return w.git("rev-parse", "HEAD")
}
