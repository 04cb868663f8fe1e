package main

import "testing"

func TestGCPercent(t *testing.T) {
	for _, test := range []struct {
		live uint64 // MiB
		want int
	}{{0, 1000}, {4, 1000}, {10, 700}, {20, 300}, {30, 150}, {35, 100}, {40, 100}, {80, 100}, {4000, 100}} {
		if got := gcPercent(test.live << 20); got != test.want {
			t.Errorf("%d MiB in use: %d %%, want %d", test.live, got, test.want)
		}
	}
}

// What is allocated and let go of is collected seldom while the heap is small, and
// the runtime goes on collecting when it has grown.
func TestPace(t *testing.T) {
	t.Setenv("GOGC", "")
	pace()
	const piece = 1 << 20
	before := measured("/gc/cycles/total:gc-cycles")
	for range 400 {
		garbage = make([]byte, piece)
	}
	if n := measured("/gc/cycles/total:gc-cycles") - before; n > 40 || n < 2 {
		t.Errorf("%d collections of 400 MiB", n)
	}
}

var garbage []byte
