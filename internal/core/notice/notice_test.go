package notice_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/plumbline-dev/plumbline/internal/core/app"
	"github.com/plumbline-dev/plumbline/internal/core/condition"
	"github.com/plumbline-dev/plumbline/internal/core/health"
	"github.com/plumbline-dev/plumbline/internal/core/notice"
	"github.com/plumbline-dev/plumbline/internal/core/object"
	"github.com/plumbline-dev/plumbline/internal/core/source"
)

var (
	now = time.Date(2026, 5, 4, 8, 0, 0, 0, time.UTC)
	rev = source.Revision{Name: "main", ID: strings.Repeat("a", 40)}
)

// one is an object that was written.
var one = []object.Key{{Kind: "ConfigMap", Namespace: "shop", Name: "x"}}

func run(phase app.Phase, edit func(*app.Run)) *app.Run {
	r := &app.Run{Phase: phase, Revision: rev, StartedAt: now, Operation: app.Operation{Automatic: true}}
	if edit != nil {
		edit(r)
	}
	return r
}

func outcome(r *app.Run, code health.Code, problems ...condition.Problem) app.Outcome {
	return app.Outcome{Run: r, Compared: true, Health: health.Status{Code: code, Message: "pod web-1 crashes"}, Problems: problems}
}

func reasons(list []notice.Notice) string {
	var names []string
	for _, n := range list {
		names = append(names, string(n.Reason))
	}
	return strings.Join(names, " ")
}

// Each thing that happens is told, and nothing that merely is.
func TestEnds(t *testing.T) {
	some := func(r *app.Run) { r.Operation.Only = []app.Selector{{Kind: "ConfigMap", Name: "x"}} }
	held := condition.Problem{Reason: condition.PruneHeld, Message: "12 of 20"}
	tests := map[string]struct {
		reason string
		did    notice.Did
		out    app.Outcome
		want   string
	}{
		"first":     {"a first deploy", notice.Did{Ended: app.Succeeded, Written: one}, outcome(run(app.Succeeded, nil), health.Progressing), "Synced"},
		"converged": {"nothing was done", notice.Did{}, outcome(run(app.Succeeded, nil), health.Healthy), ""},
		"untouched": {"a revision that changes nothing, or a restart", notice.Did{Ended: app.Succeeded}, outcome(run(app.Succeeded, nil), health.Healthy), ""},
		"waves":     {"on its way", notice.Did{Written: one}, outcome(run(app.Running, nil), health.Progressing), ""},
		"last wave": {"what was written was written before", notice.Did{Ended: app.Succeeded, Resumed: true}, outcome(run(app.Succeeded, nil), health.Healthy), "Synced"},
		"dry run":   {"nothing happened", notice.Did{Ended: app.Succeeded, Written: one}, outcome(run(app.Succeeded, func(r *app.Run) { r.Operation.DryRun = true }), health.Healthy), ""},
		"failed":    {"for good", notice.Did{Ended: app.Failed}, outcome(run(app.Failed, nil), health.Healthy), "SyncFailed"},
		"attempt":   {"to be repeated", notice.Did{Ended: app.Failed}, outcome(run(app.Running, nil), health.Healthy), "SyncFailed"},
		"repair":    {"what others changed", notice.Did{Ended: app.Succeeded, Written: one}, outcome(run(app.Succeeded, some), health.Healthy), "DriftRepaired"},
		"again":     {"the same revision, written once more", notice.Did{Ended: app.Succeeded, Applied: rev.ID, Written: one}, outcome(run(app.Succeeded, nil), health.Healthy), "DriftRepaired"},
		"by hand":   {"a person asked for the same revision", notice.Did{Ended: app.Succeeded, Applied: rev.ID, Written: one}, outcome(run(app.Succeeded, func(r *app.Run) { r.Operation.Automatic = false }), health.Healthy), "Synced"},
		"held":      {"by a guard", notice.Did{}, outcome(nil, health.Healthy, held), "PruneHeld"},
	}
	for name, test := range tests {
		m := notice.Memory{}
		if got := reasons(m.After(test.did, test.out, now)); got != test.want {
			t.Errorf("%s (%s): %q, not %q", name, test.reason, got, test.want)
		}
	}
}

// Only turns of health are told, and what lies on the way counts for neither.
func TestHealth(t *testing.T) {
	m := notice.Memory{}
	var got []string
	for i, code := range []health.Code{health.Progressing, health.Healthy, health.Healthy, health.Degraded, health.Degraded, health.Progressing, health.Degraded, health.Healthy, health.Missing, health.Healthy} {
		got = append(got, reasons(m.After(notice.Did{}, outcome(run(app.Succeeded, nil), code), now.Add(time.Duration(i)*time.Second))))
	}
	if diff := cmp.Diff([]string{"", "", "", "HealthDegraded", "", "", "", "HealthRecovered", "", ""}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// The same is told once an hour at most, and an application is told of six times
// in ten minutes at most.
func TestBounds(t *testing.T) {
	m := notice.Memory{}
	failing := func(message string, at time.Duration) string {
		return reasons(m.After(notice.Did{Ended: app.Failed, Message: message}, outcome(run(app.Failed, nil), health.Healthy), now.Add(at)))
	}
	if got := failing("quota", 0); got != "SyncFailed" {
		t.Errorf("at first: %q", got)
	}
	if got := failing("quota", 59*time.Minute); got != "" {
		t.Errorf("the same: %q", got)
	}
	if got := failing("quota", 61*time.Minute); got != "SyncFailed" {
		t.Errorf("the same, much later: %q", got)
	}
	told := 0
	for i := range 20 {
		if failing(fmt.Sprint("other ", i), 2*time.Hour+time.Duration(i)*time.Second) != "" {
			told++
		}
	}
	if told != 6 {
		t.Errorf("%d of 20 were told", told)
	}
}

// Messages fit, whatever they are made of.
func TestEvent(t *testing.T) {
	m := notice.Memory{}
	did := notice.Did{Ended: app.Failed, Message: "line\n" + strings.Repeat("ü", 2000)}
	list := m.After(did, outcome(run(app.Failed, nil), health.Healthy), now)
	if len(list) != 1 || len(list[0].Message) > 1024 || strings.Contains(list[0].Message, "\n") {
		t.Fatalf("%d notices, the first %q", len(list), list)
	}
	about := notice.Subject{ID: app.ID{Kind: "Application", Namespace: "argocd", Name: strings.Repeat("n", 253)}, UID: "u", APIVersion: "example.org/v1"}
	e := notice.Event(about, list[0], "plumbd", now)
	if len(e.GetName()) > 253 || e.GetNamespace() != "argocd" || e.Object["type"] != "Warning" || e.Object["reason"] != "SyncFailed" {
		t.Errorf("%v", e.Object)
	}
}
