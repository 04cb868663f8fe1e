package gitstore

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io/fs"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/plumbline-dev/plumbline/internal/core/gitremote"
	"github.com/plumbline-dev/plumbline/internal/core/source"
)

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
	good.Auth = gitremote.Auth{Username: "me", Password: secret}
	bad.Auth = gitremote.Auth{Username: "me", Password: "wrongwrongwrong"}
	mustFetch(t, s, good)
	for name, r := range map[string]gitremote.Remote{"wrong": bad, "none": none} {
		_, err := s.Tree(t.Context(), r, source.Revision{ID: id})
		if kindOf(err) != gitremote.FailedAuth {
			t.Errorf("%s credentials: %v", name, err)
		}
		oneLine(t, err, secret, "wrongwrongwrong")
		if _, err := s.Complete(t.Context(), r, id[:8]); kindOf(err) != gitremote.FailedAuth {
			t.Errorf("%s credentials complete: %v", name, err)
		}
		if _, ok := s.Refs(r); ok {
			t.Errorf("%s credentials see references", name)
		}
	}
	inURL := gitremote.Remote{URL: strings.Replace(srv.URL, "://", "://me:"+secret+"@", 1) + "/repo.git"}
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
	if kindOf(err) != gitremote.FailedAuth {
		t.Error(err)
	}
	oneLine(t, err, "other-token")
}

func TestTLS(t *testing.T) {
	w := newWork(t)
	w.commit("one")
	srv := w.serve(true)
	s := newStore(t, Options{})
	_, err := s.Fetch(t.Context(), srv.remote())
	if kindOf(err) != gitremote.FailedTLS {
		t.Errorf("an unknown authority: %v", err)
	}
	oneLine(t, err)
	r := srv.remote()
	r.Auth.CABundle = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw})
	mustFetch(t, s, r)
	r = srv.remote()
	r.Auth.TLS = gitremote.TLSSkipVerify
	mustFetch(t, s, r)
	r.Auth.CABundle = []byte("nonsense")
	if _, err := s.Fetch(t.Context(), r); kindOf(err) != gitremote.FailedSetup {
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
	if _, err := s.Fetch(t.Context(), r); kindOf(err) != gitremote.FailedAuth {
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
	r := gitremote.Remote{URL: srv.URL + "/old/repo", Auth: gitremote.Auth{Username: "me", Password: "hunter2hunter2"}}
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
		if kindOf(err) != gitremote.FailedProtocol {
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
	if _, err := newStore(t, Options{}).Fetch(t.Context(), direct); kindOf(err) != gitremote.FailedProtocol {
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
	r.Auth = gitremote.Auth{Username: "me", Password: secret}
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
		encoded := []byte(gitremote.Auth{Username: "me", Password: secret}.Header())
		if bytes.Contains(arguments, encoded) || bytes.Contains(environment, encoded) {
			t.Errorf("%s shows the encoded secret", dir)
		}
		if bytes.Contains(arguments, []byte("git")) && bytes.Contains(arguments, []byte("/repo.git")) {
			seen++
		}
	}
	return seen
}
