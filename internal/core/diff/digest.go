package diff

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash"
	"maps"
	"math"
	"slices"
	"strconv"
	"sync"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Digest identifies content. Digests of equal content are equal across processes
// and releases of the same format.
type Digest [16]byte

// String returns the digest in hexadecimal.
func (d Digest) String() string { return hex.EncodeToString(d[:]) }

// DigestOf returns the digest of everything in obj. The order of map keys and the
// Go type of numbers do not matter. Use it to key what was decided about obj.
func DigestOf(obj *unstructured.Unstructured) Digest {
	s := newSink()
	if obj != nil {
		s.value(obj.Object, 0)
	}
	return s.sum()
}

// sink hashes values unambiguously: every one is preceded by a tag and, where
// its length varies, by its length.
type sink struct {
	hash hash.Hash
	buf  []byte
}

// sinks are used again: digests are taken of every object at every look.
var sinks = sync.Pool{New: func() any { return &sink{hash: sha256.New(), buf: make([]byte, 0, 4096)} }}

func newSink() *sink {
	s := sinks.Get().(*sink)
	s.hash.Reset()
	s.buf = s.buf[:0]
	return s
}

const (
	tagNull = iota
	tagFalse
	tagTrue
	tagInt
	tagFloat
	tagString
	tagList
	tagMap
	tagMissing
	tagPresent
	tagOther
)

func (s *sink) tag(tag byte, n uint64) {
	s.buf = append(s.buf, tag)
	s.buf = binary.LittleEndian.AppendUint64(s.buf, n)
	if len(s.buf) > 3072 {
		s.hash.Write(s.buf)
		s.buf = s.buf[:0]
	}
}

func (s *sink) string(v string) {
	s.tag(tagString, uint64(len(v)))
	s.buf = append(s.buf, v...)
}

func (s *sink) number(v float64) {
	if v == math.Trunc(v) && math.Abs(v) < 1<<53 {
		s.tag(tagInt, uint64(int64(v)))
		return
	}
	s.tag(tagFloat, math.Float64bits(v))
}

func (s *sink) value(v any, depth int) {
	if depth > maxDepth {
		s.tag(tagOther, 0)
		return
	}
	switch v := v.(type) {
	case nil:
		s.tag(tagNull, 0)
	case bool:
		tag := byte(tagFalse)
		if v {
			tag = tagTrue
		}
		s.tag(tag, 0)
	case string:
		s.string(v)
	case int64:
		s.tag(tagInt, uint64(v))
	case int:
		s.tag(tagInt, uint64(v))
	case float64:
		s.number(v)
	case []any:
		s.tag(tagList, uint64(len(v)))
		for _, child := range v {
			s.value(child, depth+1)
		}
	case map[string]any:
		s.tag(tagMap, uint64(len(v)))
		for _, name := range slices.Sorted(maps.Keys(v)) {
			s.string(name)
			s.value(v[name], depth+1)
		}
	default: // not a JSON value; objects decoded from JSON or YAML have none
		s.tag(tagOther, 0)
		s.string(strconv.Quote(typeName(v)))
	}
}

// sum returns the digest. The sink must not be used any more.
func (s *sink) sum() Digest {
	s.hash.Write(s.buf)
	var d Digest
	copy(d[:], s.hash.Sum(s.buf[:0]))
	if cap(s.buf) <= maxKept {
		sinks.Put(s)
	}
	return d
}

// maxKept is the largest buffer that a sink keeps: one long text would stay for ever.
const maxKept = 64 << 10
