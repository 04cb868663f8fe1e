package pulse_test

import (
	"testing"

	"github.com/plumbline-dev/plumbline/internal/core/app"
	"github.com/plumbline-dev/plumbline/internal/core/pulse"
)

func TestLull(t *testing.T) {
	a, b := app.ID{Name: "a"}, app.ID{Name: "b"}
	var l pulse.Lull
	is := func(reason string, want, got bool) {
		t.Helper()
		if got != want {
			t.Errorf("%s: %v", reason, got)
		}
	}
	early := func(reason string, id app.ID, want bool) {
		t.Helper()
		got, _ := l.Early(id)
		is(reason, want, got)
	}
	released := func(reason string, over bool, want int) {
		t.Helper()
		if got := l.Release(over); len(got) != want {
			t.Errorf("%s: %v", reason, got)
		}
	}
	l.Asked(a)
	early("whoever has something to do need not wait", a, false)
	l.Begin(a)
	l.Begin(b)
	is("two of two workers are not too many", false, l.Busy(0, 2))
	is("three are", true, l.Busy(1, 2))
	l.Hush(a)
	l.End(a)
	is("who has only to report does not count", false, l.Busy(1, 1))
	if set, first := l.Early(a); !set || !first {
		t.Errorf("and is set aside while others work: %v, as the first: %v", set, first)
	}
	is("which counts as little", false, l.Busy(0, 1))
	released("there is no lull", false, 0)
	released("but not for ever", true, 1)
	is("", false, l.Busy(1, 1))
	early("nor again", a, false)
	l.End(b)
	released("all is quiet", false, 0)
	early("and nobody need wait", a, false)
	l.Begin(a)
	is("to report is no work", false, l.Busy(1, 1))
	l.End(a)

	for _, id := range []app.ID{a, b} {
		l.Begin(id)
	}
	l.Hush(a)
	l.End(a)
	early("set aside", a, true)
	l.Asked(a)
	l.End(b)
	released("whoever is wanted is queued already", false, 0)
	l.Begin(a)
	l.Asked(a)
	l.Hush(a)
	l.End(a)
	l.Begin(b)
	early("who was wanted while worked on has more to do", a, false)
	l.Begin(a)
	l.Hush(a)
	l.End(a)
	early("set aside once more", a, true)
	l.End(b)
	released("until the lull", false, 1)
}
