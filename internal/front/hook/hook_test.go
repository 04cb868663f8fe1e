package hook_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/plumbline-dev/plumbline/internal/front/hook"
)

// answer sends one request and returns the answer and what was passed on.
func answer(t *testing.T, method string, body io.Reader) (*httptest.ResponseRecorder, [][]string) {
	t.Helper()
	var pushed [][]string
	handler := hook.Handler(func(_ context.Context, urls ...string) int {
		pushed = append(pushed, urls)
		return 2
	}, slog.New(slog.DiscardHandler))
	rec := httptest.NewRecorder()
	handler.ServeHTTP(rec, httptest.NewRequestWithContext(t.Context(), method, "/", body))
	return rec, pushed
}

// Every file in testdata is the event of one server: its first line is the
// reason, "body" what is sent, "urls" what is looked at.
func TestServers(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			parts := map[string]string{}
			for _, f := range archive.Files {
				parts[f.Name] = string(f.Data)
			}
			rec, pushed := answer(t, http.MethodPost, strings.NewReader(parts["body"]))
			if rec.Code != http.StatusAccepted || rec.Body.String() != "looking at 2 repositories\n" {
				t.Errorf("%d %q", rec.Code, rec.Body)
			}
			if d := cmp.Diff([][]string{strings.Fields(parts["urls"])}, pushed); d != "" {
				t.Errorf("%s(-want +got):\n%s", archive.Comment, d)
			}
		})
	}
}

func TestRefused(t *testing.T) {
	for name, test := range map[string]struct {
		reason string
		method string
		body   string
		code   int
		text   string
	}{
		"get":           {"looking is not pushing", http.MethodGet, "", http.StatusMethodNotAllowed, "POST"},
		"put":           {"only POST is an event", http.MethodPut, `{"repository":{"clone_url":"https://git.example/a"}}`, http.StatusMethodNotAllowed, "POST"},
		"empty":         {"an empty body is no event", http.MethodPost, "", http.StatusBadRequest, "not a JSON push event"},
		"garbage":       {"garbage is no event", http.MethodPost, "payload=%7B%7D", http.StatusBadRequest, "not a JSON push event"},
		"cut off":       {"half an event is none", http.MethodPost, `{"repository":{"clone_url":"https://git.example/a"}`, http.StatusBadRequest, "not a JSON push event"},
		"another type":  {"a field of another type is an error", http.MethodPost, `{"repository":{"clone_url":7}}`, http.StatusBadRequest, "not a JSON push event"},
		"a list":        {"a list is no event", http.MethodPost, `[]`, http.StatusBadRequest, "not a JSON push event"},
		"no repository": {"an event without a repository says what was expected", http.MethodPost, `{"zen":"Keep it simple."}`, http.StatusBadRequest, "repository.clone_url"},
		"null":          {"nothing is no event", http.MethodPost, `null`, http.StatusBadRequest, "repository.clone_url"},
		"endless url":   {"a URL that is none is left out", http.MethodPost, `{"repository":{"clone_url":"https://git.example/` + strings.Repeat("a", 4096) + `"}}`, http.StatusBadRequest, "repository.clone_url"},
		"nested deeply": {"an event that is nested without end ends", http.MethodPost, strings.Repeat("[", 1<<20), http.StatusBadRequest, "not a JSON push event"},
	} {
		t.Run(name, func(t *testing.T) {
			rec, pushed := answer(t, test.method, strings.NewReader(test.body))
			if rec.Code != test.code || !strings.Contains(rec.Body.String(), test.text) {
				t.Errorf("%s: %d %q", test.reason, rec.Code, rec.Body)
			}
			if len(pushed) != 0 {
				t.Errorf("%s: passed on %q", test.reason, pushed)
			}
			if allow := rec.Header().Get("Allow"); (allow == http.MethodPost) != (test.code == http.StatusMethodNotAllowed) {
				t.Errorf("%s: Allow: %q", test.reason, allow)
			}
		})
	}
}

// endless is a text that never ends; it counts what was read of it.
type endless struct{ read int }

func (e *endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = '"'
		if e.read > 0 || i > 0 {
			p[i] = 'a'
		}
	}
	e.read += len(p)
	return len(p), nil
}

func TestReadsNoMoreThanTheLimit(t *testing.T) {
	body := &endless{}
	rec, _ := answer(t, http.MethodPost, body)
	if rec.Code != http.StatusRequestEntityTooLarge || rec.Body.String() != "the event has more than 10485760 bytes\n" || body.read > hook.MaxBody+1<<20 {
		t.Errorf("%d %q after %d bytes", rec.Code, rec.Body, body.read)
	}
}

func TestBodyThatBreaksOff(t *testing.T) {
	rec, pushed := answer(t, http.MethodPost, io.MultiReader(strings.NewReader(`{"repository":`), errReader{}))
	if rec.Code != http.StatusBadRequest || len(pushed) != 0 {
		t.Errorf("%d, passed on %q", rec.Code, pushed)
	}
}

type errReader struct{}

func (errReader) Read([]byte) (int, error) { return 0, os.ErrDeadlineExceeded }

func FuzzHandler(f *testing.F) {
	f.Add(`{"repository":{"clone_url":"https://git.example/a","links":{"clone":[{"href":"ssh://git@git.example/a"}]}}}`)
	f.Add(`{"repository":null}`)
	f.Fuzz(func(t *testing.T, body string) {
		rec, pushed := answer(t, http.MethodPost, strings.NewReader(body))
		if (rec.Code == http.StatusAccepted) != (len(pushed) == 1) {
			t.Fatalf("%d, passed on %q", rec.Code, pushed)
		}
		for _, urls := range pushed {
			for _, u := range urls {
				if u == "" || len(u) >= 2048 {
					t.Errorf("passed on %q", u)
				}
			}
		}
	})
}
