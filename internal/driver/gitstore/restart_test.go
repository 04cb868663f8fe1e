package gitstore

import (
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/plumbline-dev/plumbline/internal/core/gitremote"
	"github.com/plumbline-dev/plumbline/internal/core/source"
)

// A restart while the server is down: who had access reads on, nobody else.
func TestRestartDuringOutage(t *testing.T) {
	const secret = "hunter2hunter2"
	w := newWork(t)
	w.write("a.txt", "1")
	id := w.commit("one")
	srv := w.serve(false)
	srv.use(basic("me", secret))
	dir := filepath.Join(t.TempDir(), "store")
	r := srv.remote()
	r.Auth = gitremote.Auth{Username: "me", Password: secret}
	reopen := func() *Store {
		s, err := Open(dir, Options{})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	s := reopen()
	mustFetch(t, s, r)
	s.Close()

	srv.use(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		http.Error(w, "down", http.StatusBadGateway)
	})
	s = reopen()
	if data, err := mustTree(t, s, r, id).ReadFile("a.txt"); string(data) != "1" || err != nil {
		t.Errorf("%q, %v", data, err)
	}
	if refs, ok := s.Refs(r); !ok || refs["refs/heads/main"].ID != id {
		t.Errorf("%v, %v", refs, ok)
	}
	if _, err := s.Fetch(t.Context(), r); kindOf(err) != gitremote.FailedServer {
		t.Errorf("a fetch does not say that the server is down: %v", err)
	}
	stranger := r
	stranger.Auth.Password = "another"
	if _, err := s.Tree(t.Context(), stranger, source.Revision{ID: id}); kindOf(err) != gitremote.FailedServer {
		t.Errorf("a stranger: %v", err)
	}
	s.Close()

	srv.use(basic("me", "changed since"))
	s = reopen()
	if _, err := s.Tree(t.Context(), r, source.Revision{ID: id}); kindOf(err) != gitremote.FailedAuth {
		t.Errorf("access was taken away: %v", err)
	}
	s.Close()
	srv.use(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		http.Error(w, "down", http.StatusBadGateway)
	})
	s = reopen()
	if _, err := s.Tree(t.Context(), r, source.Revision{ID: id}); kindOf(err) != gitremote.FailedServer {
		t.Errorf("access was taken away before the outage: %v", err)
	}
	s.Close()
	filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if data, err := os.ReadFile(p); err == nil && strings.Contains(string(data), secret) {
			t.Errorf("%s holds the secret", p)
		}
		return nil
	})
}

// A store that lost bits is fetched anew, once it was noticed.
func TestDamagedStoreIsRenewed(t *testing.T) {
	w := newWork(t)
	w.write("a.txt", strings.Repeat("some text\n", 100))
	id := w.commit("one")
	dir := filepath.Join(t.TempDir(), "store")
	s, err := Open(dir, Options{AllowFile: gitremote.FileAllowed})
	if err != nil {
		t.Fatal(err)
	}
	mustFetch(t, s, w.remote())
	names, _ := filepath.Glob(filepath.Join(dir, "repos", "*", "objects", "pack", "*.pack"))
	if len(names) != 1 {
		t.Fatalf("packs %q", names)
	}
	os.Chmod(names[0], 0o600)
	whole, _ := os.ReadFile(names[0])
	for i := 12; i < len(whole)-20; i++ {
		whole[i] ^= 0x11
	}
	os.WriteFile(names[0], whole, 0o600)
	if _, err := s.Tree(t.Context(), w.remote(), source.Revision{ID: id}); err == nil {
		t.Error("the damage was not noticed")
	}
	if refs, err := s.Fetch(t.Context(), w.remote()); err != nil || refs["HEAD"].ID != id {
		t.Errorf("%v, %v", refs, err)
	}
	if _, err := mustTree(t, s, w.remote(), id).ReadFile("a.txt"); err != nil {
		t.Error(err)
	}
	s.Close()
	names, _ = filepath.Glob(filepath.Join(dir, "repos", "*", "objects", "pack", "*.pack"))
	os.Truncate(names[0], 20)
	if s, err = Open(dir, Options{AllowFile: gitremote.FileAllowed}); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := mustTree(t, s, w.remote(), id).ReadFile("a.txt"); err != nil {
		t.Errorf("after a restart with half a pack: %v", err)
	}
}
