package gitstore

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/big"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

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

func backend(t *testing.T, root string) http.Handler {
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

func (s *server) remote() Remote { return Remote{URL: s.URL + "/repo.git"} }

func kindOf(err error) FailureKind {
	var failure *FetchError
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
	if kindOf(err) != FailedNotFound {
		t.Errorf("an unknown commit: %v", err)
	}
	oneLine(t, err)
	_, err = s.Complete(t.Context(), srv.remote(), "7777777")
	if none := (*AbbreviationError)(nil); !errors.As(err, &none) {
		t.Errorf("an unknown abbreviation: %v", err)
	}
	for _, bad := range []string{"", "main", "--upload-pack=x", strings.Repeat("a", 64)} {
		if _, err := s.Tree(t.Context(), srv.remote(), source.Revision{ID: bad}); err == nil {
			t.Errorf("id %q was accepted", bad)
		}
	}
}

func basic(user, password string) front {
	return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if u, p, ok := r.BasicAuth(); !ok || u != user || p != password {
			w.Header().Set("WWW-Authenticate", `Basic realm="git"`)
			http.Error(w, "no", http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	}
}

// Who has no access reads nothing, even though the store has it for others.
func TestAccessIsProvenByEachCredential(t *testing.T) {
	const secret = "hunter2hunter2"
	w := newWork(t)
	w.write("a.txt", "1")
	id := w.commit("one")
	srv := w.serve(false)
	srv.use(basic("me", secret))
	s := newStore(t, Options{})
	good, bad, none := srv.remote(), srv.remote(), srv.remote()
	good.Auth = Auth{Username: "me", Password: secret}
	bad.Auth = Auth{Username: "me", Password: "wrongwrongwrong"}
	mustFetch(t, s, good)
	for name, r := range map[string]Remote{"wrong": bad, "none": none} {
		_, err := s.Tree(t.Context(), r, source.Revision{ID: id})
		if kindOf(err) != FailedAuth {
			t.Errorf("%s credentials: %v", name, err)
		}
		oneLine(t, err, secret, "wrongwrongwrong")
		if _, err := s.Complete(t.Context(), r, id[:8]); kindOf(err) != FailedAuth {
			t.Errorf("%s credentials complete: %v", name, err)
		}
		if _, ok := s.Refs(r); ok {
			t.Errorf("%s credentials see references", name)
		}
	}
	inURL := Remote{URL: strings.Replace(srv.URL, "://", "://me:"+secret+"@", 1) + "/repo.git"}
	mustTree(t, s, inURL, id)
	if repos, _ := os.ReadDir(filepath.Join(s.dir, "repos")); len(repos) != 1 {
		t.Errorf("%d repositories for one URL", len(repos))
	}
}

func TestBearerToken(t *testing.T) {
	w := newWork(t)
	id := w.commit("one")
	srv := w.serve(false)
	srv.use(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if r.Header.Get("Authorization") != `Bearer to"ken\x` {
			http.Error(w, "no", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
	s := newStore(t, Options{})
	r := srv.remote()
	r.Auth.BearerToken = `to"ken\x`
	if refs := mustFetch(t, s, r); refs["HEAD"].ID != id {
		t.Error(refs)
	}
	r.Auth.BearerToken = "other-token"
	_, err := s.Fetch(t.Context(), r)
	if kindOf(err) != FailedAuth {
		t.Error(err)
	}
	oneLine(t, err, "other-token")
}

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
		want  FailureKind
	}{
		"401":        {status(401, ""), FailedAuth},
		"403":        {status(403, "<h1>Forbidden</h1>"), FailedAuth},
		"404":        {status(404, ""), FailedNotFound},
		"410":        {status(410, ""), FailedNotFound},
		"429":        {status(429, ""), FailedNetwork},
		"500":        {status(500, ""), FailedNetwork},
		"503":        {status(503, ""), FailedNetwork},
		"a web page": {status(200, "<html>please log in</html>"), FailedProtocol},
		"nothing":    {status(200, ""), FailedProtocol},
		"silence": {func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
			select {
			case <-hang:
			case <-r.Context().Done():
			}
		}, FailedTimeout},
		"hangs later": {func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			if strings.HasSuffix(r.URL.Path, "git-upload-pack") {
				select {
				case <-hang:
				case <-r.Context().Done():
				}
				return
			}
			next.ServeHTTP(w, r)
		}, FailedTimeout},
		"broken off":   {func(w http.ResponseWriter, r *http.Request, _ http.Handler) { panic(http.ErrAbortHandler) }, FailedNetwork},
		"cut-off pack": {truncated(0), FailedNetwork},
		"damaged pack": {truncated(1), FailedProtocol},
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
	for url, want := range map[string]FailureKind{
		"http://127.0.0.1:1/repo.git":                      FailedNetwork,
		"https://no-such-host.invalid/repo.git":            FailedNetwork,
		"file://" + filepath.Join(t.TempDir(), "repo.git"): FailedNotFound,
	} {
		_, err := s.Fetch(t.Context(), Remote{URL: url})
		if kindOf(err) != want {
			t.Errorf("%s: %v, want kind %s", url, err, want)
		}
		oneLine(t, err)
	}
}

func TestTLS(t *testing.T) {
	w := newWork(t)
	w.commit("one")
	srv := w.serve(true)
	s := newStore(t, Options{})
	_, err := s.Fetch(t.Context(), srv.remote())
	if kindOf(err) != FailedTLS {
		t.Errorf("an unknown authority: %v", err)
	}
	oneLine(t, err)
	r := srv.remote()
	r.Auth.CABundle = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw})
	mustFetch(t, s, r)
	r = srv.remote()
	r.Auth.TLS = TLSSkipVerify
	mustFetch(t, s, r)
	r.Auth.CABundle = []byte("nonsense")
	if _, err := s.Fetch(t.Context(), r); kindOf(err) != FailedSetup {
		t.Errorf("a broken bundle: %v", err)
	}
}

func TestClientCertificate(t *testing.T) {
	w := newWork(t)
	w.commit("one")
	srv := w.serve(true)
	srv.use(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if len(r.TLS.PeerCertificates) == 0 {
			http.Error(w, "no", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
	srv.TLS.ClientAuth = 1 // tls.RequestClientCert
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "me"}, NotAfter: time.Now().Add(time.Hour)}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, _ := x509.MarshalPKCS8PrivateKey(key)
	r := srv.remote()
	r.Auth.CABundle = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw})
	s := newStore(t, Options{})
	if _, err := s.Fetch(t.Context(), r); kindOf(err) != FailedAuth {
		t.Errorf("without a certificate: %v", err)
	}
	r.Auth.ClientCert = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert})
	r.Auth.ClientKey = pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})
	mustFetch(t, s, r)
}

// Redirects are followed on the same host only, and credentials go nowhere else.
func TestRedirects(t *testing.T) {
	w := newWork(t)
	id := w.commit("one")
	other := w.serve(false) // another port is another server
	srv := w.serve(false)
	r := Remote{URL: srv.URL + "/old/repo", Auth: Auth{Username: "me", Password: "hunter2hunter2"}}
	var target atomic.Value
	target.Store("/repo.git")
	srv.use(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if rest, ok := strings.CutPrefix(r.URL.Path, "/old/repo"); ok {
			http.Redirect(w, r, target.Load().(string)+rest+"?"+r.URL.RawQuery, http.StatusMovedPermanently)
			return
		}
		next.ServeHTTP(w, r)
	})
	s := newStore(t, Options{})
	if refs := mustFetch(t, s, r); refs["HEAD"].ID != id {
		t.Error(refs)
	}
	before := srv.requests.Load()
	mustFetch(t, s, r)
	if n := srv.requests.Load() - before; n != 2 {
		t.Errorf("the redirect was not remembered: %d requests for a poll", n)
	}
	for name, to := range map[string]string{"another server": other.URL + "/repo.git", "a loop": "/old/repo", "nowhere": "/nowhere"} {
		target.Store(to)
		fresh := newStore(t, Options{})
		_, err := fresh.Fetch(t.Context(), r)
		if kindOf(err) != FailedProtocol {
			t.Errorf("redirect to %s: %v", name, err)
		}
		oneLine(t, err, "hunter2")
	}
	if n := other.requests.Load(); n != 0 {
		t.Errorf("the other server got %d requests", n)
	}
	// A redirect of the second request, after the first was answered.
	srv.use(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if strings.HasSuffix(r.URL.Path, "git-upload-pack") {
			http.Redirect(w, r, other.URL+r.URL.Path, http.StatusTemporaryRedirect)
			return
		}
		next.ServeHTTP(w, r)
	})
	direct := srv.remote()
	direct.Auth = r.Auth
	if _, err := newStore(t, Options{}).Fetch(t.Context(), direct); kindOf(err) != FailedProtocol {
		t.Errorf("redirect of the second request: %v", err)
	}
	if n := other.requests.Load(); n != 0 {
		t.Errorf("the other server got %d requests", n)
	}
}

// While a fetch runs, no process shows a credential in its arguments or its
// environment; afterwards no file holds one.
func TestCredentialsAreNotOnShow(t *testing.T) {
	if _, err := os.Stat("/proc/self/environ"); err != nil {
		t.Skip("needs /proc")
	}
	const secret = "S3cr3tS3cr3t"
	w := newWork(t)
	w.commit("one")
	srv := w.serve(false)
	var looked atomic.Int64
	srv.use(func(rw http.ResponseWriter, r *http.Request, next http.Handler) {
		looked.Add(lookAtProcesses(t, secret))
		basic("me", secret)(rw, r, next)
	})
	s := newStore(t, Options{})
	r := srv.remote()
	r.Auth = Auth{Username: "me", Password: secret}
	mustFetch(t, s, r)
	if looked.Load() == 0 {
		t.Error("no git process was seen")
	}
	filepath.WalkDir(s.dir, func(p string, d fs.DirEntry, err error) error {
		if data, err := os.ReadFile(p); err == nil && bytes.Contains(data, []byte(secret)) {
			t.Errorf("%s holds the secret", p)
		}
		return nil
	})
	leftovers(t, s)
}

// lookAtProcesses returns how many git processes it saw.
func lookAtProcesses(t *testing.T, secret string) int64 {
	t.Helper()
	seen := int64(0)
	pids, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range pids {
		arguments, _ := os.ReadFile(filepath.Join(dir, "cmdline"))
		environment, _ := os.ReadFile(filepath.Join(dir, "environ"))
		if bytes.Contains(arguments, []byte(secret)) || bytes.Contains(environment, []byte(secret)) {
			t.Errorf("%s shows the secret: %q %q", dir, arguments, environment)
		}
		encoded := []byte(Auth{Username: "me", Password: secret}.header())
		if bytes.Contains(arguments, encoded) || bytes.Contains(environment, encoded) {
			t.Errorf("%s shows the encoded secret", dir)
		}
		if bytes.Contains(arguments, []byte("git")) && bytes.Contains(arguments, []byte("/repo.git")) {
			seen++
		}
	}
	return seen
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
	if kindOf(err) != FailedDisk {
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
	s, err := Open(dir, Options{AllowFile: FileAllowed})
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
	if s, err = Open(dir, Options{AllowFile: FileAllowed}); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	mustFetch(t, s, w.remote())
	leftovers(t, s)
}
