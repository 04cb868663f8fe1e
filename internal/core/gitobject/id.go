package gitobject

import (
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"strconv"
)

// ID is a SHA-1 object id.
type ID [sha1.Size]byte

// String returns the id in 40 hexadecimal digits.
func (id ID) String() string { return hex.EncodeToString(id[:]) }

// ParseID reads an id in full.
func ParseID(s string) (ID, error) {
	var id ID
	if len(s) == 64 {
		return id, fmt.Errorf("object id %q: is SHA-256: such repositories cannot be read yet", s)
	}
	if n, err := hex.Decode(id[:], []byte(s[:min(len(s), 2*len(id))])); err != nil || n != len(id) || len(s) != 2*len(id) {
		return id, fmt.Errorf("object id %q: is not 40 hexadecimal digits", s)
	}
	return id, nil
}

// Kind is the type of an object, as packs number it.
type Kind byte

// The kinds of object.
const (
	KindCommit Kind = 1
	KindTree   Kind = 2
	KindBlob   Kind = 3
	KindTag    Kind = 4
)

// String returns the word that Git has for the kind.
func (k Kind) String() string {
	switch k {
	case KindCommit:
		return "commit"
	case KindTree:
		return "tree"
	case KindBlob:
		return "blob"
	case KindTag:
		return "tag"
	}
	return "unknown object type " + strconv.Itoa(int(k))
}

// parseKind reads Git's word for a kind.
func parseKind(word string) (Kind, bool) {
	for k := KindCommit; k <= KindTag; k++ {
		if k.String() == word {
			return k, true
		}
	}
	return 0, false
}

// Object is an object's kind and plain text.
type Object struct {
	Kind   Kind
	Data   []byte
	Shared bool // others read Data too: it must not be changed
}

// ID returns the id that the object's content gives it.
func (o Object) ID() ID {
	h := sha1.New()
	var head [32]byte
	b := append(head[:0], o.Kind.String()...)
	b = append(b, ' ')
	b = strconv.AppendInt(b, int64(len(o.Data)), 10)
	h.Write(append(b, 0))
	h.Write(o.Data)
	var id ID
	h.Sum(id[:0])
	return id
}
