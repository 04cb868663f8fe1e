package githubapp

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestURLs(t *testing.T) {
	a := App{ID: 7}
	for repository, want := range map[string]string{
		"https://github.com/acme/shop.git":   "https://api.github.com/repos/acme/shop/installation",
		"https://me@GitHub.com/acme/shop/":   "https://api.github.com/repos/acme/shop/installation",
		"https://github.com/acme":            `its path "/acme" is not OWNER/REPOSITORY`,
		"https://github.com/acme/shop/wiki":  "is not OWNER/REPOSITORY",
		"https://github.com/":                "is not OWNER/REPOSITORY",
		"https://github.com/acme/%2e%2e%2fx": "https://api.github.com/repos/acme/%2e%2e%2fx/installation",
	} {
		got, err := a.InstallationURL(repository)
		if err != nil {
			got = err.Error()
		}
		if !strings.Contains(got, want) {
			t.Errorf("%s: %s, want %s", repository, got, want)
		}
	}
	if got := (App{API: "https://ghe.example/api/v3/"}).TokenURL(9); got != "https://ghe.example/api/v3/app/installations/9/access_tokens" {
		t.Error(got)
	}
}

func TestAnswers(t *testing.T) {
	now := time.Date(2026, 5, 4, 8, 0, 0, 0, time.UTC)
	token, err := ReadToken([]byte(`{"token": "ghs", "expires_at": "2026-05-04T09:00:00Z"}`))
	if err != nil || !token.Fresh(now) || token.Fresh(now.Add(51*time.Minute)) {
		t.Errorf("%+v %v", token, err)
	}
	for _, text := range []string{"", "{}", `{"token": "x"}`, `{"expires_at": "2026-05-04T09:00:00Z"}`, "<html>"} {
		if _, err := ReadToken([]byte(text)); err == nil {
			t.Errorf("a token in %q", text)
		}
		if _, err := ReadInstallation([]byte(text)); err == nil {
			t.Errorf("an installation in %q", text)
		}
	}
	for status, refused := range map[int]bool{401: true, 403: true, 404: true, 422: true, 429: false, 500: false, 503: false} {
		err := Refused(status, []byte(`{"message": "`+strings.Repeat("x", 5000)+`"}`), "a token")
		if as := (*RefusedError)(nil); errors.As(err, &as) != refused || len(err.Error()) > 500 {
			t.Errorf("%d: %v", status, err)
		}
	}
}

// Who has another key, or is elsewhere, is another one; the key does not show.
func TestIdentity(t *testing.T) {
	seen := map[string]bool{}
	for _, a := range []App{{ID: 1, Key: []byte("hunter2")}, {ID: 1, Key: []byte("other")}, {ID: 2, Key: []byte("hunter2")}, {ID: 1, Installation: 3, Key: []byte("hunter2")}, {ID: 1, Key: []byte("hunter2"), API: "https://ghe.example"}} {
		if id := a.Identity(); seen[id] || strings.Contains(id, "hunter2") {
			t.Error(id)
		} else {
			seen[id] = true
		}
	}
}
