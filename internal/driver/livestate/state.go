package livestate

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/plumbline-dev/plumbline/internal/core/object"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// pokeEvery is the shortest time between two attempts that Require asks for.
const pokeEvery = time.Second

// knownFailure is how long Require waits for a kind that failed before and is
// being tried again, so that a broken kind does not hold up its users.
const knownFailure = 2 * time.Second

// State is the memory of one cluster. Its methods may be called at any time
// and by any number of goroutines, also from the callbacks, except Close,
// which waits for them.
type State struct {
	cfg   Config
	queue *queue
	slots chan struct{} // initial states being received

	ctx    context.Context
	cancel context.CancelFunc
	loops  sync.WaitGroup

	mu      sync.RWMutex // held for short: never during I/O, compression or callbacks
	closed  bool
	kinds   map[schema.GroupKind]*kind
	users   map[string][]*kind
	marked  map[string][]*entry // owner to the present objects whose marks name it
	claimed map[string][]*entry
}

// New returns an empty State that watches nothing until Require. Close it.
func New(cfg Config) *State {
	cfg = cfg.withDefaults()
	ctx, cancel := context.WithCancel(context.Background())
	return &State{
		cfg:     cfg,
		queue:   startQueue(cfg.OnChange, cfg.OnKind),
		slots:   make(chan struct{}, cfg.Syncs),
		ctx:     ctx,
		cancel:  cancel,
		kinds:   map[schema.GroupKind]*kind{},
		users:   map[string][]*kind{},
		marked:  map[string][]*entry{},
		claimed: map[string][]*entry{},
	}
}

// Close ends all watches and returns when nothing of the State runs any more.
// Changes that were not delivered are dropped.
func (s *State) Close() {
	s.mu.Lock()
	s.closed = true
	for _, k := range s.kinds {
		if k.idle != nil {
			k.idle.Stop()
		}
	}
	s.mu.Unlock()
	s.cancel()
	s.loops.Wait()
	s.queue.close()
}

// Require declares that user needs exactly these resources, in place of those
// it named before, and waits until each is completely known.
//
// A kind that is watched already costs nothing. It returns a *RequireError
// that lists a *KindError for each kind that could not be provided; the others
// are ready. A kind that failed is retried for as long as it is required, and
// Config.OnKind tells when it works; calling Require again tries at once, as
// after the creation of a CustomResourceDefinition. When ctx ends first, the
// cause is ErrNotSynced.
func (s *State) Require(ctx context.Context, user string, resources []Resource) error {
	waits, err := s.enlist(user, resources)
	if err != nil {
		return err
	}
	var failed []*KindError
	for _, w := range waits {
		if err := s.await(ctx, w); err != nil {
			failed = append(failed, err)
		}
	}
	return requireError(failed)
}

// Release forgets what user required. A kind that nobody requires is watched
// for Config.Linger more and then dropped, without a Change.
func (s *State) Release(user string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range s.users[user] {
		s.leave(k, user)
	}
	delete(s.users, user)
}

// wait is one kind that Require waits for.
type wait struct {
	kind     *kind
	resource Resource
	finished uint64 // attempts at the time of Require
	retried  bool   // an attempt has been asked for or is on its way
}

func (s *State) enlist(user string, resources []Resource) ([]wait, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, ErrClosed
	}
	before := s.users[user]
	var kinds []*kind
	var waits []wait
	for _, res := range resources {
		k := s.kindOf(res.GVK.GroupKind())
		if !slices.Contains(kinds, k) {
			kinds = append(kinds, k)
		}
		k.users[user] = struct{}{}
		if k.idle != nil {
			k.idle.Stop()
			k.idle = nil
		}
		s.adopt(k, res)
		waits = append(waits, wait{kind: k, resource: res, finished: k.finished, retried: k.retry()})
	}
	for _, k := range before {
		if !slices.Contains(kinds, k) {
			s.leave(k, user)
		}
	}
	s.users[user] = slices.Clip(kinds)
	return waits, nil
}

// leave takes user off k; s.mu is held.
func (s *State) leave(k *kind, user string) {
	delete(k.users, user)
	if len(k.users) > 0 || s.closed || k.idle != nil {
		return
	}
	k.idle = time.AfterFunc(s.cfg.Linger, func() { s.retire(k) })
}

// retire drops the objects of a kind that is still not required.
func (s *State) retire(k *kind) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(k.users) > 0 || s.closed {
		return
	}
	k.idle = nil
	if k.run != nil {
		k.run.cancel()
		k.run = nil
	}
	for _, e := range k.entries {
		s.unmark(e, e.owners)
		e.record, e.present = record{}, false
		s.sweep(e)
	}
	k.live, k.bytes = 0, 0
	k.reset()
	k.codec.Store(newCodec(nil))
	k.hasDict = false
	if len(k.entries) == 0 {
		delete(s.kinds, k.gk)
	}
	k.broadcast()
}

// await waits until w's kind is ready or has failed since.
func (s *State) await(ctx context.Context, w wait) *KindError {
	patience := time.NewTimer(knownFailure)
	defer patience.Stop()
	for {
		s.mu.RLock()
		ready := w.kind.ready(s.cfg.StaleAfter)
		failure := w.kind.err
		tried := !w.retried || w.kind.finished > w.finished
		changed := w.kind.changed
		s.mu.RUnlock()
		switch {
		case ready:
			return nil
		case failure != nil && tried:
			return failure
		}
		known := patience.C
		if failure == nil {
			known = nil
		}
		select {
		case <-changed:
		case <-known:
			return failure
		case <-ctx.Done():
			if failure != nil {
				return failure
			}
			return &KindError{GVK: w.resource.GVK, Cause: errors.Join(ErrNotSynced, ctx.Err())}
		case <-s.ctx.Done():
			return &KindError{GVK: w.resource.GVK, Cause: ErrClosed}
		}
	}
}

// Claim declares that owner is interested in exactly these keys, in place of
// those it claimed before, whether or not the objects exist or carry marks.
// No keys withdraw the claim.
func (s *State) Claim(owner string, keys []object.Key) {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.claimed[owner]
	delete(s.claimed, owner)
	for _, e := range before {
		if i := slices.Index(e.claims, owner); i >= 0 {
			e.claims = slices.Delete(slices.Clone(e.claims), i, i+1)
		}
	}
	var entries []*entry
	for _, key := range keys {
		e := s.kindOf(key.GroupKind()).entry(nameOf(key))
		if i, found := slices.BinarySearch(e.claims, owner); !found {
			e.claims = slices.Insert(slices.Clone(e.claims), i, owner)
			entries = append(entries, e)
		}
	}
	if len(entries) > 0 {
		s.claimed[owner] = slices.Clip(entries)
	}
	for _, e := range before {
		s.sweep(e)
	}
}
