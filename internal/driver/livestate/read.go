package livestate

import (
	"bytes"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/plumbline-dev/plumbline/internal/core/object"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utiljson "k8s.io/apimachinery/pkg/util/json"
)

// Get returns a copy of the object at key, in the version its kind is watched
// in. It is false when there is none or only its metadata is kept; whether
// "none" can be relied on is what Synced says.
func (s *State) Get(key object.Key) (*unstructured.Unstructured, bool) {
	data, res, ok := s.plain(key, true)
	if !ok {
		return nil, false
	}
	obj := map[string]any{}
	if err := utiljson.Unmarshal(data, &obj); err != nil {
		s.cfg.Logger.Error("stored object was unreadable", "object", key.String(), "err", oneLine(err.Error()))
		return nil, false
	}
	u := &unstructured.Unstructured{Object: obj}
	u.SetGroupVersionKind(res.GVK) // lists leave it out
	return u, true
}

// GetMetadata returns a copy of the metadata of the object at key, whether or
// not the rest is kept. Kinds kept as metadata only come without managed fields.
func (s *State) GetMetadata(key object.Key) (*metav1.PartialObjectMetadata, bool) {
	data, res, ok := s.plain(key, false)
	if !ok {
		return nil, false
	}
	out := &metav1.PartialObjectMetadata{}
	if err := utiljson.Unmarshal(data, out); err != nil {
		s.cfg.Logger.Error("stored object was unreadable", "object", key.String(), "err", oneLine(err.Error()))
		return nil, false
	}
	out.SetGroupVersionKind(res.GVK)
	return out, true
}

// Mentions reports whether the object at key, as the server wrote it, contains
// one of the texts. It costs much less than decoding the object.
func (s *State) Mentions(key object.Key, texts ...string) bool {
	data, _, ok := s.plain(key, false)
	return ok && slices.ContainsFunc(texts, func(text string) bool { return bytes.Contains(data, []byte(text)) })
}

// plain returns the JSON of the object at key.
func (s *State) plain(key object.Key, full bool) ([]byte, Resource, bool) {
	s.mu.RLock()
	k := s.kinds[key.GroupKind()]
	if k == nil {
		s.mu.RUnlock()
		return nil, Resource{}, false
	}
	e, ok := k.entries[nameOf(key)]
	if !ok || !e.present || (full && !e.full) {
		s.mu.RUnlock()
		return nil, Resource{}, false
	}
	data, res, c := e.data, k.resource, e.codec
	s.mu.RUnlock()
	out, err := c.decode(data, nil)
	if err != nil {
		s.cfg.Logger.Error("stored object was unreadable", "object", key.String(), "err", err.Error())
		return nil, Resource{}, false
	}
	return out, res, true
}

// Meta returns what is kept uncompressed of the object at key, at the price of
// a map lookup.
func (s *State) Meta(key object.Key) (Meta, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	k := s.kinds[key.GroupKind()]
	if k == nil {
		return Meta{}, false
	}
	e, ok := k.entries[nameOf(key)]
	if !ok || !e.present {
		return Meta{}, false
	}
	m := Meta{
		UID:             e.uid.Value(),
		ResourceVersion: e.version.String(),
		Generation:      e.generation,
		Marks:           e.marks,
	}
	if e.deleted != 0 {
		m.Deleted = time.Unix(e.deleted, 0).UTC()
	}
	return m, true
}

// Owned returns the sorted keys of the objects whose marks name owner. Claims
// do not count: who claims a key knows it.
func (s *State) Owned(owner string) []object.Key {
	s.mu.RLock()
	keys := make([]object.Key, 0, len(s.marked[owner]))
	for _, e := range s.marked[owner] {
		keys = append(keys, e.key())
	}
	s.mu.RUnlock()
	slices.SortFunc(keys, object.Key.Compare)
	return keys
}

// Claimed returns who claims a key, sorted. The slice is shared and must not be changed.
func (s *State) Claimed(key object.Key) []string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	k := s.kinds[key.GroupKind()]
	if k == nil {
		return nil
	}
	if e, ok := k.entries[nameOf(key)]; ok {
		return e.claims
	}
	return nil
}

// Keys returns the sorted keys of all stored objects of gk.
func (s *State) Keys(gk schema.GroupKind) []object.Key {
	var keys []object.Key
	s.mu.RLock()
	if k := s.kinds[gk]; k != nil {
		for _, e := range k.entries {
			if e.present {
				keys = append(keys, e.key())
			}
		}
	}
	s.mu.RUnlock()
	slices.SortFunc(keys, object.Key.Compare)
	return keys
}

// Users returns the sorted names of those that require gk.
func (s *State) Users(gk schema.GroupKind) []string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	k := s.kinds[gk]
	if k == nil {
		return nil
	}
	return slices.Sorted(maps.Keys(k.users))
}

// Synced reports whether the objects of gk are completely known and their
// watch is alive, or was within Config.StaleAfter.
func (s *State) Synced(gk schema.GroupKind) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	k := s.kinds[gk]
	return k != nil && k.run != nil && k.ready(s.cfg.StaleAfter)
}

// Count returns the number of stored objects.
func (s *State) Count() int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	n := 0
	for _, k := range s.kinds {
		n += k.live
	}
	return n
}

// Pending lists the kinds that are watched, whose initial state has not arrived
// and that nothing speaks against yet.
func (s *State) Pending() []schema.GroupKind {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var list []schema.GroupKind
	for gk, k := range s.kinds {
		if k.run != nil && !k.initial && !k.refused && k.err == nil {
			list = append(list, gk)
		}
	}
	return list
}

// Stats describes the memory of a State.
type Stats struct {
	Objects int
	Bytes   int64 // compressed, without the book-keeping of about 300 bytes an object
	Kinds   []KindStats
}

// KindStats describes one watched kind.
type KindStats struct {
	GVK          schema.GroupVersionKind
	MetadataOnly bool
	Objects      int
	Bytes        int64
	Users        int
	Synced       bool
	Interrupted  time.Time // since when the watch is interrupted, zero while it runs
	Err          error     // of the latest attempt, nil once it works
}

// Stats returns the present figures, the kinds sorted.
func (s *State) Stats() Stats {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var out Stats
	for _, k := range s.kinds {
		if k.run == nil {
			continue
		}
		ks := KindStats{
			GVK:          k.resource.GVK,
			MetadataOnly: k.resource.MetadataOnly,
			Objects:      k.live,
			Bytes:        k.bytes,
			Users:        len(k.users),
			Synced:       k.ready(s.cfg.StaleAfter),
		}
		if !k.streaming {
			ks.Interrupted = k.lost
		}
		if k.err != nil {
			ks.Err = k.err
		}
		out.Objects += ks.Objects
		out.Bytes += ks.Bytes
		out.Kinds = append(out.Kinds, ks)
	}
	slices.SortFunc(out.Kinds, func(a, b KindStats) int {
		return strings.Compare(a.GVK.String(), b.GVK.String())
	})
	return out
}
