package render

import (
	"container/list"
	"encoding/json"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	kjson "sigs.k8s.io/json"

	"github.com/plumbline-dev/plumbline/internal/core/object"
	"github.com/plumbline-dev/plumbline/internal/core/source"
)

// entry is one remembered render. It does not change once it is stored.
type entry struct {
	key       Key
	footprint source.Footprint
	packed    []byte // the result; nil if err is set
	digest    string
	err       error

	place *list.Element // owned by the store
}

// entryCost is roughly what an entry weighs besides its texts.
const entryCost = 400

func (e *entry) size() int64 {
	n := int64(entryCost + len(e.packed) + e.footprint.Size())
	if e.err != nil {
		n += int64(len(e.err.Error()))
	}
	return n
}

// perKey bounds how many trees one request is remembered for: a few branches,
// or a revision and the one it is rolled back to.
const perKey = 4

// memoStore holds entries up to a number of bytes and forgets those that were
// not used for longest.
type memoStore struct {
	limit     int64
	bytes     int64
	evictions int64
	byKey     map[Key][]*entry // most recently stored first
	recent    *list.List       // of *entry, most recently used first
}

func newMemoStore(limit int64) memoStore {
	return memoStore{limit: limit, byKey: map[Key][]*entry{}, recent: list.New()}
}

func (s *memoStore) len() int { return s.recent.Len() }

// entries returns a copy, so that it can be read without the lock.
func (s *memoStore) entries(key Key) []*entry { return slices.Clone(s.byKey[key]) }

func (s *memoStore) touch(e *entry) {
	if e.place != nil {
		s.recent.MoveToFront(e.place)
	}
}

func (s *memoStore) add(e *entry) {
	if e.size() > s.limit {
		s.evictions++
		return
	}
	for _, old := range s.byKey[e.key] {
		if old.footprint == e.footprint {
			s.remove(old)
			break
		}
	}
	s.byKey[e.key] = slices.Insert(s.byKey[e.key], 0, e)
	e.place = s.recent.PushFront(e)
	s.bytes += e.size()
	if all := s.byKey[e.key]; len(all) > perKey {
		s.remove(all[perKey])
	}
	for s.bytes > s.limit {
		s.remove(s.recent.Back().Value.(*entry))
		s.evictions++
	}
}

func (s *memoStore) remove(e *entry) {
	s.recent.Remove(e.place)
	e.place = nil
	s.bytes -= e.size()
	rest := slices.DeleteFunc(s.byKey[e.key], func(other *entry) bool { return other == e })
	if len(rest) == 0 {
		delete(s.byKey, e.key)
		return
	}
	s.byKey[e.key] = rest
}

// EncodeResult returns the JSON form of a result; DecodeResult reads it.
func EncodeResult(res Result) ([]byte, error) {
	wire := wireResult{Tool: res.Tool, Warnings: res.Warnings, Impure: res.Impure, Digest: res.Digest}
	wire.Manifests = make([]wireManifest, len(res.Manifests))
	for i, m := range res.Manifests {
		wire.Manifests[i] = wireManifest{Origin: m.Origin, Object: m.Object.Object}
	}
	return json.Marshal(wire)
}

// DecodeResult reads what EncodeResult wrote.
func DecodeResult(data []byte) (Result, error) {
	var wire wireResult
	if err := kjson.UnmarshalCaseSensitivePreserveInts(data, &wire); err != nil {
		return Result{}, fmt.Errorf("stored render: %w", err)
	}
	res := Result{Tool: wire.Tool, Warnings: wire.Warnings, Impure: wire.Impure, Digest: wire.Digest}
	for _, m := range wire.Manifests {
		res.Manifests = append(res.Manifests, object.Manifest{Origin: m.Origin, Object: &unstructured.Unstructured{Object: m.Object}})
	}
	return res, nil
}

type wireResult struct {
	Tool      Tool           `json:"tool"`
	Manifests []wireManifest `json:"manifests,omitempty"`
	Warnings  []string       `json:"warnings,omitempty"`
	Impure    string         `json:"impure,omitempty"`
	Digest    string         `json:"digest,omitempty"`
}

type wireManifest struct {
	Origin object.Origin  `json:"origin"`
	Object map[string]any `json:"object"`
}

func (m *Memo) pack(res Result) ([]byte, error) {
	data, err := EncodeResult(res)
	if err != nil || m.codec == nil {
		return data, err
	}
	return m.codec.Pack(data), nil
}

func (m *Memo) unpack(e *entry) (Result, error) {
	data := e.packed
	if m.codec != nil {
		var err error
		if data, err = m.codec.Unpack(data); err != nil {
			return Result{}, err
		}
	}
	return DecodeResult(data)
}
