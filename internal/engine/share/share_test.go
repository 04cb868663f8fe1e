package share_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/plumbline-dev/plumbline/internal/core/app"
	"github.com/plumbline-dev/plumbline/internal/core/shard"
	"github.com/plumbline-dev/plumbline/internal/engine/share"
)

// store keeps Leases in memory, as an API server would.
type store struct {
	mu      sync.Mutex
	leases  map[string]shard.Lease
	version int
	down    error
	watches map[int]func()
	mute    string // answers to what this member stores come too late
	stored  chan struct{}
}

func newStore() *store { return &store{leases: map[string]shard.Lease{}, watches: map[int]func(){}} }

// ended returns a store with the Leases of members that ended in order: they
// know that nobody is in, and begin at once.
func ended(members ...string) *store {
	s := newStore()
	for _, name := range members {
		s.leases[name] = shard.Lease{Member: name, Term: "before", Version: "before", Released: true}
	}
	return s
}

func (s *store) List(ctx context.Context) ([]shard.Lease, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down != nil {
		return nil, s.down
	}
	var list []shard.Lease
	for _, l := range s.leases {
		list = append(list, l)
	}
	return list, ctx.Err()
}

func (s *store) Put(ctx context.Context, l shard.Lease) (shard.Lease, error) {
	stored, err := s.put(l)
	s.mu.Lock()
	mute := err == nil && s.mute == l.Member
	if mute {
		s.mute = ""
		close(s.stored)
	}
	s.mu.Unlock()
	if mute {
		<-ctx.Done()
		return l, ctx.Err()
	}
	return stored, err
}

// loseAnswer has the next request of member that stores something wait for an
// answer in vain, from when the channel is closed.
func (s *store) loseAnswer(member string) <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mute, s.stored = member, make(chan struct{})
	return s.stored
}

func (s *store) put(l shard.Lease) (shard.Lease, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down != nil {
		return l, s.down
	}
	if s.leases[l.Member].Version != l.Version {
		return l, errors.New("conflict")
	}
	s.version++
	l.Version = strconv.Itoa(s.version)
	before := s.leases[l.Member]
	s.leases[l.Member] = l
	if before.Seat() != l.Seat() || before.Released != l.Released || fmt.Sprint(before.Counts, before.Gone) != fmt.Sprint(l.Counts, l.Gone) {
		s.tell()
	}
	return l, nil
}

func (s *store) Delete(_ context.Context, l shard.Lease) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.leases[l.Member].Version == l.Version {
		delete(s.leases, l.Member)
		s.tell()
	}
	return s.down
}

func (s *store) tell() {
	for _, changed := range s.watches {
		changed()
	}
}

func (s *store) Watch(ctx context.Context, changed func()) {
	s.mu.Lock()
	s.version++
	id := s.version
	s.watches[id] = changed
	s.mu.Unlock()
	changed() // a watch begins with how things stand
	<-ctx.Done()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.watches, id)
}

// fail makes every request fail, or work again with nil.
func (s *store) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down = err
}

// member is a running Share.
type member struct {
	*share.Share
	stop    context.CancelFunc
	ended   chan error
	changes chan share.Change
}

func start(t *testing.T, s *store, name string, duration time.Duration) *member {
	t.Helper()
	m := &member{ended: make(chan error, 1), changes: make(chan share.Change, 100)}
	m.Share = share.New(s, share.Options{Name: name, Run: name + fmt.Sprint(time.Now().UnixNano()), Duration: duration, OnChange: func(_ context.Context, c share.Change) { m.changes <- c }})
	var ctx context.Context
	ctx, m.stop = context.WithCancel(context.Background())
	go func() { m.ended <- m.Start(ctx) }()
	t.Cleanup(m.stop)
	return m
}

// until waits for a change after which the ring has exactly these members.
func (m *member) until(t *testing.T, members ...string) share.Change {
	t.Helper()
	deadline := time.After(time.Minute)
	for {
		select {
		case c := <-m.changes:
			if fmt.Sprint(c.After.Members()) == fmt.Sprint(members) {
				return c
			}
		case <-deadline:
			t.Fatalf("never were %v", members)
		}
	}
}

func id(i int) app.ID {
	return app.ID{Kind: "Application", Namespace: "argocd", Name: fmt.Sprint("app-", i)}
}

// owned is an application that belongs to before in the first ring and to after
// in the second.
func owned(t *testing.T, before string, first shard.Ring, after string, second shard.Ring) app.ID {
	t.Helper()
	for i := range 1000 {
		if key := share.Key(id(i)); first.Owner(key) == before && second.Owner(key) == after {
			return id(i)
		}
	}
	t.Fatalf("nothing goes from %s to %s", before, after)
	return app.ID{}
}

// Rings as their members see them.
var (
	alone = shard.NewRing("", "a")
	two   = shard.NewRing("", "a", "b")
	three = shard.NewRing("", "a", "b", "c")
)

// long is a duration that no test waits for.
const long = 10 * time.Minute

// pair starts two members that share.
func pair(t *testing.T, s *store, duration time.Duration) (a, b *member) {
	t.Helper()
	a, b = start(t, s, "a", duration), start(t, s, "b", duration)
	a.until(t, "a", "b")
	b.until(t, "a", "b")
	return a, b
}

// Work on what moves to a newcomer is cancelled, and the newcomer does not begin
// with it before it has ended.
func TestHandOver(t *testing.T) {
	s := ended("a", "b")
	a, b := pair(t, s, long)
	moving, staying := owned(t, "a", two, "c", three), owned(t, "a", two, "a", three)
	ctx, end, err := a.Begin(context.Background(), moving)
	if err != nil {
		t.Fatal(err)
	}
	other, endOther, err := a.Begin(context.Background(), staying)
	if err != nil {
		t.Fatal(err)
	}
	defer endOther()
	c := start(t, s, "c", long)
	<-ctx.Done()
	if !errors.Is(context.Cause(ctx), shard.ErrElsewhere) {
		t.Errorf("cancelled because %v", context.Cause(ctx))
	}
	if _, _, err := a.Begin(context.Background(), moving); !errors.Is(err, shard.ErrElsewhere) {
		t.Errorf("begun again by the old owner: %v", err)
	}
	if _, _, err := c.Begin(context.Background(), moving); err == nil {
		t.Error("the newcomer began before the old owner ended")
	}
	end()
	change := c.until(t, "a", "b", "c")
	if !change.Came(moving) {
		t.Errorf("%s did not come to c", moving)
	}
	_, endNew, err := c.Begin(context.Background(), moving)
	if err != nil {
		t.Fatal(err)
	}
	endNew()
	if other.Err() != nil {
		t.Errorf("what stayed was cancelled: %v", context.Cause(other))
	}
	b.until(t, "a", "b", "c")
}

// A member that ends in order hands over without waiting for its Lease to run out.
func TestLeave(t *testing.T) {
	s := ended("a", "b")
	a, b := pair(t, s, long)
	leaving := owned(t, "b", two, "a", alone)
	ctx, end, err := b.Begin(context.Background(), leaving)
	if err != nil {
		t.Fatal(err)
	}
	b.stop()
	<-ctx.Done()
	if _, _, err := b.Begin(context.Background(), leaving); err == nil {
		t.Error("work began after the end")
	}
	end()
	if err := <-b.ended; err != nil {
		t.Fatal(err)
	}
	if change := a.until(t, "a"); !change.Came(leaving) {
		t.Errorf("%s did not come to a", leaving)
	}
}

// So does one whose last renewal was stored without its knowledge.
func TestLeaveUnanswered(t *testing.T) {
	s := ended("a", "b")
	a, b := pair(t, s, long)
	stored := s.loseAnswer("b")
	start(t, s, "c", long) // has b renew
	<-stored
	b.stop()
	if err := <-b.ended; err != nil {
		t.Fatal(err)
	}
	a.until(t, "a", "c")
}

// While the Lease cannot be renewed, work and writes end, and go on afterwards.
func TestLapse(t *testing.T) {
	s := ended("a", "b")
	a, _ := pair(t, s, 3*time.Second)
	mine := owned(t, "a", two, "a", alone)
	work, end, err := a.Begin(context.Background(), mine)
	if err != nil {
		t.Fatal(err)
	}
	write, done, err := a.Permit(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	s.fail(errors.New("away"))
	<-work.Done()
	<-write.Done()
	if !errors.Is(context.Cause(write), shard.ErrLapsed) {
		t.Errorf("a write ended because %v", context.Cause(write))
	}
	end()
	done()
	if _, _, err := a.Permit(context.Background()); !errors.Is(err, shard.ErrLapsed) {
		t.Errorf("a write without a Lease: %v", err)
	}
	s.fail(nil)
	for {
		if _, done, err := a.Permit(context.Background()); err == nil {
			done()
			return
		}
		<-time.After(10 * time.Millisecond)
	}
}

// Of two processes with one name the one that was there first ends.
func TestTwin(t *testing.T) {
	s := ended("a", "b")
	a, _ := pair(t, s, time.Second)
	start(t, s, "a", time.Second)
	twin := (*shard.TwinError)(nil)
	if err := <-a.ended; !errors.As(err, &twin) {
		t.Errorf("ended with %v", err)
	}
	if _, _, err := a.Permit(context.Background()); err == nil {
		t.Error("a write after the name was lost")
	}
}

// A server that does not share finds those that do, and is not deceived by what
// dead ones left behind.
func TestOthers(t *testing.T) {
	s := newStore()
	if others, err := share.Others(context.Background(), s, time.Second); err != nil || others != nil {
		t.Fatalf("nobody is there, but %v, %v", others, err)
	}
	s.leases["dead"] = shard.Lease{Member: "dead", Version: "1"}
	if others, err := share.Others(context.Background(), s, time.Second); err != nil || others != nil {
		t.Fatalf("the dead live: %v, %v", others, err)
	}
	start(t, s, "a", time.Second)
	if others, err := share.Others(context.Background(), s, 10*time.Second); err != nil || fmt.Sprint(others) != "[a]" {
		t.Fatalf("found %v, %v", others, err)
	}
}
