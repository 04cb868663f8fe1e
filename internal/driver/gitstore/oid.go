package gitstore

import (
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"strconv"
)

// oid is a SHA-1 object id.
type oid [sha1.Size]byte

func (id oid) String() string { return hex.EncodeToString(id[:]) }

func parseOID(s string) (oid, error) {
	var id oid
	if len(s) == 64 {
		return id, fmt.Errorf("object id %q: is SHA-256: such repositories cannot be read yet", s)
	}
	if n, err := hex.Decode(id[:], []byte(s[:min(len(s), 2*len(id))])); err != nil || n != len(id) || len(s) != 2*len(id) {
		return id, fmt.Errorf("object id %q: is not 40 hexadecimal digits", s)
	}
	return id, nil
}

// kind is the type of an object as packs number it.
type kind byte

const (
	kindCommit   kind = 1
	kindTree     kind = 2
	kindBlob     kind = 3
	kindTag      kind = 4
	kindOfsDelta kind = 6
	kindRefDelta kind = 7
)

func (k kind) String() string {
	switch k {
	case kindCommit:
		return "commit"
	case kindTree:
		return "tree"
	case kindBlob:
		return "blob"
	case kindTag:
		return "tag"
	}
	return "unknown object type " + strconv.Itoa(int(k))
}

// digest returns the id of an object with the given content.
func digest(k kind, data []byte) oid {
	h := sha1.New()
	var head [32]byte
	b := append(head[:0], k.String()...)
	b = append(b, ' ')
	b = strconv.AppendInt(b, int64(len(data)), 10)
	h.Write(append(b, 0))
	h.Write(data)
	var id oid
	h.Sum(id[:0])
	return id
}
