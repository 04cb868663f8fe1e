package gitstore

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/plumbline-dev/plumbline/internal/core/gitremote"
	"github.com/plumbline-dev/plumbline/internal/core/source"
)

func TestOpenLocal(t *testing.T) {
	w := newWork(t)
	w.write("a.txt", "1")
	id := w.commit("one")
	w.git("worktree", "add", "-q", filepath.Join(w.dir, "linked"), "-b", "linked")
	bare := filepath.Join(t.TempDir(), "bare.git")
	w.git("clone", "-q", "--bare", ".", bare)
	shared := filepath.Join(t.TempDir(), "shared")
	w.git("clone", "-q", "--shared", ".", shared)
	for name, dir := range map[string]string{"work tree": w.dir, "git directory": filepath.Join(w.dir, ".git"), "linked": filepath.Join(w.dir, "linked"), "bare": bare, "shared": shared} {
		l, err := OpenLocal(dir, Options{})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for _, ref := range []source.Ref{{}, {Any: id}, {Any: id[:8]}} {
			rev, err := l.Resolve(ref)
			if err != nil || rev.ID != id {
				t.Errorf("%s: %s resolves to %v, %v", name, ref, rev, err)
				continue
			}
			at, err := l.Tree(rev)
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			if data, err := at.ReadFile("a.txt"); string(data) != "1" || err != nil {
				t.Errorf("%s: %q, %v", name, data, err)
			}
		}
		if c, err := l.Commit(id); err != nil || c.Subject != "one" {
			t.Errorf("%s: %+v, %v", name, c, err)
		}
	}
	w.git("checkout", "-q", "--detach")
	if l, err := OpenLocal(w.dir, Options{}); err != nil {
		t.Error(err)
	} else if refs, err := l.Refs(); err != nil || refs["HEAD"].ID != id {
		t.Errorf("detached: %v, %v", refs, err)
	}
	sha256 := filepath.Join(t.TempDir(), "sha256")
	w.git("init", "-q", "--object-format=sha256", sha256)
	for dir, want := range map[string]string{
		t.TempDir():                   "is not a Git repository: it has no .git",
		filepath.Join(w.dir, "none"):  "no such file or directory",
		filepath.Join(w.dir, "a.txt"): "not a directory",
		sha256:                        "its object ids are SHA256: only SHA-1 repositories can be read yet",
	} {
		if _, err := OpenLocal(dir, Options{}); err == nil || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("%s: %v, want %s", dir, err, want)
		}
	}
	other := &work{t, sha256}
	other.commit("one")
	_, err := newStore(t, Options{}).Fetch(t.Context(), other.remote())
	if kindOf(err) != gitremote.FailedProtocol {
		t.Errorf("a SHA-256 remote: %v", err)
	}
	t.Log(err)
}

func TestOpenRefuses(t *testing.T) {
	if _, err := Open(t.TempDir(), Options{Git: "/no/such/git"}); err == nil || !strings.Contains(err.Error(), "install git") {
		t.Error(err)
	}
	file := filepath.Join(t.TempDir(), "file")
	os.WriteFile(file, nil, 0o600)
	if _, err := Open(file, Options{}); err == nil {
		t.Error("a file was opened as a store")
	}
}
