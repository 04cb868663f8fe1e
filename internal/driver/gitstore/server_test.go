package gitstore

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/plumbline-dev/plumbline/internal/core/gitobject"
	"github.com/plumbline-dev/plumbline/internal/core/gitremote"
	"github.com/plumbline-dev/plumbline/internal/core/source"
)

// server is a real git http-backend, behind what a test puts before it.
type server struct {
	*httptest.Server
	requests atomic.Int64
	before   atomic.Pointer[front] // may be nil
}

// front answers a request, or lets next do it.
type front func(w http.ResponseWriter, r *http.Request, next http.Handler)

func (s *server) use(f front) { s.before.Store(&f) }

func backend(t testing.TB, root string) http.Handler {
	t.Helper()
	out, err := exec.Command("git", "--exec-path").Output()
	program := filepath.Join(strings.TrimSpace(string(out)), "git-http-backend")
	if _, statErr := os.Stat(program); err != nil || statErr != nil {
		t.Skip("git http-backend is not installed")
	}
	return &cgi.Handler{Path: program, Env: []string{
		"GIT_PROJECT_ROOT=" + root, "GIT_HTTP_EXPORT_ALL=1", "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_COUNT=1",
		"GIT_CONFIG_KEY_0=safe.directory", "GIT_CONFIG_VALUE_0=*",
	}, InheritEnv: []string{"PATH"}, Stderr: io.Discard}
}

// serve serves the work's repository as /repo.git.
func (w *work) serve(tls bool) *server {
	w.t.Helper()
	root := w.t.TempDir()
	if err := os.Symlink(filepath.Join(w.dir, ".git"), filepath.Join(root, "repo.git")); err != nil {
		w.t.Fatal(err)
	}
	s := &server{}
	next := backend(w.t, root)
	handler := http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		s.requests.Add(1)
		if f := s.before.Load(); f != nil && *f != nil {
			(*f)(rw, r, next)
			return
		}
		next.ServeHTTP(rw, r)
	})
	if tls {
		s.Server = httptest.NewTLSServer(handler)
	} else {
		s.Server = httptest.NewServer(handler)
	}
	w.t.Cleanup(func() { s.CloseClientConnections(); s.Close() })
	return s
}

func (s *server) remote() gitremote.Remote { return gitremote.Remote{URL: s.URL + "/repo.git"} }

func kindOf(err error) gitremote.FailureKind {
	var failure *gitremote.FetchError
	if errors.As(err, &failure) {
		return failure.Kind
	}
	return ""
}

// oneLine checks that an error is fit to be shown.
func oneLine(t *testing.T, err error, secrets ...string) {
	t.Helper()
	if err == nil {
		return
	}
	for _, secret := range secrets {
		if strings.Contains(err.Error(), secret) {
			t.Errorf("the error tells a secret: %v", err)
		}
	}
	if strings.ContainsAny(err.Error(), "\n\r\t") || len(err.Error()) > 900 {
		t.Errorf("not one short line: %q", err.Error())
	}
}

func TestFetchOverHTTP(t *testing.T) {
	w := newWork(t)
	w.write("a.txt", "1")
	first := w.commit("one")
	srv := w.serve(false)
	s := newStore(t, Options{})
	refs := mustFetch(t, s, srv.remote())
	if refs["refs/heads/main"].ID != first || refs["HEAD"].ID != first {
		t.Fatalf("refs %v", refs)
	}
	w.write("a.txt", "2")
	second := w.commit("two")
	refs = mustFetch(t, s, srv.remote())
	if refs["HEAD"].ID != second {
		t.Fatalf("refs %v", refs)
	}
	before := srv.requests.Load()
	mustFetch(t, s, srv.remote())
	if polls := srv.requests.Load() - before; polls != 2 {
		t.Errorf("a poll that finds nothing takes %d requests, want 2", polls)
	}
	if data, err := mustTree(t, s, srv.remote(), second).ReadFile("a.txt"); string(data) != "2" || err != nil {
		t.Errorf("%q, %v", data, err)
	}
}

func TestForcePushAndGoneBranch(t *testing.T) {
	w := newWork(t)
	w.write("a.txt", "1")
	w.commit("one")
	w.git("branch", "other")
	w.git("branch", "dir/leaf")
	w.write("a.txt", "2")
	replaced := w.commit("two")
	s := newStore(t, Options{})
	mustFetch(t, s, w.remote())
	w.git("reset", "-q", "--hard", "HEAD~1")
	w.write("a.txt", "3")
	forced := w.commit("three")
	w.git("branch", "-D", "other", "dir/leaf")
	w.git("branch", "dir") // a name that was a directory
	refs := mustFetch(t, s, w.remote())
	if refs["refs/heads/main"].ID != forced {
		t.Errorf("main is %s after a forced push, want %s", refs["refs/heads/main"].ID, forced)
	}
	if got := refs.Branches(); !slices.Equal(got, []string{"dir", "main"}) {
		t.Errorf("branches %q", got)
	}
	if data, err := mustTree(t, s, w.remote(), replaced).ReadFile("a.txt"); string(data) != "2" || err != nil {
		t.Errorf("the replaced commit reads %q, %v", data, err)
	}
	w.git("checkout", "-q", "dir")
	w.git("branch", "-D", "main")
	w.git("symbolic-ref", "HEAD", "refs/heads/gone")
	refs = mustFetch(t, s, w.remote())
	if _, ok := refs["HEAD"]; ok {
		t.Errorf("HEAD still there although it points nowhere: %v", refs)
	}
	_, err := source.Ref{Branch: "main"}.Resolve(refs)
	if want := `branch "main" does not exist: the repository has the branches "dir"`; fmt.Sprint(err) != want {
		t.Errorf("%v, want %s", err, want)
	}
}

func TestEmptyRepository(t *testing.T) {
	w := newWork(t)
	s := newStore(t, Options{})
	refs, err := s.Fetch(t.Context(), w.remote())
	if err != nil || refs == nil || len(refs) != 0 {
		t.Fatalf("%v, %v", refs, err)
	}
	if _, err := (source.Ref{}).Resolve(refs); fmt.Sprint(err) != "HEAD does not exist: the repository is empty" {
		t.Error(err)
	}
	first := w.commit("one")
	if refs := mustFetch(t, s, w.remote()); refs["HEAD"].ID != first {
		t.Errorf("%v", refs)
	}
}

func TestCommitById(t *testing.T) {
	w := newWork(t)
	w.write("a.txt", "1")
	w.commit("one")
	w.git("checkout", "-q", "-b", "gone")
	w.write("a.txt", "2")
	hidden := w.commit("two")
	w.git("checkout", "-q", "main")
	w.git("update-ref", "refs/plumb-test/x", hidden) // reachable, but by no branch or tag
	w.git("branch", "-D", "gone")
	srv := w.serve(false)
	s := newStore(t, Options{})
	if data, err := mustTree(t, s, srv.remote(), hidden).ReadFile("a.txt"); string(data) != "2" || err != nil {
		t.Errorf("%q, %v", data, err)
	}
	if got, err := s.Complete(t.Context(), srv.remote(), hidden[:9]); got != hidden || err != nil {
		t.Errorf("completes to %q, %v", got, err)
	}
	_, err := s.Tree(t.Context(), srv.remote(), source.Revision{ID: strings.Repeat("7", 40)})
	if kindOf(err) != gitremote.FailedNotFound {
		t.Errorf("an unknown commit: %v", err)
	}
	oneLine(t, err)
	_, err = s.Complete(t.Context(), srv.remote(), "7777777")
	if none := (*gitobject.AbbreviationError)(nil); !errors.As(err, &none) {
		t.Errorf("an unknown abbreviation: %v", err)
	}
	for _, bad := range []string{"", "main", "--upload-pack=x", strings.Repeat("a", 64)} {
		if _, err := s.Tree(t.Context(), srv.remote(), source.Revision{ID: bad}); err == nil {
			t.Errorf("id %q was accepted", bad)
		}
	}
}
