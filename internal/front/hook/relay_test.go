package hook_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/plumbline-dev/plumbline/internal/front/hook"
)

// replica is a server whose webhook passes events on to the addresses it is given.
func replica(t *testing.T, got chan<- string, others *[]string) string {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	pushed := func(_ context.Context, urls ...string) int { got <- strings.Join(urls, " "); return 1 }
	server := httptest.NewServer(hook.Relay(hook.Handler(pushed, log), func() []string { return *others }, log))
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

// An event that reaches one replica reaches all, each once, also when addresses
// are wrong.
func TestRelay(t *testing.T) {
	first, second, third := make(chan string, 8), make(chan string, 8), make(chan string, 8)
	var others []string
	addresses := []string{replica(t, first, &others), replica(t, second, &others), replica(t, third, &others)}
	others = append(slices.Clone(addresses[1:]), "nowhere", "127.0.0.1:1")
	for _, url := range []string{"https://git.example.org/a", "https://git.example.org/b"} {
		resp, err := http.Post("http://"+addresses[0]+"/hook/git", "application/json", strings.NewReader(`{"repository":{"clone_url":"`+url+`"}}`))
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != http.StatusAccepted {
			t.Fatalf("%s: %s", resp.Status, text)
		}
		for i, got := range []chan string{first, second, third} {
			if have := <-got; have != url {
				t.Errorf("replica %d was told of %q, not %q", i, have, url)
			}
		}
	}
}

// What is refused is not passed on.
func TestRelayRefused(t *testing.T) {
	first, second := make(chan string, 8), make(chan string, 8)
	var others []string
	address := replica(t, first, &others)
	others = []string{replica(t, second, &others)}
	for body, code := range map[string]int{"{": http.StatusBadRequest, `{"a":"` + strings.Repeat("x", hook.MaxBody) + `"}`: http.StatusRequestEntityTooLarge} {
		resp, err := http.Post("http://"+address+"/hook/git", "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != code {
			t.Errorf("%.20s: %s, not %d", body, resp.Status, code)
		}
	}
	resp, err := http.Post("http://"+address+"/hook/git", "application/json", strings.NewReader(`{"repository":{"clone_url":"u"}}`))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if <-first; <-second != "u" || len(second) > 0 {
		t.Error("something refused was passed on")
	}
}
