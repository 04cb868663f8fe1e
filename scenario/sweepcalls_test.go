package scenario

import (
	"fmt"
	"slices"
	"testing"
)

// faults are modes that one sweep goes through.
type faults []mode

var (
	callFaults  = faults{"409", "429", "500", "503", "lost", "reset", "truncate", "duplicate"}
	watchFaults = faults{"closed", "expired"}
)

// sideBySide is how many lives go on at once.
const sideBySide = 128

// Whatever goes wrong with whichever call, applications end as if nothing had:
// nothing else is deleted, nothing is created twice, and then it is quiet.
func TestEveryCallMayFail(t *testing.T) { callFaults.sweep(t, 1) }

// All watches may end, and what they would continue from may be forgotten, at
// any time.
func TestWatchesMayEndAtAnyCall(t *testing.T) { watchFaults.sweep(t, 7) }

// sweep lives one life for every call and fault, or for one call in so many and
// the faults in turn unless everything is asked for.
func (modes faults) sweep(t *testing.T, stride int) {
	t.Parallel()
	s := newSweep(t)
	reference := s.undisturbed()
	if t.Failed() {
		return
	}
	var lives []*life
	for _, kind := range livesOf {
		calls := s.world.proxy.noted(reference[kind].ns)
		t.Logf("%s takes these calls:\n%s", kind, listed(calls))
		for k := range calls {
			for i, m := range modes {
				if everything || k%stride == 0 && (k/stride+i)%len(modes) == 0 {
					lives = append(lives, &life{ns: fmt.Sprintf("sweep-%s-%s-%d", kind, m, k+1), kind: kind, like: reference[kind], fault: &fault{mode: m, skip: k, times: 1}})
				}
			}
		}
	}
	for some := range slices.Chunk(lives, sideBySide) {
		s.run(some)
	}
	missed := 0
	for _, l := range lives {
		if l.fault.seen <= l.fault.skip {
			missed++
			t.Logf("%s: there were only %d calls", l.ns, l.fault.seen)
		}
		s.compare(l)
	}
	if missed > len(lives)/10 {
		t.Errorf("%d of %d faults did not happen", missed, len(lives))
	}
	t.Logf("%d lives", len(lives))
}
