package gate_test

import (
	"strings"
	"testing"
	"time"

	"github.com/plumbline-dev/plumbline/internal/core/app"
	"github.com/plumbline-dev/plumbline/internal/core/gate"
)

func TestContested(t *testing.T) {
	for ago, want := range map[time.Duration]time.Duration{
		0: 10 * time.Minute, 4 * time.Minute: 6 * time.Minute, 10 * time.Minute: 0, time.Hour: 0, -time.Minute: 11 * time.Minute,
	} {
		why, after := gate.Contested(app.Rival{Name: "Another engine", Last: now.Add(-ago), Way: "tell us"}, now)
		if after != want || (why == "") != (want == 0) {
			t.Errorf("%s ago: %q, look again after %s, want %s", ago, why, after, want)
		}
		if why != "" && (!strings.HasPrefix(why, "Another engine wrote to this object at ") || !strings.HasSuffix(why, "or tell us")) {
			t.Errorf("%q", why)
		}
	}
	if why, _ := gate.Contested(app.Rival{Name: "x"}, now); why != "" {
		t.Errorf("one that never wrote: %q", why)
	}
}
