package main

import (
	"net/http/httptest"
	"strings"
	"testing"
)

// Whoever asks for a few metrics gets them alone, and whoever asks for none by name
// gets all, each once.
func TestMetricsByName(t *testing.T) {
	c := newCounters()
	c.steps.WithLabelValues("create", "ok").Inc()
	get := func(query string) string {
		w := httptest.NewRecorder()
		c.handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics"+query, nil))
		if w.Code != 200 {
			t.Errorf("%q: %d %s", query, w.Code, w.Body)
		}
		return w.Body.String()
	}
	all := get("")
	for _, name := range []string{"plumb_sync_steps_total", "go_goroutines", "process_open_fds"} {
		if n := strings.Count(all, "# TYPE "+name+" "); n != 1 {
			t.Errorf("%s is there %d times", name, n)
		}
	}
	for query, want := range map[string]string{
		"?name[]=plumb_sync_steps_total": "plumb_sync_steps_total", "?name[]=go_goroutines": "go_goroutines", "?name[]=nothing": "",
		"?name[]=plumb_sync_steps_total&name[]=process_open_fds": "plumb_sync_steps_total process_open_fds",
	} {
		var got []string
		for line := range strings.Lines(get(query)) {
			if rest, ok := strings.CutPrefix(line, "# TYPE "); ok {
				got = append(got, strings.Fields(rest)[0])
			}
		}
		if len(got) != len(strings.Fields(want)) || !strings.Contains(want, strings.Join(got, " ")) {
			t.Errorf("%s: %q, want %q", query, got, want)
		}
	}
}
