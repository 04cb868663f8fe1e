package gitserver_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/plumbline-dev/plumbline/sandbox/internal/gitserver"
	"github.com/plumbline-dev/plumbline/sandbox/internal/pki"
)

const deadline = 20 * time.Second

// served is a running server with one repository, app.
type served struct {
	t           *testing.T
	root        string
	http, https string
	ca          string
}

func serve(t *testing.T, o gitserver.Options) served {
	t.Helper()
	s := served{t: t, root: t.TempDir()}
	o.Root, o.User, o.Password = s.root, "ann", "s3cret"
	srv, err := gitserver.New(o)
	if err != nil {
		t.Fatal(err)
	}
	ca, err := pki.Authority(t.TempDir(), "ca")
	if err != nil {
		t.Fatal(err)
	}
	pair, err := ca.Issue(t.TempDir(), "git", pki.Subject{Name: "git", IPs: []net.IP{net.IPv4(127, 0, 0, 1)}})
	if err != nil {
		t.Fatal(err)
	}
	cert, err := tls.X509KeyPair(pair.CertPEM, pair.KeyPEM)
	if err != nil {
		t.Fatal(err)
	}
	plain, secure := listen(t), listen(t)
	srv.Serve(plain, secure, cert)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), deadline)
		defer cancel()
		srv.Stop(ctx)
	})
	s.http, s.https, s.ca = "http://"+plain.Addr().String(), "https://"+secure.Addr().String(), ca.CertFile
	s.git(s.root, "init", "-q", "--bare", "-b", "main", "app.git")
	return s
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// try runs git without any configuration but the test's own.
func (s served) try(dir string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(s.t.Context(), deadline)
	defer cancel()
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Dir = dir
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null", "GIT_TERMINAL_PROMPT=0",
		"GIT_SSL_CAINFO=" + s.ca,
		"GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@example.com", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@example.com",
	}
	out, err := cmd.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

func (s served) git(dir string, args ...string) string {
	s.t.Helper()
	out, err := s.try(dir, args...)
	if err != nil {
		s.t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

// push clones url, commits content as file and pushes it.
func (s served) push(url, file, content string) string {
	s.t.Helper()
	dir := s.t.TempDir()
	s.git(dir, "clone", "-q", url, ".")
	s.git(dir, "checkout", "-q", "-B", "main")
	if err := os.WriteFile(filepath.Join(dir, file), []byte(content), 0o600); err != nil {
		s.t.Fatal(err)
	}
	s.git(dir, "add", ".")
	s.git(dir, "commit", "-q", "-m", "add "+file)
	s.git(dir, "push", "-q", "origin", "main")
	return s.git(dir, "rev-parse", "HEAD")
}

func with(credentials, base string) string {
	scheme, rest, _ := strings.Cut(base, "://")
	return scheme + "://" + credentials + "@" + rest
}

func TestClonePushFetch(t *testing.T) {
	s := serve(t, gitserver.Options{})
	cases := map[string]struct{ reason, url string }{
		"Plain":    {"The plain port lets anybody read and push.", s.http + "/app.git"},
		"Auth":     {"The right password opens /auth/.", with("ann:s3cret", s.http) + "/auth/app.git"},
		"TLS":      {"The second port speaks TLS with our authority.", s.https + "/app.git"},
		"TLSAuth":  {"Passwords work over TLS too.", with("ann:s3cret", s.https) + "/auth/app.git"},
		"BigChunk": {"A push above git's post buffer arrives in chunks.", s.http + "/app.git"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			content := name
			if name == "BigChunk" {
				content = incompressible(3 << 20)
			}
			want := s.push(tc.url, name, content)
			got := strings.Fields(s.git(s.root, "ls-remote", tc.url, "refs/heads/main"))[0]
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s: -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}

// incompressible returns n bytes that zlib cannot shrink much.
func incompressible(n int) string {
	b := make([]byte, n)
	x := uint64(88172645463325252)
	for i := range b {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		b[i] = byte(x)
	}
	return string(b)
}

func TestFetchOldCommitShallowAndFiltered(t *testing.T) {
	s := serve(t, gitserver.Options{})
	old := s.push(s.http+"/app.git", "a", "1")
	s.push(s.http+"/app.git", "b", "2")
	dir := t.TempDir()
	s.git(dir, "init", "-q")
	s.git(dir, "fetch", "-q", "--depth=1", "--filter=blob:none", s.http+"/app.git", old)
	if diff := cmp.Diff(old, s.git(dir, "rev-parse", "FETCH_HEAD")); diff != "" {
		t.Errorf("A commit that no ref points at can be fetched: -want, +got:\n%s", diff)
	}
}

func TestRefused(t *testing.T) {
	s := serve(t, gitserver.Options{})
	cases := map[string]struct {
		reason, url string
		want        int
	}{
		"NoPassword":    {"/auth/ asks for credentials.", s.http + "/auth/app.git/info/refs?service=git-upload-pack", http.StatusUnauthorized},
		"WrongPassword": {"A wrong password is as good as none.", with("ann:wrong", s.http) + "/auth/app.git/info/refs?service=git-upload-pack", http.StatusUnauthorized},
		"Unknown":       {"A repository that is not there is not found.", s.http + "/none.git/info/refs?service=git-upload-pack", http.StatusNotFound},
		"Upwards":       {"No path leads out of the root.", s.http + "/%2e%2e/app.git/info/refs", http.StatusNotFound},
		"UpwardsBehind": {"No path leads out of a repository.", s.http + "/app.git/%2e%2e/%2e%2e/etc/passwd", http.StatusNotFound},
		"Config":        {"Only what git serves is served.", s.http + "/app.git/config", http.StatusNotFound},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			res, err := http.Get(tc.url)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			if diff := cmp.Diff(tc.want, res.StatusCode); diff != "" {
				t.Errorf("%s: -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}

func (s served) fault(mode string) int {
	s.t.Helper()
	res, err := http.Post(s.http+"/_fault?repo=app&mode="+mode, "", nil)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	return res.StatusCode
}

func TestFaults(t *testing.T) {
	s := serve(t, gitserver.Options{})
	s.push(s.http+"/app.git", "a", incompressible(1<<16))
	cases := map[string]struct{ reason, mode, want string }{
		"500":      {"git reports the status.", "500", "500"},
		"HTML":     {"git sees that a web page is not a repository.", "html", "not valid: is this a git repository?"},
		"Truncate": {"git sees that the answer is cut short.", "truncate", "transfer closed"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got := s.fault(tc.mode); got != http.StatusNoContent {
				t.Fatalf("_fault answered %d", got)
			}
			out, err := s.try(t.TempDir(), "clone", s.http+"/app.git", ".")
			if err == nil || !strings.Contains(out, tc.want) {
				t.Errorf("%s: want %q in %q, error %v", tc.reason, tc.want, out, err)
			}
			s.fault("off")
			s.git(t.TempDir(), "clone", "-q", s.http+"/app.git", ".")
		})
	}
	if got := s.fault("bogus"); got != http.StatusBadRequest {
		t.Errorf("An unknown mode is refused: got %d", got)
	}
}

func TestHangEndsWithTheFault(t *testing.T) {
	s := serve(t, gitserver.Options{})
	s.fault("hang")
	done := make(chan error, 1)
	go func() {
		res, err := http.Get(s.http + "/app.git/info/refs?service=git-upload-pack")
		if err == nil {
			_ = res.Body.Close()
		}
		done <- err
	}()
	// The request may arrive after the fault is gone and then succeeds; either
	// way it must not outlive the fault.
	s.fault("off")
	select {
	case <-done:
	case <-time.After(deadline):
		t.Error("A hanging request outlives its fault.")
	}
}

func TestPushHook(t *testing.T) {
	bodies := make(chan string, 8)
	hook := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		raw, _ := io.ReadAll(r.Body)
		bodies <- r.Header.Get("X-GitHub-Event") + " " + string(raw)
	}))
	defer hook.Close()
	s := serve(t, gitserver.Options{Hook: hook.URL})
	first := s.push(s.http+"/app.git", "a", "1")
	second := s.push(s.http+"/app.git", "b", "2")
	for _, want := range []string{
		fmt.Sprintf("push refs/heads/main %040d %s %s/app %s/app.git main", 0, first, s.http, s.http),
		fmt.Sprintf("push refs/heads/main %s %s %s/app %s/app.git main", first, second, s.http, s.http),
	} {
		select {
		case got := <-bodies:
			if diff := cmp.Diff(want, flatten(t, got)); diff != "" {
				t.Errorf("Each push is reported once, with what moved: -want, +got:\n%s", diff)
			}
		case <-time.After(deadline):
			t.Fatal("no push event arrived")
		}
	}
}

func flatten(t *testing.T, got string) string {
	t.Helper()
	kind, body, _ := strings.Cut(got, " ")
	var e struct {
		Ref, Before, After string
		Repository         struct {
			HTMLURL       string `json:"html_url"`
			CloneURL      string `json:"clone_url"`
			DefaultBranch string `json:"default_branch"`
		}
	}
	if err := json.Unmarshal([]byte(body), &e); err != nil {
		t.Fatal(err)
	}
	r := e.Repository
	return strings.Join([]string{kind, e.Ref, e.Before, e.After, r.HTMLURL, r.CloneURL, r.DefaultBranch}, " ")
}

func TestServesTrustedTLS(t *testing.T) {
	s := serve(t, gitserver.Options{})
	raw, err := os.ReadFile(s.ca)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(raw)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}
	res, err := client.Get(s.https + "/app.git/info/refs?service=git-upload-pack")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		t.Errorf("got status %s", res.Status)
	}
}
