package livestate

import "github.com/plumbline-dev/plumbline/internal/core/listwatch"

// record is what is kept of one object.
type record struct {
	version    listwatch.Version
	uid        listwatch.UID
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
