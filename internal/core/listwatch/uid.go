package listwatch

import (
	"encoding/hex"

	"k8s.io/apimachinery/pkg/types"
)

// UID is an object's UID: 16 bytes where it is written as a UUID.
type UID struct {
	bits [16]byte
	text string
}

// ParseUID reads a UID.
func ParseUID(s string) UID {
	var u UID
	if len(s) == 36 && s[8] == '-' && s[13] == '-' && s[18] == '-' && s[23] == '-' {
		digits := s[:8] + s[9:13] + s[14:18] + s[19:23] + s[24:]
		if _, err := hex.Decode(u.bits[:], []byte(digits)); err == nil && string(u.Value()) == s {
			return u
		}
	}
	return UID{text: s}
}

// Value returns the UID as the server wrote it.
func (u UID) Value() types.UID {
	if u.text != "" {
		return types.UID(u.text)
	}
	h := hex.EncodeToString(u.bits[:])
	return types.UID(h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:])
}
