package pulse_test

import (
	"testing"
	"time"

	"github.com/plumbline-dev/plumbline/internal/core/app"
	"github.com/plumbline-dev/plumbline/internal/core/pulse"
)

var now = time.Date(2026, 5, 4, 8, 0, 0, 0, time.UTC)

func ago(d time.Duration) time.Time { return now.Add(-d) }

func work(name, stage string, since time.Duration) pulse.Work {
	return pulse.Work{App: app.ID{Kind: "Application", Namespace: "argocd", Name: name}, Stage: stage, Since: ago(since)}
}

func TestStuck(t *testing.T) {
	tests := map[string]struct {
		reason string
		pulse  pulse.Pulse
		want   string
	}{
		"idle":     {"nothing waits, however long", pulse.Pulse{Moved: ago(time.Hour)}, ""},
		"busy":     {"much waits and is done with", pulse.Pulse{Waiting: 5000, Moved: ago(time.Second), Under: []pulse.Work{work("a", "apply", time.Minute)}}, ""},
		"one hang": {"the oldest is named", pulse.Pulse{Moved: now, Under: []pulse.Work{work("a", "diff", time.Minute), work("b", "render", 6*time.Minute)}}, `Application argocd/b is in stage "render" for 6m0s`},
		"no turn":  {"nothing under way, yet much waits", pulse.Pulse{Waiting: 3, Moved: ago(301 * time.Second)}, "3 applications wait and none was done with for 5m1s"},
		"all busy": {
			"what holds them up is named", pulse.Pulse{Waiting: 1, Moved: ago(6 * time.Minute), Under: []pulse.Work{work("a", "apply", time.Minute)}},
			`1 applications wait and none was done with for 6m0s: Application argocd/a is in stage "apply" for 1m0s`,
		},
		"limit": {"not yet", pulse.Pulse{Waiting: 1, Moved: ago(5 * time.Minute), Under: []pulse.Work{work("a", "apply", 5*time.Minute)}}, ""},
	}
	for name, test := range tests {
		if got := test.pulse.Stuck(now, 5*time.Minute); got != test.want {
			t.Errorf("%s (%s): %q, not %q", name, test.reason, got, test.want)
		}
	}
}

func TestLost(t *testing.T) {
	quiet := pulse.Contact{}.Answer(ago(time.Hour))
	failing := quiet.Fail(ago(2 * time.Minute)).Fail(ago(time.Second))
	tests := map[string]struct {
		reason  string
		contact pulse.Contact
		want    string
	}{
		"never asked":   {"nothing is known", pulse.Contact{}, ""},
		"converged":     {"nobody asked for an hour", quiet, ""},
		"one failure":   {"a moment ago", quiet.Fail(ago(time.Second)), ""},
		"failures":      {"counted from the first", failing, "the API server has not answered for 2m0s"},
		"back":          {"one answer is enough", failing.Answer(ago(time.Second)), ""},
		"never reached": {"no answer at all", pulse.Contact{}.Fail(ago(time.Minute)), "the API server has not answered for 1m0s"},
	}
	for name, test := range tests {
		if got := test.contact.Lost(now, time.Minute); got != test.want {
			t.Errorf("%s (%s): %q, not %q", name, test.reason, got, test.want)
		}
	}
}
