package listwatch

import (
	"cmp"
	"strconv"
)

// Version is a resource version: a number where it is written as one, which
// saves memory and gives an order, otherwise opaque text.
type Version struct {
	number uint64
	text   string
}

// ParseVersion reads a resource version.
func ParseVersion(s string) Version {
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil || n == 0 || strconv.FormatUint(n, 10) != s {
		return Version{text: s}
	}
	return Version{number: n}
}

// String returns the version as the server wrote it.
func (v Version) String() string {
	if v.number != 0 {
		return strconv.FormatUint(v.number, 10)
	}
	return v.text
}

// Ordered reports whether the version is a number, which others can be compared with.
func (v Version) Ordered() bool { return v.number != 0 }

// Compare orders v and other; ordered is false when either is opaque and they differ.
func (v Version) Compare(other Version) (order int, ordered bool) {
	if v == other {
		return 0, true
	}
	if v.number == 0 || other.number == 0 {
		return 0, false
	}
	return cmp.Compare(v.number, other.number), true
}

// After reports whether v is known to be newer than other.
func (v Version) After(other Version) bool {
	order, ordered := v.Compare(other)
	return ordered && order > 0
}
