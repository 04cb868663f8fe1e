package app_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plumbline-dev/plumbline/internal/core/app"
)

func TestParsePruneLimit(t *testing.T) {
	for text, want := range map[string]app.PruneLimit{
		"30%":      {Percent: 30, Least: 10},
		" 30 % ":   {Percent: 30, Least: 10},
		"30%,5":    {Percent: 30, Least: 5},
		"0% , 1":   {Percent: 0, Least: 1},
		"100%":     {Percent: 100, Least: 10},
		"":         {},
		"30":       {},
		"%":        {},
		"-1%":      {},
		"101%":     {},
		"30%,0":    {},
		"30%,":     {},
		"30%,x":    {},
		"30%,5,5":  {},
		"thirty %": {},
	} {
		got, err := app.ParsePruneLimit(text)
		if d := cmp.Diff(want, got); d != "" || (err != nil) != (want == app.PruneLimit{}) {
			t.Errorf("%q: %v (-want +got):\n%s", text, err, d)
		}
	}
	annotated := app.AnnotatedPruneLimit(map[string]string{app.PruneLimitAnnotation: "half"})
	if annotated.Invalid == "" || annotated.Or(app.DefaultPruneLimit) != annotated {
		t.Errorf("a limit that cannot be read is not passed over: %+v", annotated)
	}
	if got := app.AnnotatedPruneLimit(nil).Or(app.DefaultPruneLimit); got != app.DefaultPruneLimit {
		t.Errorf("what nobody set is the default: %+v", got)
	}
}

func TestPruneLimitAllows(t *testing.T) {
	for name, test := range map[string]struct {
		reason   string
		limit    app.PruneLimit
		n, owned int
		want     bool
	}{
		"all":      {"all of a hundred is too much", app.DefaultPruneLimit, 100, 100, false},
		"most":     {"so are 99", app.DefaultPruneLimit, 99, 100, false},
		"over":     {"and one more than half", app.DefaultPruneLimit, 51, 100, false},
		"half":     {"half is not more than half", app.DefaultPruneLimit, 50, 100, true},
		"third":    {"a third goes", app.DefaultPruneLimit, 31, 100, true},
		"few":      {"all of a few goes", app.DefaultPruneLimit, 9, 9, true},
		"ten":      {"all of ten does not", app.DefaultPruneLimit, 10, 10, false},
		"stricter": {"a share and a number may be set", app.PruneLimit{Percent: 10, Least: 3}, 3, 10, false},
		"nothing":  {"no share at all lets fewer go than the number", app.PruneLimit{Percent: 0, Least: 2}, 1, 100, true},
		"off":      {"a hundred percent never asks", app.PruneLimit{Percent: 100, Least: 10}, 1000, 1000, true},
		"lost":     {"nothing that was owned is no ground to delete", app.DefaultPruneLimit, 10, 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := test.limit.Allows(test.n, test.owned); got != test.want {
				t.Errorf("%s: %d of %d: %t", test.reason, test.n, test.owned, got)
			}
		})
	}
}
