package livestate

import (
	"context"
	"slices"
	"sync/atomic"
	"time"

	"github.com/plumbline-dev/plumbline/internal/core/listwatch"
	"github.com/plumbline-dev/plumbline/internal/core/object"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// kind holds the objects of one kind and what is known about their watch. All
// fields but codec are guarded by State.mu.
type kind struct {
	gk      schema.GroupKind
	users   map[string]struct{}
	entries map[listwatch.Name]*entry
	live    int   // entries that are present
	bytes   int64 // of their data
	codec   atomic.Pointer[codec]
	hasDict bool // codec has its dictionary, or no samples that are worth one
	idle    *time.Timer

	resource Resource
	run      *run // the loop that may write; nil when the kind is not watched

	initial   bool       // a complete initial state was received by run
	streaming bool       // a watch is open
	lost      time.Time  // since when the state may lag behind; zero while it does not
	refused   bool       // the server said that this kind cannot be had
	err       *KindError // of the latest attempt
	told      news       // what users were told last
	attempt   time.Time  // start of the latest attempt
	finished  uint64     // attempts that ended or became ready
	changed   chan struct{}
}

// news is what Config.OnKind was told about a kind.
type news int

const (
	newsNone news = iota
	newsUsable
	newsBroken
)

// run is one watch loop. A loop that is no longer its kind's run writes nothing.
type run struct {
	resource Resource
	cancel   context.CancelFunc
	poke     chan struct{}

	// Guarded by State.mu.
	resume  listwatch.Version // where the next watch continues; zero asks for an initial state
	session uint64

	// Used by the loop alone.
	listing    bool // the server does not stream initial states
	bookmarked bool // the server sends bookmarks
	suspicious int  // answers in a row that make resume doubtful
	garbled    bool // the last watch that was opened brought nothing valid
}

// entry is a place for an object: present, claimed, or both.
type entry struct {
	kind     *kind
	name     listwatch.Name
	claims   []string // sorted and not changed in place
	observed uint64   // session during which Observe wrote the record
	present  bool
	record
}

func (e *entry) key() object.Key {
	return object.Key{Group: e.kind.gk.Group, Kind: e.kind.gk.Kind, Namespace: e.name.Namespace, Name: e.name.Name}
}

func nameOf(key object.Key) listwatch.Name {
	return listwatch.Name{Namespace: key.Namespace, Name: key.Name}
}

// kindOf returns the kind of gk and makes one if need be; s.mu is held.
func (s *State) kindOf(gk schema.GroupKind) *kind {
	if k, ok := s.kinds[gk]; ok {
		return k
	}
	k := &kind{
		gk:      gk,
		users:   map[string]struct{}{},
		entries: map[listwatch.Name]*entry{},
		changed: make(chan struct{}),
	}
	k.codec.Store(newCodec(nil))
	s.kinds[gk] = k
	return k
}

func (k *kind) entry(n listwatch.Name) *entry {
	e, ok := k.entries[n]
	if !ok {
		e = &entry{kind: k, name: n}
		k.entries[n] = e
	}
	return e
}

// ready reports whether the objects of k can be relied on.
func (k *kind) ready(staleAfter time.Duration) bool {
	switch {
	case !k.initial || k.refused:
		return false
	case k.streaming || k.lost.IsZero():
		return true
	default:
		return time.Since(k.lost) < staleAfter
	}
}

// reset forgets what is known about the watch.
func (k *kind) reset() {
	k.initial, k.streaming, k.refused, k.err, k.lost, k.told = false, false, false, nil, time.Time{}, newsNone
}

func (k *kind) broadcast() {
	close(k.changed)
	k.changed = make(chan struct{})
}

// retry asks a loop that pauses after a failure to try again, at most once in
// pokeEvery, and reports whether an attempt is to be waited for.
func (k *kind) retry() bool {
	if k.err == nil {
		return true
	}
	if time.Since(k.attempt) < pokeEvery {
		return false
	}
	select {
	case k.run.poke <- struct{}{}:
	default:
	}
	return true
}

// adopt makes k watch res, or leaves it as it is when it serves res already.
func (s *State) adopt(k *kind, res Resource) {
	if k.run != nil {
		fuller := k.resource.MetadataOnly && !res.MetadataOnly
		moved := k.resource.GVR != res.GVR && k.err != nil && !k.ready(s.cfg.StaleAfter)
		if !fuller && !moved {
			return
		}
		res.MetadataOnly = res.MetadataOnly && k.resource.MetadataOnly
		k.run.cancel()
		k.reset()
		k.codec.Store(newCodec(nil))
		k.hasDict = false
	}
	ctx, cancel := context.WithCancel(s.ctx)
	k.resource = res
	k.run = &run{resource: res, cancel: cancel, poke: make(chan struct{}, 1)}
	s.loops.Add(1)
	go s.loop(ctx, k, k.run)
}

// put stores rec and tells everyone but writer; s.mu is held.
func (s *State) put(e *entry, rec record, writer string) {
	k := e.kind
	change := Change{Key: e.key(), Type: Modified}
	before := e.owners
	if !e.present {
		change.Type = Added
		before = nil
		k.live++
	}
	k.bytes += int64(len(rec.data) - len(e.data))
	if !e.present || !slices.Equal(before, rec.owners) {
		s.unmark(e, before)
		for _, owner := range rec.owners {
			s.marked[owner] = append(s.marked[owner], e)
		}
	}
	e.record, e.present, e.observed = rec, true, 0
	change.Owners = union(union(before, rec.owners), e.claims)
	s.tell(change, writer)
}

// remove forgets e's object and tells everyone; s.mu is held.
func (s *State) remove(e *entry) {
	k := e.kind
	owners := union(e.owners, e.claims)
	s.unmark(e, e.owners)
	k.live--
	k.bytes -= int64(len(e.data))
	e.record, e.present = record{}, false
	s.sweep(e)
	s.tell(Change{Key: e.key(), Type: Deleted, Owners: owners}, "")
}

func (s *State) tell(change Change, writer string) {
	if writer != "" {
		if i := slices.Index(change.Owners, writer); i >= 0 {
			change.Owners = slices.Delete(slices.Clone(change.Owners), i, i+1)
		}
		if len(change.Owners) == 0 {
			return
		}
	}
	s.queue.addChange(change)
}

// unmark takes e out of the index of its owners.
func (s *State) unmark(e *entry, owners []string) {
	for _, owner := range owners {
		list := s.marked[owner]
		i := slices.Index(list, e)
		if i < 0 {
			continue
		}
		last := len(list) - 1
		list[i], list[last] = list[last], nil
		if s.marked[owner] = list[:last]; last == 0 {
			delete(s.marked, owner)
		}
	}
}

// sweep drops e when nothing needs it any more, and its kind with the last.
func (s *State) sweep(e *entry) {
	if e.present || len(e.claims) > 0 {
		return
	}
	k := e.kind
	delete(k.entries, e.name)
	if len(k.entries) == 0 && len(k.users) == 0 && k.run == nil && s.kinds[k.gk] == k {
		delete(s.kinds, k.gk)
	}
}
