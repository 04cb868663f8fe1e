package shard_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/plumbline-dev/plumbline/internal/core/shard"
)

// duration of a Lease in the simulation, whose clock ticks in units of tick.
const (
	duration = 900 * time.Millisecond
	tick     = 10 * time.Millisecond
)

// world is an API server and its members. Requests take time there and back,
// fail, or succeed without an answer.
type world struct {
	t       *testing.T
	rand    *rand.Rand
	now     time.Duration
	leases  map[string]shard.Lease
	version int
	down    time.Duration // until when the server answers nobody
	calm    bool
	nodes   []*node
	trace   []string
}

type phase int

const (
	idle phase = iota
	listing
	listed
	storing
	stored
)

// node is one process.
type node struct {
	*world
	name   string
	offset time.Duration // of its clock
	view   *shard.View   // nil while it does not run
	terms  int
	phase  phase
	wake   time.Duration
	sent   time.Time
	list   []shard.Lease
	next   shard.Lease
	ok     bool
}

func (n *node) clock() time.Time {
	return time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC).Add(n.now + n.offset)
}

func (w *world) note(format string, args ...any) {
	w.trace = append(w.trace, fmt.Sprintf("%8s ", w.now)+fmt.Sprintf(format, args...))
}

// delay is short most of the time, and now and then longer than a Lease.
func (w *world) delay() time.Duration {
	if !w.calm && w.rand.IntN(20) == 0 {
		return time.Duration(w.rand.Int64N(int64(2 * duration)))
	}
	return time.Duration(w.rand.Int64N(int64(duration / 15)))
}

func (w *world) fails() bool { return w.now < w.down || !w.calm && w.rand.IntN(30) == 0 }

func (n *node) start() {
	n.view = shard.NewView(n.name, "", duration)
	n.phase, n.wake = idle, n.now
}

// step takes the process to its next point of waiting.
func (n *node) step() {
	switch n.phase {
	case idle:
		n.sent, n.phase = n.clock(), listing
	case listing:
		if n.ok = !n.fails(); n.ok {
			n.list = nil
			for _, l := range n.leases {
				n.list = append(n.list, l)
			}
		}
		n.phase = listed
	case listed:
		if !n.ok {
			n.again()
			return
		}
		if err := n.view.Observe(n.list, n.sent, n.clock()); err != nil {
			n.t.Fatalf("%s: %v", n.name, err)
		}
		for _, l := range n.view.Unused() {
			if !n.fails() && n.leases[l.Member].Version == l.Version {
				delete(n.leases, l.Member)
				n.view.Removed(l)
			}
		}
		n.terms++
		n.next = n.view.Propose(n.clock(), fmt.Sprintf("%s%d", n.name, n.terms))
		n.phase = storing
	case storing:
		if n.ok = !n.fails(); n.ok {
			n.next, n.ok = n.put(n.next)
			n.ok = n.ok && (n.calm || n.rand.IntN(30) > 0) // else the answer got lost
		}
		n.phase = stored
	case stored:
		if !n.ok {
			n.again()
			return
		}
		was := n.view.Joined()
		n.view.Stored(n.next)
		n.view.Renewed(n.next, n.clock())
		if n.view.Joined() != was {
			n.note("%s joined=%t ring %v", n.name, !was, n.view.Ring().Members())
		}
		n.phase, n.wake = idle, max(n.now, n.now+n.view.Next().Sub(n.clock()))
		return
	}
	n.wake = n.now + n.delay()
}

func (n *node) again() { n.phase, n.wake = idle, n.now+n.view.Every()/4 }

func (w *world) put(l shard.Lease) (shard.Lease, bool) {
	if w.leases[l.Member].Version != l.Version {
		return l, false
	}
	w.version++
	l.Version = fmt.Sprint(w.version)
	w.leases[l.Member] = l
	return l, true
}

// disturb does something to a process or to the server.
func (w *world) disturb() {
	n := w.nodes[w.rand.IntN(len(w.nodes))]
	span := time.Duration(w.rand.Int64N(int64(3 * duration)))
	switch what := w.rand.IntN(8); {
	case n.view == nil:
		n.start()
		w.note("%s starts", n.name)
	case what == 0:
		n.view = nil
		w.note("%s crashes", n.name)
	case what == 1:
		if w.rand.IntN(2) == 0 {
			n.view.Found(w.leases[n.name])
		}
		if l, ok := n.view.Release(); ok && !w.fails() {
			_, ok = w.put(l)
			w.note("%s ends, released %t", n.name, ok)
		}
		n.view = nil
	case what == 2:
		delete(w.leases, n.name)
		w.note("somebody deletes the Lease of %s", n.name)
	case what == 4 || what == 5:
		other := w.nodes[w.rand.IntN(len(w.nodes))].name
		delete(w.leases, other)
		w.note("the Lease of %s is deleted, and %s starts anew", other, n.name)
		if w.rand.IntN(2) == 0 {
			clear(w.leases)
			w.note("all are")
		}
		n.start()
	case what == 3 && w.rand.IntN(3) == 0:
		w.down = w.now + span
		w.note("the server is away for %s", span)
	default:
		n.wake = max(n.wake, w.now+span)
		w.note("%s stands still for %s", n.name, span)
	}
}

// check fails when two may write the same.
func (w *world) check() {
	able := slices.DeleteFunc(slices.Clone(w.nodes), func(n *node) bool { return n.view == nil || !n.view.MayWrite(n.clock()) })
	if len(able) < 2 {
		return
	}
	for i := range 20 {
		var writers []string
		for _, n := range able {
			if n.view.Ring().Owns(key(i)) {
				writers = append(writers, fmt.Sprintf("%s by %v", n.name, n.view.Ring().Members()))
			}
		}
		if len(writers) > 1 {
			w.fail("%s: %v may write %s", w.now, writers, key(i))
		}
	}
}

func (w *world) fail(format string, args ...any) {
	w.t.Helper()
	for _, line := range w.trace[max(0, len(w.trace)-40):] {
		w.t.Log(line)
	}
	w.t.Fatalf(format, args...)
}

func (w *world) advance() {
	w.now += tick
	for _, i := range w.rand.Perm(len(w.nodes)) {
		for n := w.nodes[i]; n.view != nil && n.wake <= w.now; {
			n.step()
			w.check()
		}
	}
	w.check()
}

// Whatever happens to processes, requests, clocks and Leases, no two members may
// write the same at one time; and when it stops happening, all is divided up.
func TestOneWriter(t *testing.T) {
	schedules := 200
	if testing.Short() {
		schedules = 20
	}
	for seed := range schedules {
		r := rand.New(rand.NewPCG(uint64(seed), 1))
		w := &world{t: t, rand: r, leases: map[string]shard.Lease{}}
		for i := range 2 + r.IntN(3) {
			n := &node{world: w, name: string(rune('a' + i)), offset: time.Duration(r.Int64N(int64(time.Hour)))}
			n.start()
			w.nodes = append(w.nodes, n)
		}
		pace := 20 + r.IntN(150)
		for range 3000 {
			if r.IntN(pace) == 0 {
				w.disturb()
			}
			w.advance()
		}
		w.calm = true
		for range 6 * duration / tick {
			w.advance()
		}
		w.divided(seed)
	}
}

// divided checks that everything has an owner among those that run.
func (w *world) divided(seed int) {
	var running []string
	for _, n := range w.nodes {
		if n.view != nil {
			running = append(running, n.name)
		}
	}
	for _, n := range w.nodes {
		if n.view != nil && (!n.view.MayWrite(n.clock()) || !slices.Equal(n.view.Ring().Members(), running)) {
			w.fail("seed %d: in the end %s sees %v of %v, may write: %t", seed, n.name, n.view.Ring().Members(), running, n.view.MayWrite(n.clock()))
		}
	}
}
