//go:build unix

package main

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// state is an empty state directory; repositories are served from its own files.
func state(t *testing.T) config {
	t.Helper()
	cfg := config{state: t.TempDir(), example: "../examples/infrastructure"}
	if err := os.Mkdir(cfg.path("git"), 0o755); err != nil {
		t.Fatal(err)
	}
	return cfg
}

func TestPrepare(t *testing.T) {
	cfg := state(t)
	repo, resumed, err := prepare(t.Context(), cfg, cfg.path("git"))
	if err != nil {
		t.Fatal(err)
	}
	if resumed {
		t.Error("a new repository is called an old one")
	}
	if got := repo.subject(t.Context(), repo.head(t.Context())); got != "Deliver web-app to production" {
		t.Errorf("the served branch is at %q", got)
	}
	manifest, err := os.ReadFile(filepath.Join(repo.clone, "argocd", "applications", "web-app-production.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if text := string(manifest); strings.Contains(text, exampleURL) || !strings.Contains(text, "repoURL: "+repo.url) {
		t.Errorf("the Application does not name the served repository:\n%s", text)
	}

	// A commit and a push need no settings of the machine.
	file := filepath.Join(repo.clone, "apps", "web-app", "base", "service.yaml")
	if err := os.WriteFile(file, []byte("changed: true\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	first := repo.head(t.Context())
	for _, args := range [][]string{{"commit", "--quiet", "--all", "--message", "Change it"}, {"push", "--quiet"}} {
		if _, err := git(t.Context(), repo.clone, args...); err != nil {
			t.Fatal(err)
		}
	}
	if repo.head(t.Context()) == first || repo.subject(t.Context(), repo.head(t.Context())) != "Change it" {
		t.Error("the push did not move the served branch")
	}

	// What was changed is still there the next time, and a lost clone comes back.
	if _, resumed, err = prepare(t.Context(), cfg, cfg.path("git")); err != nil || !resumed {
		t.Errorf("second time: resumed %v, error %v", resumed, err)
	}
	if err := os.RemoveAll(repo.clone); err != nil {
		t.Fatal(err)
	}
	if _, _, err = prepare(t.Context(), cfg, cfg.path("git")); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(file); err != nil || string(text) != "changed: true\n" {
		t.Errorf("the new clone holds %q, error %v", text, err)
	}
}

func TestPrepareFollowsTheServer(t *testing.T) {
	cfg := state(t)
	if _, _, err := prepare(t.Context(), cfg, cfg.path("git")); err != nil {
		t.Fatal(err)
	}
	moved := cfg.path("moved")
	if err := os.Symlink(cfg.path("git"), moved); err != nil {
		t.Fatal(err)
	}
	repo, _, err := prepare(t.Context(), cfg, moved)
	if err != nil {
		t.Fatal(err)
	}
	if url, err := git(t.Context(), repo.clone, "remote", "get-url", "origin"); err != nil || url != repo.url {
		t.Errorf("the clone pushes to %q, error %v", url, err)
	}
}

func TestAddress(t *testing.T) {
	file := filepath.Join(t.TempDir(), "address")
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	if err := os.WriteFile(file, []byte(taken.Addr().String()+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	first, err := address(file)
	if err != nil || first == taken.Addr().String() {
		t.Fatalf("a port in use was chosen: %q, error %v", first, err)
	}
	if second, err := address(file); err != nil || second != first {
		t.Errorf("%q was not chosen again but %q, error %v", first, second, err)
	}
}

func TestLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	held, err := acquire(path)
	if err != nil {
		t.Fatal(err)
	}
	_, err = acquire(path)
	if running := (*heldError)(nil); !errors.As(err, &running) || running.pid != os.Getpid() {
		t.Errorf("a second demo was not refused with our process id: %v", err)
	}
	held.release()
	if held, err = acquire(path); err != nil {
		t.Errorf("a lock that was let go cannot be taken: %v", err)
	}
	held.release()
}
