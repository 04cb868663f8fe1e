package scenario

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// callFaults are what may happen to a call.
var callFaults = []mode{"409", "429", "500", "503", "lost", "reset", "truncate", "duplicate"}

// sideBySide is how many lives go on at once.
const sideBySide = 128

// Whatever goes wrong with whichever call, applications end as if nothing had:
// nothing else is deleted, nothing is created twice, and then it is quiet.
func TestEveryCallMayFail(t *testing.T) {
	t.Parallel()
	s := newSweep(t)
	reference := map[bool]*life{false: {ns: "reference-argo"}, true: {ns: "reference-flux", flux: true}}
	s.run([]*life{reference[false], reference[true]})
	if t.Failed() {
		return
	}
	var lives []*life
	for _, flux := range []bool{false, true} {
		calls := len(s.world.proxy.noted(reference[flux].ns))
		t.Logf("flux %t: %d calls:\n%s", flux, calls, listed(s.world.proxy.noted(reference[flux].ns)))
		for k := range calls {
			for i, m := range callFaults {
				if everything || (k+i)%len(callFaults) == 0 {
					dialect := map[bool]string{false: "argo", true: "flux"}[flux]
					lives = append(lives, &life{ns: fmt.Sprintf("sweep-%s-%s-%d", dialect, m, k+1), flux: flux, fault: &fault{mode: m, skip: k, times: 1}})
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
		for stage, want := range reference[l.flux].states {
			if diff := cmp.Diff(want, l.states[stage]); diff != "" {
				t.Errorf("%s (%s) ended otherwise at %q:\n%s", l.ns, l.describe(), stage, diff)
			}
		}
	}
	if missed > len(lives)/10 {
		t.Errorf("%d of %d faults did not happen", missed, len(lives))
	}
}
