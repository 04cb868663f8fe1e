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
	others := func(reason string, id app.ID, at time.Duration, want int) {
		t.Helper()
		if got := r.Others(id, now.Add(at)); got != want {
			t.Errorf("%s: %d others, want %d", reason, got, want)
		}
	}
	others("nobody was asked", a, 0, 0)
	r.Gone(a)
	r.Answered(a, "", r.Asked(a))
	r.Expect(a, "", now)
	r.Expect(b, "1", now)
	others("one does not wait for itself", a, 0, 1)
	others("nor for those that were not asked", c, 0, 2)
	others("nor for ever", c, gate.Patience, 0)

	asked := r.Asked(b)
	r.Answered(b, "0", asked)
	others("an answer about an older revision is none", a, 0, 1)
	r.Expect(b, "2", now)
	r.Answered(b, "1", asked)
	others("an answer that was being found when it was asked again is none", a, 0, 1)
	r.Answered(b, "2", r.Asked(b))
	others("the right one is", a, 0, 0)

	r.Expect(b, "2", now)
	asked = r.Asked(b)
	r.Expect(b, "2", now)
	r.Answered(b, "", asked)
	others("nor that it cannot say, when it was asked again meanwhile", a, 0, 1)
	r.Answered(b, "2", asked)
	others("the same revision, announced once more while the answer was found, is answered", a, 0, 0)
	asked = r.Asked(b)
	r.Expect(b, "2", now)
	r.Answered(b, "2", asked)
	others("also if it was announced for the first time", a, 0, 0)
	r.Expect(b, "2", now)
	asked = r.Asked(b)
	r.Expect(b, "", now)
	r.Answered(b, "2", asked)
	others("but not when it may declare something else meanwhile", a, 0, 1)
	r.Gone(b)

	r.Expect(b, "3", now)
	r.Expect(b, "", now.Add(time.Second))
	others("asking again for anything is no new patience", a, gate.Patience, 0)
	r.Expect(b, "4", now.Add(2*time.Second))
	others("another revision is", a, gate.Patience, 1)
	r.Answered(b, "", r.Asked(b))
	others("who cannot answer has answered", a, 0, 0)
	r.Expect(b, "", now)
	r.Gone(b)
	others("who is gone is not waited for", a, 0, 0)
}
