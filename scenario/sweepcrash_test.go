package scenario

import (
	"context"
	"fmt"
	"slices"
	"testing"
)

// Wherever plumbd is killed, before a write or after it and before it knows,
// the next one ends as if nothing had happened.
func TestEveryWriteMayBeTheLast(t *testing.T) {
	t.Parallel()
	s := newSweep(t)
	reference := s.undisturbed()
	if t.Failed() {
		return
	}
	for lives := range slices.Chunk(s.deaths(reference), 8) {
		s.run(lives)
		for _, l := range lives {
			s.compare(l)
		}
	}
	t.Logf("plumbd was killed %d times", s.kills)
	if s.kills < 20 {
		t.Errorf("plumbd was killed %d times only", s.kills)
	}
}

// deaths are lives with a crash at every write, before and after it, once and
// twice in a row. A normal run takes lives with a crash at every fourth write,
// before it in some and after it in others.
func (s *sweep) deaths(reference map[string]*life) []*life {
	var lives []*life
	for _, kind := range livesOf {
		for i, m := range []mode{"hold", "holdlost"} {
			if !everything {
				lives = append(lives, s.mortal(&life{ns: fmt.Sprintf("mortal-%s-%s", kind, m), kind: kind, like: reference[kind]}, fault{mode: m, skip: 2 * i, every: 4}))
				continue
			}
			for n := range s.writes(reference[kind]) {
				for _, times := range []int{1, 2} {
					lives = append(lives, s.mortal(&life{ns: fmt.Sprintf("mortal-%s-%s-%d-%d", kind, m, n+1, times), kind: kind, like: reference[kind]}, fault{mode: m, skip: n, times: times}))
				}
			}
		}
	}
	return lives
}

// writes returns how many writes a life took.
func (s *sweep) writes(l *life) int {
	n := 0
	for _, c := range s.world.proxy.noted(l.ns) {
		if c.writes() {
			n++
		}
	}
	return n
}

// mortal makes plumbd die where a fault says, and start again.
func (s *sweep) mortal(l *life, f fault) *life {
	f.verb = "write"
	f.hold = func(ctx context.Context) {
		s.dying.Lock()
		defer s.dying.Unlock()
		if ctx.Err() != nil {
			return // the call of one that is dead already
		}
		s.kills++
		s.world.replicas["plumbd"].process.kill()
		s.world.proxy.server.CloseClientConnections()
		if err := s.world.startPlumbd("plumbd"); err != nil {
			s.t.Errorf("%s: %v", l.ns, err)
		}
	}
	l.fault = &f
	return l
}
