package githubapp_test

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/plumbline-dev/plumbline/internal/core/app"
	core "github.com/plumbline-dev/plumbline/internal/core/githubapp"
	"github.com/plumbline-dev/plumbline/internal/driver/githubapp"
)

// github answers as GitHub's API does, for one app.
type github struct {
	*httptest.Server

	key *rsa.PrivateKey

	mu     sync.Mutex
	status int           // of every answer; 0: as it should be
	lasts  time.Duration // of tokens
	asked  []string
}

func newGitHub(t *testing.T) *github {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	g := &github{key: key, lasts: time.Hour}
	g.Server = httptest.NewServer(g)
	t.Cleanup(g.Close)
	return g
}

func (g *github) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.asked = append(g.asked, r.Method+" "+r.URL.Path)
	if g.status == http.StatusFound {
		http.Redirect(w, r, "http://127.0.0.1:1/elsewhere", g.status)
		return
	}
	if g.status != 0 {
		w.WriteHeader(g.status)
		fmt.Fprint(w, `{"message": "not\n  today"}`)
		return
	}
	if err := g.proven(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")); err != nil {
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprintf(w, `{"message": %q}`, err)
		return
	}
	switch {
	case r.Method == http.MethodGet && r.URL.Path == "/api/repos/acme/shop/installation":
		fmt.Fprint(w, `{"id": 9}`)
	case r.Method == http.MethodPost && r.URL.Path == "/api/app/installations/9/access_tokens":
		w.WriteHeader(http.StatusCreated)
		fmt.Fprintf(w, `{"token": "ghs_%d", "expires_at": %q}`, len(g.asked), time.Now().Add(g.lasts).UTC().Format(time.RFC3339))
	default:
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprint(w, `{"message": "Not Found"}`)
	}
}

func (g *github) proven(assertion string) error {
	parts := strings.Split(assertion, ".")
	if len(parts) != 3 {
		return fmt.Errorf("no assertion")
	}
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil {
		return err
	}
	sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if err := rsa.VerifyPKCS1v15(&g.key.PublicKey, crypto.SHA256, sum[:], signature); err != nil {
		return err
	}
	text, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return err
	}
	var claims struct {
		Iat, Exp int64
		Iss      string
	}
	if err := json.Unmarshal(text, &claims); err != nil {
		return err
	}
	if now := time.Now().Unix(); claims.Iss != "7" || claims.Iat > now || claims.Exp < now || claims.Exp-claims.Iat > 600 {
		return fmt.Errorf("claims %+v", claims)
	}
	return nil
}

func (g *github) took() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	text := strings.Join(g.asked, ", ")
	g.asked = nil
	return text
}

func (g *github) set(f func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	f()
}

func TestGet(t *testing.T) {
	const repository = "https://github.example.com/acme/shop.git"
	g := newGitHub(t)
	key := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(g.key)})
	with := func(id, installation int64) app.Credentials {
		return app.Credentials{GitHubApp: &core.App{ID: id, Installation: installation, Key: key, API: g.URL + "/api/"}}
	}
	var tokens githubapp.Tokens
	get := func(c app.Credentials, repository, want, asked string) {
		t.Helper()
		token, err := tokens.Get(t.Context(), repository, c)
		got := token.Text
		if err != nil {
			got = err.Error()
		}
		if !strings.Contains(got, want) {
			t.Errorf("%q, want %q", got, want)
		}
		if took := g.took(); took != asked {
			t.Errorf("asked for %q, want %q", took, asked)
		}
	}
	const find, mint = "GET /api/repos/acme/shop/installation", "POST /api/app/installations/9/access_tokens"
	get(with(7, 9), repository, "ghs_1", mint)
	get(with(7, 9), repository, "ghs_1", "")
	get(with(7, 9), "https://github.example.com/acme/other", "ghs_1", "")
	get(with(7, 0), repository, "ghs_2", find+", "+mint)
	get(with(7, 0), repository, "ghs_2", "")
	get(with(7, 0), "https://github.example.com/acme/other", "token of GitHub App 7: GitHub refuses to say where the app is installed (404): Not Found; check that the app is installed", "GET /api/repos/acme/other/installation")
	get(with(7, 0), "https://github.example.com/shop", "is not OWNER/REPOSITORY", "")
	get(with(7, 10), repository, "(404): Not Found", "POST /api/app/installations/10/access_tokens")
	get(with(8, 9), repository, "(401): claims", mint)

	tokens = githubapp.Tokens{}
	g.set(func() { g.lasts = 5 * time.Minute })
	get(with(7, 9), repository, "ghs_1", mint)
	get(with(7, 9), repository, "ghs_1", mint) // it would expire during a fetch
	g.set(func() { g.status = http.StatusServiceUnavailable })
	get(with(7, 9), repository, "GitHub cannot give a token of installation 9 at present (503): not today", mint)
	g.set(func() { g.status = http.StatusFound })
	get(with(7, 9), repository, "GitHub's API leads elsewhere", mint)
}
