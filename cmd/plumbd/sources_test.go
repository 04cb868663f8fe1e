package main

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/plumbline-dev/plumbline/internal/core/app"
	coregithubapp "github.com/plumbline-dev/plumbline/internal/core/githubapp"
	"github.com/plumbline-dev/plumbline/internal/core/gitremote"
	"github.com/plumbline-dev/plumbline/internal/driver/githubapp"
	"github.com/plumbline-dev/plumbline/internal/engine/refresh"
)

// The tokens of an app open its repositories, which stay the same ones from token to
// token; that there is none is told apart from GitHub being away.
func TestGitHubAppOpens(t *testing.T) {
	status, made := 0, 0
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if status != 0 {
			w.WriteHeader(status)
			return
		}
		made++
		fmt.Fprintf(w, `{"token": "ghs_%d", "expires_at": %q}`, made, time.Now().Add(time.Minute).UTC().Format(time.RFC3339))
	}))
	defer api.Close()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	remote := refresh.Remote{URL: "https://github.example.com/acme/shop"}
	remote.Credentials = app.Credentials{GitHubApp: &coregithubapp.App{
		ID: 7, Installation: 9, API: api.URL, Key: pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}),
	}}
	r := repositories{tokens: &githubapp.Tokens{}}
	first, err := r.git(t.Context(), remote)
	if err != nil || first.Auth.Username != "x-access-token" || first.Auth.Password != "ghs_1" {
		t.Fatalf("%+v %v", first.Auth, err)
	}
	second, err := r.git(t.Context(), remote)
	if err != nil || second.Auth.Password != "ghs_2" {
		t.Fatalf("%+v %v", second.Auth, err)
	}
	secret := []byte("secret")
	if first.Identity(secret) != second.Identity(secret) {
		t.Error("another token makes another repository")
	}
	plain := second
	plain.Auth.Constant = ""
	if plain.Identity(secret) == second.Identity(secret) {
		t.Error("who has a token is taken for the app")
	}
	for code, want := range map[int]gitremote.FailureKind{401: gitremote.FailedAuth, 404: gitremote.FailedAuth, 502: gitremote.FailedNetwork} {
		status = code
		_, err := r.git(t.Context(), remote)
		failed := (*gitremote.FetchError)(nil)
		if !errors.As(err, &failed) || failed.Kind != want {
			t.Errorf("%d: %v", code, err)
		}
	}
}
