package livestate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/plumbline-dev/plumbline/internal/core/object"
)

// A Spread is the memory of a cluster of which some namespaces alone may be seen: a
// State for each of them, and one for what lives in none, if that may be seen. All
// methods are those of State and safe for concurrent use.
type Spread struct {
	wide *State // nil: nothing without a namespace is seen
	in   map[string]*State
}

// NewSpread returns the memory of namespaces; cfg is that of each State in it.
func NewSpread(cfg Config, namespaces []string, wide bool) *Spread {
	s := &Spread{in: map[string]*State{}}
	for _, ns := range namespaces {
		of := cfg
		of.Namespace = ns
		s.in[ns] = New(of)
	}
	if wide {
		s.wide = New(cfg)
	}
	return s
}

// ErrOutOfSight is the cause of a KindError of a kind that lives in no namespace, where
// only namespaces may be seen.
var ErrOutOfSight = errors.New("of this cluster only namespaces may be seen, and the kind lives in none")

func (s *Spread) all() []*State {
	list := make([]*State, 0, len(s.in)+1)
	for _, ns := range slices.Sorted(maps.Keys(s.in)) {
		list = append(list, s.in[ns])
	}
	if s.wide != nil {
		list = append(list, s.wide)
	}
	return list
}

// of returns the State that has the objects of a namespace; nil: none has.
func (s *Spread) of(namespace string) *State {
	if namespace == "" {
		return s.wide
	}
	return s.in[namespace]
}

// Require has kinds watched in every namespace.
func (s *Spread) Require(ctx context.Context, user string, resources []Resource) error {
	var spaced, wide []Resource
	failed := map[schema.GroupVersionKind]*KindError{}
	for _, r := range resources {
		switch {
		case r.Namespaced:
			spaced = append(spaced, r)
		case s.wide == nil:
			failed[r.GVK] = &KindError{GVK: r.GVK, Cause: ErrOutOfSight}
		default:
			wide = append(wide, r)
		}
	}
	var mu sync.Mutex
	var other error
	note := func(where string, err error) {
		mu.Lock()
		defer mu.Unlock()
		each := (*RequireError)(nil)
		if !errors.As(err, &each) {
			other = errors.Join(other, err)
			return
		}
		for _, k := range each.Kinds {
			if failed[k.GVK] == nil {
				failed[k.GVK] = &KindError{GVK: k.GVK, Cause: fmt.Errorf("%s%w", where, k.Cause)}
			}
		}
	}
	var wait sync.WaitGroup
	for ns, state := range s.in {
		wait.Go(func() { note("in namespace "+ns+": ", state.Require(ctx, user, spaced)) })
	}
	if s.wide != nil {
		wait.Go(func() { note("", s.wide.Require(ctx, user, wide)) })
	}
	wait.Wait()
	if other != nil {
		return other
	}
	return requireError(slices.Collect(maps.Values(failed)))
}

// Release gives up what a user required.
func (s *Spread) Release(user string) {
	for _, state := range s.all() {
		state.Release(user)
	}
}

// Claim replaces what an owner claims.
func (s *Spread) Claim(owner string, keys []object.Key) {
	by := map[*State][]object.Key{}
	for _, key := range keys {
		if state := s.of(key.Namespace); state != nil {
			by[state] = append(by[state], key)
		}
	}
	for _, state := range s.all() {
		state.Claim(owner, by[state])
	}
}

// Claimed lists who claims an object.
func (s *Spread) Claimed(key object.Key) []string {
	if state := s.of(key.Namespace); state != nil {
		return state.Claimed(key)
	}
	return nil
}

// Owned lists the objects that carry an owner's mark.
func (s *Spread) Owned(owner string) []object.Key {
	var keys []object.Key
	for _, state := range s.all() {
		keys = append(keys, state.Owned(owner)...)
	}
	return keys
}

// Meta identifies the state of an object.
func (s *Spread) Meta(key object.Key) (Meta, bool) {
	if state := s.of(key.Namespace); state != nil {
		return state.Meta(key)
	}
	return Meta{}, false
}

// Get returns an object.
func (s *Spread) Get(key object.Key) (*unstructured.Unstructured, bool) {
	if state := s.of(key.Namespace); state != nil {
		return state.Get(key)
	}
	return nil, false
}

// GetMetadata returns the metadata of an object.
func (s *Spread) GetMetadata(key object.Key) (*metav1.PartialObjectMetadata, bool) {
	if state := s.of(key.Namespace); state != nil {
		return state.GetMetadata(key)
	}
	return nil, false
}

// Mentions reports whether an object holds one of the texts.
func (s *Spread) Mentions(key object.Key, texts ...string) bool {
	state := s.of(key.Namespace)
	return state != nil && state.Mentions(key, texts...)
}

// Observe takes in an object as an answer of the server had it.
func (s *Spread) Observe(gvk schema.GroupVersionKind, raw []byte, writer string) {
	var head struct {
		Metadata struct {
			Namespace string `json:"namespace"`
		} `json:"metadata"`
	}
	if json.Unmarshal(raw, &head) != nil {
		return
	}
	if state := s.of(head.Metadata.Namespace); state != nil {
		state.Observe(gvk, raw, writer)
	}
}

// Keys lists the objects of a kind.
func (s *Spread) Keys(gk schema.GroupKind) []object.Key {
	var keys []object.Key
	for _, state := range s.all() {
		keys = append(keys, state.Keys(gk)...)
	}
	return keys
}

// Users lists who required a kind.
func (s *Spread) Users(gk schema.GroupKind) []string {
	var users []string
	for _, state := range s.all() {
		users = append(users, state.Users(gk)...)
	}
	slices.Sort(users)
	return slices.Compact(users)
}

// Pending lists the kinds that are not known yet in some namespace.
func (s *Spread) Pending() []schema.GroupKind {
	var kinds []schema.GroupKind
	for _, state := range s.all() {
		for _, gk := range state.Pending() {
			if !slices.Contains(kinds, gk) {
				kinds = append(kinds, gk)
			}
		}
	}
	return kinds
}

// Count returns how many objects are kept.
func (s *Spread) Count() int {
	n := 0
	for _, state := range s.all() {
		n += state.Count()
	}
	return n
}

// Stats adds up the figures of all.
func (s *Spread) Stats() Stats {
	var sum Stats
	for _, state := range s.all() {
		one := state.Stats()
		sum.Objects += one.Objects
		sum.Bytes += one.Bytes
		sum.Kinds = append(sum.Kinds, one.Kinds...)
	}
	return sum
}

// Close ends all watches.
func (s *Spread) Close() {
	for _, state := range s.all() {
		state.Close()
	}
}
