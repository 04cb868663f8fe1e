package livestate

import (
	"cmp"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/fnv"
	"strconv"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

// version is a resource version: a number where it is written as one, which
// saves memory and gives an order, otherwise opaque text.
type version struct {
	number uint64
	text   string
}

func parseVersion(s string) version {
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil || n == 0 || strconv.FormatUint(n, 10) != s {
		return version{text: s}
	}
	return version{number: n}
}

func (v version) String() string {
	if v.number != 0 {
		return strconv.FormatUint(v.number, 10)
	}
	return v.text
}

// compare orders v and other; ordered is false when either is opaque and they differ.
func (v version) compare(other version) (order int, ordered bool) {
	if v == other {
		return 0, true
	}
	if v.number == 0 || other.number == 0 {
		return 0, false
	}
	return cmp.Compare(v.number, other.number), true
}

// after reports whether v is known to be newer than other.
func (v version) after(other version) bool {
	order, ordered := v.compare(other)
	return ordered && order > 0
}

// uid is an object's UID: 16 bytes where it is written as a UUID.
type uid struct {
	bits [16]byte
	text string
}

func parseUID(s string) uid {
	var u uid
	if len(s) == 36 && s[8] == '-' && s[13] == '-' && s[18] == '-' && s[23] == '-' {
		digits := s[:8] + s[9:13] + s[14:18] + s[19:23] + s[24:]
		if _, err := hex.Decode(u.bits[:], []byte(digits)); err == nil && string(u.value()) == s {
			return u
		}
	}
	return uid{text: s}
}

func (u uid) value() types.UID {
	if u.text != "" {
		return types.UID(u.text)
	}
	h := hex.EncodeToString(u.bits[:])
	return types.UID(h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:])
}

// record is what is kept of one object.
type record struct {
	version    version
	uid        uid
	generation int64
	deleted    int64 // Unix seconds of the deletion timestamp, 0 for none
	marks      uint64
	owners     []string // by labels and annotations
	data       []byte   // compressed
	codec      *codec   // reads data
	full       bool     // data is the whole object, not its metadata alone
}

// same reports whether r and other hold the same state of the same object.
func (r record) same(other record) bool {
	return r.version == other.version && r.uid == other.uid && r.full == other.full
}

// name identifies an object within its kind.
type name struct{ namespace, name string }

// header is the part of an object that is read without decoding it. The raw
// slices are valid as long as the bytes it was read from.
type header struct {
	apiVersion, kind string
	name             name
	uid              string
	version          string
	generation       int64
	deleted          int64
	metadata         []byte
	labels           []byte
	annotations      []byte
}

var errNoMetadata = errors.New("it has no metadata")

// readHeader reads the header of the object in data, which is valid JSON.
func readHeader(data []byte) (header, error) {
	var h header
	members(data, func(key, value []byte) bool {
		switch {
		case named(key, "apiVersion"):
			h.apiVersion = text(value)
		case named(key, "kind"):
			h.kind = text(value)
		case named(key, "metadata"):
			h.metadata = value
		}
		return true
	})
	if h.metadata == nil {
		return h, errNoMetadata
	}
	members(h.metadata, h.readMember)
	return h, nil
}

func (h *header) readMember(key, value []byte) bool {
	switch {
	case named(key, "name"):
		h.name.name = text(value)
	case named(key, "namespace"):
		h.name.namespace = text(value)
	case named(key, "uid"):
		h.uid = text(value)
	case named(key, "resourceVersion"):
		h.version = text(value)
	case named(key, "generation"):
		h.generation, _ = strconv.ParseInt(string(value), 10, 64)
	case named(key, "deletionTimestamp"):
		if at, err := time.Parse(time.RFC3339, text(value)); err == nil {
			h.deleted = at.Unix()
		}
	case named(key, "labels"):
		h.labels = value
	case named(key, "annotations"):
		h.annotations = value
	}
	return true
}

// check says why the header is not that of an object that can be stored.
func (h header) check() error {
	switch {
	case h.name.name == "":
		return errors.New("an object has no metadata.name")
	case h.version == "":
		return fmt.Errorf("object %q has no metadata.resourceVersion", h.name.name)
	case h.uid == "":
		return fmt.Errorf("object %q has no metadata.uid", h.name.name)
	}
	return nil
}

// digestMarks hashes labels and annotations as they were sent.
func (h header) digestMarks() uint64 {
	hash := fnv.New64a()
	_, _ = hash.Write(h.labels)
	_, _ = hash.Write([]byte{0})
	_, _ = hash.Write(h.annotations)
	return hash.Sum64()
}
