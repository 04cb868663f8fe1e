package livestate

import (
	"slices"
	"strings"
	"time"
	"unique"

	"github.com/plumbline-dev/plumbline/internal/core/listwatch"
	"github.com/plumbline-dev/plumbline/internal/core/object"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// header reads and checks the header of an object that the server sent.
func (w *watch) header(raw []byte) (listwatch.Header, error) {
	h, err := listwatch.ReadHeader(raw)
	if err == nil {
		err = h.Check()
	}
	if err != nil {
		return h, listwatch.Malformed("%w", err)
	}
	want := w.resource.GVK
	partial := w.resource.MetadataOnly && h.Kind == "PartialObjectMetadata"
	if h.Kind != "" && h.Kind != want.Kind && !partial {
		return h, listwatch.Malformed("object %q is of kind %q", h.Name.Name, h.Kind)
	}
	return h, nil
}

// changed takes in an object that was added or modified.
func (w *watch) changed(raw []byte) error {
	h, err := w.header(raw)
	if err != nil {
		return err
	}
	if w.staged != nil {
		return w.stage(h, raw)
	}
	s, full := w.state, !w.resource.MetadataOnly
	at := listwatch.ParseVersion(h.Version)
	if !s.outdated(w.kind, h, full) {
		rec := s.record(w.kind, h, raw, full)
		s.grow(w.kind)
		return w.write(h.Name, rec)
	}
	return w.advance(at)
}

// write stores what a watch event brought.
func (w *watch) write(n listwatch.Name, rec record) error {
	s := w.state
	s.mu.Lock()
	defer s.mu.Unlock()
	if w.kind.run != w.run {
		return errSuperseded
	}
	if e := w.kind.entry(n); !e.present || !e.record.same(rec) && !e.version.After(rec.version) {
		s.put(e, rec, "")
	}
	s.reached(w.kind, rec.version)
	return nil
}

// deleted takes in an object that is gone.
func (w *watch) deleted(raw []byte) error {
	h, err := w.header(raw)
	if err != nil {
		return err
	}
	if w.staged != nil {
		delete(w.staged, h.Name)
		return nil
	}
	s, at := w.state, listwatch.ParseVersion(h.Version)
	s.mu.Lock()
	defer s.mu.Unlock()
	if w.kind.run != w.run {
		return errSuperseded
	}
	if e, ok := w.kind.entries[h.Name]; ok && e.present && !e.version.After(at) {
		s.remove(e)
	}
	s.reached(w.kind, at)
	return nil
}

// stage takes in an object of an initial state that is not complete yet.
func (w *watch) stage(h listwatch.Header, raw []byte) error {
	s, k, full := w.state, w.kind, !w.resource.MetadataOnly
	s.mu.RLock()
	e, ok := k.entries[h.Name]
	known := ok && e.present && e.record.same(record{version: listwatch.ParseVersion(h.Version), uid: listwatch.ParseUID(h.UID), full: full})
	hasDict := k.hasDict
	s.mu.RUnlock()
	if known {
		w.staged[h.Name] = nil
		return nil
	}
	rec := s.record(k, h, raw, full)
	w.staged[h.Name] = &rec
	if hasDict || len(w.samples) > dictSamples {
		return nil
	}
	w.samples = append(w.samples, slices.Clone(payload(h, raw, full)))
	if len(w.samples) == dictSamples {
		s.learn(k, w.samples)
	}
	return nil
}

// commit puts the complete initial state, as of at, in place of what was
// stored. Objects that it lacks are gone, unless they were written after it.
func (w *watch) commit(at listwatch.Version) error {
	s, k := w.state, w.kind
	s.mu.Lock()
	if k.run != w.run {
		s.mu.Unlock()
		return errSuperseded
	}
	for n, rec := range w.staged {
		if rec == nil {
			continue
		}
		e := k.entry(n)
		written := e.present && e.observed == w.run.session && e.version.After(rec.version)
		if !written && !(e.present && e.record.same(*rec)) {
			s.put(e, *rec, "")
		}
	}
	for n, e := range k.entries {
		if _, found := w.staged[n]; !found && e.present && !(e.observed == w.run.session && e.version.After(at)) {
			s.remove(e)
		}
	}
	w.run.resume = at
	k.initial, k.streaming, k.lost = true, true, time.Time{}
	s.usable(k)
	s.mu.Unlock()

	w.staged, w.samples = nil, nil
	w.received()
	s.grow(k)
	return nil
}

// outdated reports whether what is stored is as new as h.
func (s *State) outdated(k *kind, h listwatch.Header, full bool) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	e, ok := k.entries[h.Name]
	if !ok || !e.present {
		return false
	}
	rec := record{version: listwatch.ParseVersion(h.Version), uid: listwatch.ParseUID(h.UID), full: full}
	return e.record.same(rec) || e.version.After(rec.version)
}

// record compresses the object in raw.
func (s *State) record(k *kind, h listwatch.Header, raw []byte, full bool) record {
	h.Name.Namespace = unique.Make(h.Name.Namespace).Value()
	key := object.Key{Group: k.gk.Group, Kind: k.gk.Kind, Namespace: h.Name.Namespace, Name: h.Name.Name}
	id, c := listwatch.ParseUID(h.UID), k.codec.Load()
	rec := record{
		version:    listwatch.ParseVersion(h.Version),
		uid:        id,
		generation: h.Generation,
		deleted:    h.Deleted,
		marks:      h.Marks(),
		data:       c.encode(payload(h, raw, full)),
		codec:      c,
		full:       full,
	}
	owners := s.cfg.Owners(Metadata{Key: key, UID: id.Value(), Labels: h.Labels, Annotations: h.Annotations})
	if len(owners) > 0 {
		rec.owners = make([]string, len(owners))
		for i, owner := range owners {
			rec.owners[i] = unique.Make(strings.Clone(owner)).Value()
		}
		slices.Sort(rec.owners)
		rec.owners = slices.Compact(rec.owners)
	}
	return rec
}

// payload returns what is kept of an object: all of it, or its metadata
// without managed fields.
func payload(h listwatch.Header, raw []byte, full bool) []byte {
	if full {
		return raw
	}
	return h.OnlyMetadata()
}

// grow gives k a dictionary once it has objects enough to make one.
func (s *State) grow(k *kind) {
	s.mu.RLock()
	var records []record
	if !k.hasDict && k.live >= dictSamples {
		for _, e := range k.entries {
			if e.present && len(records) < dictSamples {
				records = append(records, e.record)
			}
		}
	}
	s.mu.RUnlock()
	if records == nil {
		return
	}
	var samples [][]byte
	for _, rec := range records {
		if plain, err := rec.codec.decode(rec.data, nil); err == nil {
			samples = append(samples, plain)
		}
	}
	s.learn(k, samples)
}

// learn gives k a dictionary unless it has one.
func (s *State) learn(k *kind, samples [][]byte) {
	c := newCodec(samples)
	s.mu.Lock()
	defer s.mu.Unlock()
	if !k.hasDict {
		k.hasDict = true
		k.codec.Store(c)
	}
}

// ahead reports whether at is newer than all that the watch has brought;
// State.mu is held. While an initial state is awaited, anything with an order is.
func (r *run) ahead(at listwatch.Version) bool {
	return at.After(r.resume) || at.Ordered() && r.resume == listwatch.Version{}
}

// Observe stores the outcome of our own write, as the server answered it in JSON,
// at once, so that the next read sees it and its echo on the watch is not a change. Everyone whom the change
// concerns is told, except writer, the owner on whose behalf it was made.
//
// It does nothing when the kind is not watched, or when the watch has already
// passed its resource version and so knows better. raw is not kept.
func (s *State) Observe(gvk schema.GroupVersionKind, raw []byte, writer string) {
	h, err := listwatch.ReadHeader(raw)
	if err != nil || h.Check() != nil {
		return
	}
	at := listwatch.ParseVersion(h.Version)
	s.mu.RLock()
	k, r := s.kinds[gvk.GroupKind()], (*run)(nil)
	if k != nil {
		r = k.run
	}
	wanted := r != nil && k.initial && r.ahead(at) && gvk.Version == r.resource.GVK.Version
	s.mu.RUnlock()
	if !wanted {
		return
	}
	rec := s.record(k, h, raw, !r.resource.MetadataOnly)
	s.mu.Lock()
	defer s.mu.Unlock()
	if k.run != r || !k.initial || !r.ahead(at) {
		return
	}
	if e := k.entry(h.Name); !e.present || at.After(e.version) {
		s.put(e, rec, writer)
		e.observed = r.session
	}
}
