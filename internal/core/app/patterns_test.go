package app_test

import (
	"testing"

	"github.com/plumbline-dev/plumbline/internal/core/app"
)

func TestPatterns(t *testing.T) {
	for _, test := range []struct {
		pattern, name string
		want          bool
	}{
		{"team-a", "team-a", true}, {"team-a", "team-ab", false}, {"team-*", "team-a", true}, {"*", "anything", true},
		{"{a,b}-apps", "b-apps", true}, {"/^team-[0-9]+$/", "team-12", true}, {"/^team-[0-9]+$/", "team-x", false},
		{"/eam/", "team", true}, {"//", "team", false}, {"[", "[", false}, {"/[/", "[", false}, {"", "x", false},
	} {
		if got := (app.Patterns{test.pattern}).Match(test.name); got != test.want {
			t.Errorf("%q matches %q: %t", test.pattern, test.name, got)
		}
	}
	if (app.Patterns{}).Match("x") || !(app.Patterns{"a", "x"}).Match("x") {
		t.Error("one that matches is enough, and none matches nothing")
	}
	if err := (app.Patterns{"a", "/(/"}).Check(); err == nil {
		t.Error("a broken expression passes")
	}
	if err := (app.Patterns{"a", "/b/"}).Check(); err != nil {
		t.Error(err)
	}
}
