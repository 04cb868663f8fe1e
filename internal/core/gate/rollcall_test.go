package gate_test

import (
	"testing"
	"time"

	"github.com/plumbline-dev/plumbline/internal/core/app"
	"github.com/plumbline-dev/plumbline/internal/core/gate"
)

func TestRollCall(t *testing.T) {
	a, b, c := app.ID{Name: "a"}, app.ID{Name: "b"}, app.ID{Name: "c"}
	var r gate.RollCall
	others := func(reason string, id app.ID, want int) {
		t.Helper()
		if got := r.Others(id); got != want {
			t.Errorf("%s: %d others, want %d", reason, got, want)
		}
	}
	others("nobody was asked", a, 0)
	r.Gone(a)
	r.Answered(a, "", r.Asked(a))
	r.Expect(a, "")
	r.Expect(b, "1")
	others("one does not wait for itself", a, 1)
	others("nor for those that were not asked", c, 2)

	asked := r.Asked(b)
	r.Answered(b, "0", asked)
	others("an answer about an older revision is none", a, 1)
	r.Expect(b, "2")
	r.Answered(b, "1", asked)
	others("an answer that was being found when it was asked again is none", a, 1)
	r.Answered(b, "2", r.Asked(b))
	others("the right one is", a, 0)

	r.Expect(b, "2")
	asked = r.Asked(b)
	r.Expect(b, "2")
	r.Answered(b, "", asked)
	others("nor that it cannot say, when it was asked again meanwhile", a, 1)
	r.Answered(b, "2", asked)
	others("the same revision, announced once more while the answer was found, is answered", a, 0)
	asked = r.Asked(b)
	r.Expect(b, "2")
	r.Answered(b, "2", asked)
	others("also if it was announced for the first time", a, 0)
	r.Expect(b, "2")
	asked = r.Asked(b)
	r.Expect(b, "")
	r.Answered(b, "2", asked)
	others("but not when it may declare something else meanwhile", a, 1)
	r.Gone(b)

	r.Expect(b, "3")
	r.Expect(b, "")
	others("asked twice, it is one", a, 1)
	r.Answered(b, "", r.Asked(b))
	others("who cannot answer has answered", a, 0)
	r.Expect(b, "")
	r.Gone(b)
	others("who is gone is not waited for", a, 0)
}

func TestWait(t *testing.T) {
	var w gate.Wait
	at := now
	for i := range 16 {
		if w.Over(at, false) != (i == 15) {
			t.Errorf("after %s: %v", at.Sub(now), i == 15)
		}
		at = at.Add(time.Second)
	}
	w = gate.Wait{}
	w.Over(now, false)
	if w.Over(now.Add(time.Hour), false) {
		t.Error("an hour in which nobody could answer counts")
	}
	if w.Over(now, false) {
		t.Error("a clock that is set back counts")
	}
}

func TestWaitKept(t *testing.T) {
	const second = time.Second
	var w gate.Wait
	at := now
	w.Over(at, true)
	look := func(n int, kept bool) (over bool) {
		for range n {
			at = at.Add(second)
			over = w.Over(at, kept)
		}
		return over
	}
	if look(10, false) {
		t.Error("ten seconds are too few")
	}
	if look(int(gate.KeptPatience/second), true) {
		t.Error("while others are kept from answering the patience is not used up")
	}
	if look(4, true) {
		t.Error("after that it goes on from where it was")
	}
	if !look(1, true) {
		t.Error("and ends, though they are still kept")
	}
}

func TestRollCallKept(t *testing.T) {
	a, b := app.ID{Name: "a"}, app.ID{Name: "b"}
	var r gate.RollCall
	kept := func(reason string, id app.ID, want bool) {
		t.Helper()
		if got := r.Kept(id); got != want {
			t.Errorf("%s: %v, want %v", reason, got, want)
		}
	}
	r.Keep(b, true)
	kept("nobody waits for one that was not asked", a, false)
	r.Expect(b, "1")
	kept("one that was asked may answer", a, false)
	r.Keep(b, true)
	kept("unless it is kept from it", a, true)
	kept("one does not wait for itself", b, false)
	r.Expect(b, "2")
	kept("asked again it is still kept", a, true)
	r.Keep(b, false)
	kept("until it is looked at", a, false)
	r.Keep(b, true)
	r.Answered(b, "2", r.Asked(b))
	kept("who has answered is not", a, false)
	r.Expect(b, "")
	r.Keep(b, true)
	r.Gone(b)
	kept("nor who is gone", a, false)
}
