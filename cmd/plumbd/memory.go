package main

import (
	"context"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/manager"
)

// What is allocated between two looks tells work from rest.
const (
	restEvery = 10 * time.Second
	restBytes = 16 << 20
)

// scavenge gives memory back to the system when a burst of work is over: the
// runtime would keep for hours what the collector left free in it.
func scavenge() manager.Runnable {
	return manager.RunnableFunc(func(ctx context.Context) error {
		tick := time.NewTicker(restEvery)
		defer tick.Stop()
		for last, busy := measured("/gc/heap/allocs:bytes"), true; ; {
			select {
			case <-ctx.Done():
				return nil
			case <-tick.C:
			}
			was, now := busy, measured("/gc/heap/allocs:bytes")
			busy, last = now-last > restBytes, now
			if was && !busy {
				debug.FreeOSMemory()
			}
		}
	})
}

// measured is one of the runtime's figures, see runtime/metrics.
func measured(name string) uint64 {
	sample := []metrics.Sample{{Name: name}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

// heapLeast is what the heap grows to before garbage is collected, in bytes, where
// its double is less than that.
const heapLeast = 80 << 20

// pace lets a small heap grow further between two collections than the runtime
// would, which in a burst of work would do little else. GOGC overrules it.
func pace() {
	if os.Getenv("GOGC") != "" {
		return
	}
	current := 100
	var after func(*[64]byte)
	after = func(sentinel *[64]byte) {
		if percent := gcPercent(measured("/gc/heap/live:bytes")); percent != current {
			current = percent
			debug.SetGCPercent(percent)
		}
		runtime.SetFinalizer(sentinel, after) // runs after each collection
	}
	after(new([64]byte))
}

// gcPercent is by how much a heap of which so many bytes are in use may grow: to
// heapLeast, or its double. It comes in steps, because to set it stops the world.
func gcPercent(live uint64) int {
	const step = 50
	if live >= heapLeast/2 {
		return 100
	}
	return max(100, min(int((heapLeast-live)*100/max(live, 1)), 1000)/step*step)
}
