// Package share divides work among the replicas of a server.
//
// In go Leases, read and written through a port; out come contexts: work begins
// with one that ends when the work moves to another replica, and a write is
// given one that ends with this replica's Lease. What moves is told to a
// callback. Who owns what is decided in core/shard; this package keeps the time,
// renews, and lets go of work before others learn that they may have it.
package share

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/plumbline-dev/plumbline/internal/core/app"
	"github.com/plumbline-dev/plumbline/internal/core/shard"
)

// Leases are what the replicas write about themselves.
type Leases interface {
	// List returns the Leases of all replicas as they are stored now.
	List(ctx context.Context) ([]shard.Lease, error)
	// Put creates a Lease without a version, or replaces exactly the version
	// that it carries, and returns it as stored.
	Put(ctx context.Context, lease shard.Lease) (shard.Lease, error)
	// Delete removes a Lease in exactly its version.
	Delete(ctx context.Context, lease shard.Lease) error
	// Watch calls changed when a replica came, went or let go of something,
	// until ctx ends. Missed calls cost time, nothing else.
	Watch(ctx context.Context, changed func())
}

// Change is a step from one ring to the next.
type Change struct{ Before, After shard.Ring }

// Came reports whether the change brings an application to this replica.
func (c Change) Came(id app.ID) bool { return !c.Before.Owns(Key(id)) && c.After.Owns(Key(id)) }

// Left reports whether the change takes an application from this replica.
func (c Change) Left(id app.ID) bool { return c.Before.Owns(Key(id)) && !c.After.Owns(Key(id)) }

// Key is the name by which an application is assigned to a replica.
func Key(id app.ID) string { return id.Kind + "/" + id.Namespace + "/" + id.Name }

// Options tune a Share.
type Options struct {
	Name     string        // of this replica, another one for each; required
	Address  string        // where it takes what others pass on; may be empty
	Duration time.Duration // of a Lease; 0 means 15s
	Run      string        // names this run of the process, another one each time; required
	Logger   *slog.Logger
	Now      func() time.Time // nil means time.Now

	// OnChange is told of each change of the ring, one at a time, when what left
	// has ended and before anything that came begins. It must be quick.
	OnChange func(context.Context, Change)
}

// Share is this replica's part in the work. Create one with New, start it with
// Run. Its methods may be called by any number of goroutines.
type Share struct {
	leases Leases
	opts   Options
	poke   chan struct{}
	terms  int // used by Run alone

	mu     sync.Mutex
	view   *shard.View
	told   shard.Ring // what OnChange was told last
	seat   string     // term that was told of last
	closed bool       // no work begins any more
	valid  context.Context
	lapse  context.CancelFunc
	timer  *time.Timer // calls lapse when the Lease ends
	jobs   map[*job]struct{}
}

// job is work that is under way.
type job struct {
	key    string
	cancel context.CancelCauseFunc
	done   chan struct{}
}

// New returns a Share that owns nothing until Run.
func New(leases Leases, opts Options) *Share {
	if opts.Duration <= 0 {
		opts.Duration = 15 * time.Second
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.OnChange == nil {
		opts.OnChange = func(context.Context, Change) {}
	}
	s := &Share{
		leases: leases, opts: opts, poke: make(chan struct{}, 1),
		view: shard.NewView(opts.Name, opts.Address, opts.Duration), jobs: map[*job]struct{}{},
	}
	s.told = s.view.Ring()
	s.valid, s.lapse = context.WithCancel(context.Background())
	s.lapse()
	return s
}

// Begin starts work on an application. The work keeps to the returned context,
// which ends when the application moves or the Lease lapses, and calls the
// function when it is done. It fails with shard.ErrElsewhere or shard.ErrLapsed.
func (s *Share) Begin(ctx context.Context, id app.ID) (context.Context, func(), error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := Key(id)
	switch {
	case !s.view.Ring().Owns(key):
		return nil, nil, shard.ErrElsewhere
	case s.closed || !s.view.MayWrite(s.opts.Now()):
		return nil, nil, shard.ErrLapsed
	}
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(s.valid, func() { cancel(shard.ErrLapsed) })
	j := &job{key: key, cancel: cancel, done: make(chan struct{})}
	s.jobs[j] = struct{}{}
	return ctx, func() {
		stop()
		cancel(nil)
		s.mu.Lock()
		delete(s.jobs, j)
		s.mu.Unlock()
		close(j.done)
	}, nil
}

// Owns reports whether an application belongs to this replica.
func (s *Share) Owns(id app.ID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.view.Ring().Owns(Key(id))
}

// Permit returns the context for one write, which ends when the Lease does, and
// a function to call after it. It fails with shard.ErrLapsed.
func (s *Share) Permit(ctx context.Context) (context.Context, context.CancelFunc, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || !s.view.MayWrite(s.opts.Now()) {
		return nil, nil, shard.ErrLapsed
	}
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(s.valid, func() { cancel(shard.ErrLapsed) })
	return ctx, func() { stop(); cancel(nil) }, nil
}

// Standing is how this replica stands among all.
type Standing struct {
	Joined  bool
	Writes  bool // its Lease is valid
	Members int  // in the ring
}

// Standing returns how this replica stands now.
func (s *Share) Standing() Standing {
	s.mu.Lock()
	defer s.mu.Unlock()
	return Standing{Joined: s.view.Joined(), Writes: !s.closed && s.view.MayWrite(s.opts.Now()), Members: len(s.view.Ring().Members())}
}

// Addresses lists where the other replicas take what is passed on.
func (s *Share) Addresses() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.view.Addresses()
}

// NeedLeaderElection tells the manager that this runs in every replica.
func (s *Share) NeedLeaderElection() bool { return false }

// hint makes the loop look at once.
func (s *Share) hint() {
	select {
	case s.poke <- struct{}{}:
	default:
	}
}

// patience is the longest pause before a renewal that failed is tried again.
const patience = 2 * time.Second

// Start renews until ctx ends and gives the Lease back then. It fails when
// another process uses the name of this replica.
func (s *Share) Start(ctx context.Context) error {
	watch, stop := context.WithCancel(ctx)
	var watching sync.WaitGroup
	watching.Go(func() { s.leases.Watch(watch, s.hint) })
	defer watching.Wait()
	defer stop()
	timer := time.NewTimer(0)
	defer timer.Stop()
	failed := false
	for {
		select {
		case <-ctx.Done():
			s.leave(context.WithoutCancel(ctx))
			return nil
		case <-timer.C:
		case <-s.poke:
		}
		err := s.renew(ctx)
		switch twin := (*shard.TwinError)(nil); {
		case errors.As(err, &twin):
			s.close()
			return err
		case err != nil && ctx.Err() == nil:
			s.opts.Logger.Warn("lease not renewed", "lease", s.opts.Name, "err", err)
			failed = true
			timer.Reset(min(s.view.Every()/4, patience))
			continue
		case err == nil && failed:
			s.opts.Logger.Info("lease renewed again", "lease", s.opts.Name)
			failed = false
		}
		timer.Reset(s.view.Next().Sub(s.opts.Now()))
	}
}

// renew looks at all Leases, lets go of what is not ours any more and stores
// our own.
func (s *Share) renew(running context.Context) error {
	ctx, cancel := context.WithTimeout(running, s.opts.Duration)
	defer cancel()
	sent := s.opts.Now()
	leases, err := s.leases.List(ctx)
	if err != nil {
		return fmt.Errorf("listing leases: %w", err)
	}
	s.mu.Lock()
	err = s.view.Observe(leases, sent, s.opts.Now())
	unused := s.view.Unused()
	s.mu.Unlock()
	if err != nil {
		s.changed(running)
		return err
	}
	for _, l := range unused {
		if err := s.leases.Delete(ctx, l); err != nil {
			s.opts.Logger.Debug("unused lease not deleted", "lease", l.Member, "err", err)
			continue
		}
		s.mu.Lock()
		s.view.Removed(l)
		s.mu.Unlock()
	}
	ended := s.changed(running)
	s.terms++
	s.mu.Lock()
	proposed := s.view.Propose(s.opts.Now(), fmt.Sprintf("%s.%d", s.opts.Run, s.terms))
	s.mu.Unlock()
	if !ended {
		proposed = proposed.Silent() // nobody may take over yet what has not ended here
	}
	stored, err := s.leases.Put(ctx, proposed)
	if err != nil {
		return fmt.Errorf("renewing: %w", err)
	}
	s.mu.Lock()
	s.view.Stored(stored)
	s.view.Renewed(stored, s.opts.Now())
	s.extend()
	waits := !s.view.Joined() && stored.Term != s.seat
	s.seat = stored.Term
	s.mu.Unlock()
	if waits {
		s.opts.Logger.Info("waiting until the other replicas have made room", "lease", s.opts.Name, "limit", s.opts.Duration)
	}
	s.changed(running)
	return nil
}

// extend lets writes go on for as long as the Lease allows; s.mu is held.
func (s *Share) extend() {
	left := s.view.WritesUntil().Sub(s.opts.Now())
	if !s.view.MayWrite(s.opts.Now()) || left <= 0 {
		return
	}
	if s.valid.Err() == nil && s.timer.Reset(left) {
		return
	}
	s.lapse()
	s.valid, s.lapse = context.WithCancel(context.Background())
	s.timer = time.AfterFunc(left, s.lapse)
}

// changed cancels what is under way of applications that moved, waits until it
// has ended, and tells of the change. It returns false when something has not
// ended in time; OnChange is told all the same, since nothing of it can write.
func (s *Share) changed(ctx context.Context) bool {
	s.mu.Lock()
	change := Change{Before: s.told, After: s.view.Ring()}
	s.told = change.After
	var leaving []*job
	for j := range s.jobs {
		if !change.After.Owns(j.key) {
			j.cancel(shard.ErrElsewhere)
			leaving = append(leaving, j)
		}
	}
	s.mu.Unlock()
	ended := s.await(ctx, leaving)
	if change.Before.Equal(change.After) {
		return ended
	}
	s.opts.Logger.Info("replicas changed", "lease", s.opts.Name, "members", change.After.Members())
	s.opts.OnChange(ctx, change)
	return ended
}

// await waits until jobs have ended, for at most the time between two renewals.
func (s *Share) await(ctx context.Context, jobs []*job) bool {
	ctx, cancel := context.WithTimeout(ctx, s.view.Every()/2)
	defer cancel()
	for _, j := range jobs {
		select {
		case <-j.done:
		case <-ctx.Done():
			return false
		}
	}
	return true
}

// close ends all work; s.mu is not held.
func (s *Share) close() []*job {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.lapse()
	jobs := make([]*job, 0, len(s.jobs))
	for j := range s.jobs {
		jobs = append(jobs, j)
	}
	return jobs
}

// leave gives the Lease back once nothing is under way, so that the others take
// over at once.
func (s *Share) leave(ctx context.Context) {
	if !s.await(ctx, s.close()) {
		s.opts.Logger.Warn("lease not given back", "lease", s.opts.Name, "err", "work has not ended in time")
		return
	}
	ctx, cancel := context.WithTimeout(ctx, s.view.Every())
	defer cancel()
	for {
		err := s.giveBack(ctx)
		if err == nil {
			return
		}
		select {
		case <-time.After(rerelease):
		case <-ctx.Done():
			s.opts.Logger.Warn("lease not given back", "lease", s.opts.Name, "err", err)
			return
		}
	}
}

// rerelease is the pause before a Lease that could not be given back is tried again.
const rerelease = 200 * time.Millisecond

// giveBack releases the own Lease as a list shows it: the end may have cut off a
// renewal that was stored all the same.
func (s *Share) giveBack(ctx context.Context) error {
	leases, err := s.leases.List(ctx)
	if err != nil {
		return fmt.Errorf("listing leases: %w", err)
	}
	i := slices.IndexFunc(leases, func(l shard.Lease) bool { return l.Member == s.opts.Name })
	if i < 0 {
		return nil
	}
	s.mu.Lock()
	found := s.view.Found(leases[i])
	lease, ok := s.view.Release()
	s.mu.Unlock()
	if !found || !ok {
		return nil
	}
	_, err = s.leases.Put(ctx, lease)
	return err
}
