package gitstore

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/plumbline-dev/plumbline/internal/core/gitremote"
)

// A failed fetch leaves the last good references.
func TestFailuresKeepWhatWasThere(t *testing.T) {
	w := newWork(t)
	w.write("a.txt", strings.Repeat("some text\n", 100))
	id := w.commit("one")
	srv := w.serve(false)
	s := newStore(t, Options{FetchTimeout: 500 * time.Millisecond})
	mustFetch(t, s, srv.remote())
	w.write("b.txt", strings.Repeat("more text\n", 100))
	w.commit("two")
	hang := make(chan struct{})
	t.Cleanup(func() { close(hang) })
	status := func(code int, body string) front {
		return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			w.Header().Set("Content-Type", "text/html")
			w.WriteHeader(code)
			io.WriteString(w, body)
		}
	}
	tests := map[string]struct {
		front front
		want  gitremote.FailureKind
	}{
		"401":        {status(401, ""), gitremote.FailedAuth},
		"403":        {status(403, "<h1>Forbidden</h1>"), gitremote.FailedAuth},
		"404":        {status(404, ""), gitremote.FailedNotFound},
		"410":        {status(410, ""), gitremote.FailedNotFound},
		"429":        {status(429, ""), gitremote.FailedServer},
		"500":        {status(500, ""), gitremote.FailedServer},
		"503":        {status(503, ""), gitremote.FailedServer},
		"a web page": {status(200, "<html>please log in</html>"), gitremote.FailedProtocol},
		"nothing":    {status(200, ""), gitremote.FailedProtocol},
		"silence": {func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
			select {
			case <-hang:
			case <-r.Context().Done():
			}
		}, gitremote.FailedTimeout},
		"hangs later": {func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			if strings.HasSuffix(r.URL.Path, "git-upload-pack") {
				select {
				case <-hang:
				case <-r.Context().Done():
				}
				return
			}
			next.ServeHTTP(w, r)
		}, gitremote.FailedTimeout},
		"broken off":   {func(w http.ResponseWriter, r *http.Request, _ http.Handler) { panic(http.ErrAbortHandler) }, gitremote.FailedNetwork},
		"cut-off pack": {truncated(0), gitremote.FailedNetwork},
		"damaged pack": {truncated(1), gitremote.FailedProtocol},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			srv.use(tt.front)
			_, err := s.Fetch(t.Context(), srv.remote())
			if kindOf(err) != tt.want {
				t.Errorf("%v, want kind %s", err, tt.want)
			}
			oneLine(t, err)
			if refs, ok := s.Refs(srv.remote()); !ok || refs["HEAD"].ID != id {
				t.Errorf("references after the failure: %v", refs)
			}
			if _, err := mustTree(t, s, srv.remote(), id).ReadFile("a.txt"); err != nil {
				t.Error(err)
			}
			leftovers(t, s)
		})
	}
	srv.use(nil)
	mustFetch(t, s, srv.remote())
}

// truncated serves the second request for objects cut off, or with a flipped byte.
func truncated(flip int) front {
	return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		if !bytes.Contains(body, []byte("command=fetch")) {
			next.ServeHTTP(w, r)
			return
		}
		answer := httptest.NewRecorder()
		next.ServeHTTP(answer, r)
		data := answer.Body.Bytes()
		at := bytes.Index(data, []byte("PACK"))
		if at < 0 {
			w.Write(data)
			return
		}
		w.Header().Set("Content-Type", answer.Header().Get("Content-Type"))
		if flip > 0 {
			data[at+40] ^= 0xff
			w.Write(data)
			return
		}
		w.Header().Set("Content-Length", strconv.Itoa(len(data)))
		w.Write(data[:at+20])
		panic(http.ErrAbortHandler)
	}
}

// leftovers checks that a fetch left neither credentials nor half a pack.
func leftovers(t *testing.T, s *Store) {
	t.Helper()
	filepath.WalkDir(s.dir, func(p string, d fs.DirEntry, err error) error {
		base := filepath.Base(p)
		if strings.HasPrefix(base, "tmp_") || strings.HasPrefix(base, "fetch-") || strings.HasSuffix(base, ".lock") {
			t.Errorf("left behind: %s", p)
		}
		return nil
	})
}

func TestUnreachable(t *testing.T) {
	s := newStore(t, Options{})
	for url, want := range map[string]gitremote.FailureKind{
		"http://127.0.0.1:1/repo.git":                      gitremote.FailedNetwork,
		"https://no-such-host.invalid/repo.git":            gitremote.FailedNetwork,
		"file://" + filepath.Join(t.TempDir(), "repo.git"): gitremote.FailedNotFound,
	} {
		_, err := s.Fetch(t.Context(), gitremote.Remote{URL: url})
		if kindOf(err) != want {
			t.Errorf("%s: %v, want kind %s", url, err, want)
		}
		oneLine(t, err)
	}
}

// A caller who gives up does not wait; the last one to go takes git along.
func TestCancel(t *testing.T) {
	w := newWork(t)
	w.commit("one")
	srv := w.serve(false)
	arrived := make(chan struct{}, 8)
	srv.use(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		arrived <- struct{}{}
		<-r.Context().Done()
	})
	s := newStore(t, Options{})
	ctx, cancel := context.WithCancel(t.Context())
	var callers sync.WaitGroup
	for range 3 {
		callers.Go(func() {
			if _, err := s.Fetch(ctx, srv.remote()); !errors.Is(err, context.Canceled) {
				t.Errorf("%v", err)
			}
		})
	}
	<-arrived
	cancel()
	callers.Wait()
	s.Close()
	if n := len(arrived); n != 0 {
		t.Errorf("%d more fetches", n)
	}
	leftovers(t, s)
	if out, _ := exec.Command("pgrep", "-f", srv.URL).Output(); len(bytes.TrimSpace(out)) > 0 {
		t.Errorf("git still runs: %s", out)
	}
	if _, err := s.Fetch(t.Context(), srv.remote()); !errors.Is(err, errClosed) {
		t.Errorf("after Close: %v", err)
	}
}

func TestConcurrentFetchesShareOne(t *testing.T) {
	w := newWork(t)
	w.commit("one")
	srv := w.serve(false)
	gate := make(chan struct{})
	srv.use(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		<-gate
		next.ServeHTTP(w, r)
	})
	s := newStore(t, Options{})
	p, a, err := s.repo(srv.remote())
	if err != nil {
		t.Fatal(err)
	}
	m := p.member(srv.remote(), a)
	var callers sync.WaitGroup
	for range 20 {
		callers.Go(func() { mustFetch(t, s, srv.remote()) })
	}
	for waiting := 0; waiting < 20; {
		m.mu.Lock()
		if m.flight != nil {
			waiting = m.flight.waiters
		}
		m.mu.Unlock()
	}
	close(gate)
	callers.Wait()
	if n := srv.requests.Load(); n != 3 {
		t.Errorf("%d requests for 20 fetches at once, want 3", n)
	}
}

func TestRepositoryTooLarge(t *testing.T) {
	w := newWork(t)
	noise := make([]byte, 6<<20)
	rand.Read(noise)
	w.write("noise", string(noise))
	w.commit("one")
	s := newStore(t, Options{MaxRepoBytes: 1 << 20})
	_, err := s.Fetch(t.Context(), w.remote())
	if kindOf(err) != gitremote.FailedDisk {
		t.Errorf("%v", err)
	}
	oneLine(t, err)
	leftovers(t, s)
}

// What a crash leaves behind does not stop the next fetch.
func TestLeftoversOfACrash(t *testing.T) {
	w := newWork(t)
	w.commit("one")
	dir := filepath.Join(t.TempDir(), "store")
	s, err := Open(dir, Options{AllowFile: gitremote.FileAllowed})
	if err != nil {
		t.Fatal(err)
	}
	mustFetch(t, s, w.remote())
	if _, err := Open(dir, Options{}); err == nil {
		t.Error("two stores share a directory")
	}
	p, _, _ := s.repo(w.remote())
	s.Close()
	os.MkdirAll(filepath.Join(dir, "tmp", "fetch-1"), 0o700)
	for _, name := range []string{"packed-refs.lock", "shallow.lock", "HEAD.lock", "refs/heads/main.lock", "objects/pack/tmp_pack_abc", "objects/pack/pack-0123.pack", "objects/pack/pack-4567.idx"} {
		os.WriteFile(filepath.Join(p.dir, name), []byte("x"), 0o600)
	}
	w.commit("two")
	if s, err = Open(dir, Options{AllowFile: gitremote.FileAllowed}); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	mustFetch(t, s, w.remote())
	leftovers(t, s)
}
