package source

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
)

// A Footprint is what was read from a Tree, and what the answers were. It is a
// small comparable value; the zero Footprint is one that nothing is known about,
// and holds for no tree.
type Footprint struct {
	// The encoding: version byte, scope, scope id, number of reads, then each
	// read as the length of the prefix its path shares with the one before, the
	// rest of the path, the question and the answer. Lengths are uvarints.
	text string
}

const footprintVersion = 1

func encodeFootprint(scope, scopeID string, reads []Read) Footprint {
	b := []byte{footprintVersion}
	b = appendText(b, scope)
	b = appendAnswer(b, scopeID)
	b = binary.AppendUvarint(b, uint64(len(reads)))
	last := ""
	for _, read := range reads {
		shared := sharedPrefix(last, read.Path)
		b = binary.AppendUvarint(b, uint64(shared))
		b = appendText(b, read.Path[shared:])
		b = append(b, byte(read.Ask))
		b = appendAnswer(b, read.Answer)
		last = read.Path
	}
	return Footprint{text: string(b)}
}

func sharedPrefix(a, b string) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// appendAnswer writes an answer; the hexadecimal ones, which are most, take half
// the room and are marked by an odd length.
func appendAnswer(b []byte, s string) []byte {
	if len(s) > 1 && len(s)%2 == 1 && isHex(s[1:]) {
		raw, _ := hex.DecodeString(s[1:])
		b = binary.AppendUvarint(b, uint64(len(raw)+1)<<1|1)
		return append(append(b, s[0]), raw...)
	}
	b = binary.AppendUvarint(b, uint64(len(s))<<1)
	return append(b, s...)
}

// decoder reads an encoded footprint; bad becomes true at the first fault.
type decoder struct {
	rest string
	bad  bool
}

func (d *decoder) uvarint() int {
	var n uint64
	for i := 0; i < len(d.rest) && i < 5; i++ {
		c := d.rest[i]
		n |= uint64(c&0x7f) << (7 * i)
		if c < 0x80 {
			d.rest = d.rest[i+1:]
			return int(n)
		}
	}
	d.bad = true
	return 0
}

func (d *decoder) take(n int) string {
	if n > len(d.rest) {
		d.bad = true
		return ""
	}
	s := d.rest[:n]
	d.rest = d.rest[n:]
	return s
}

func (d *decoder) text() string { return d.take(d.uvarint()) }

func (d *decoder) answer() string {
	n := d.uvarint()
	s := d.take(n >> 1)
	if n&1 == 0 || d.bad || s == "" {
		return s
	}
	var room [96]byte
	b := append(room[:0], s[0])
	return string(hex.AppendEncode(b, []byte(s[1:])))
}

// each calls yield for every read, in order, until it returns false. It reports
// whether the encoding was sound as far as it went.
func (f Footprint) each(yield func(Read) bool) bool {
	d, _, _, count := f.open()
	last := ""
	for range count {
		shared := d.uvarint()
		suffix := d.text()
		ask := d.take(1)
		answer := d.answer()
		if d.bad || shared > len(last) {
			return false
		}
		name := suffix
		if shared > 0 {
			name = last[:shared] + suffix
		}
		last = name
		if !yield(Read{Path: name, Ask: Ask(ask[0]), Answer: answer}) {
			return true
		}
	}
	return !d.bad && d.rest == ""
}

func (f Footprint) open() (d decoder, scope, scopeID string, count int) {
	d = decoder{rest: f.text}
	if version := d.take(1); d.bad || version[0] != footprintVersion {
		return decoder{bad: true}, "", "", 0
	}
	scope, scopeID = d.text(), d.answer()
	return d, scope, scopeID, d.uvarint()
}

// Holds reports whether t gives every recorded answer again, so that whatever
// was computed from the reads would come out the same. It assumes that t has the
// same file limit. When all reads fell inside the scope and the scope's id is
// the same, no other path is looked at.
func (f Footprint) Holds(t Tree) bool {
	_, differs := f.Differs(t)
	return !differs && f != Footprint{}
}

// Differs returns the first read, by path, that t would answer differently: the
// reason why a result cannot be reused. The zero Read stands for a footprint
// that cannot be compared at all.
func (f Footprint) Differs(t Tree) (Read, bool) {
	d, scope, scopeID, _ := f.open()
	if d.bad {
		return Read{}, true
	}
	if scope != "" && sameScope(t, scope, scopeID) {
		return Read{}, false
	}
	var first Read
	differs := false
	sound := f.each(func(r Read) bool {
		answer, ok := r.Ask.again(t, r)
		if ok && answer == r.Answer {
			return true
		}
		first, differs = r, true
		return false
	})
	return first, differs || !sound
}

func sameScope(t Tree, scope, id string) bool {
	if now, err := t.ID(scope); err != nil || classID+now != id {
		return false
	}
	real, err := t.Resolve(scope)
	return err == nil && real == scope
}

// again asks t the question of r; content is first compared without finding out
// what kind of thing has it.
func (a Ask) again(t Tree, r Read) (string, bool) {
	if a == AskContent && r.Answer != answerIsDir {
		answer, ok := identity(t, r.Path)
		if answer == r.Answer {
			return answer, ok
		}
	}
	return a.answer(t, r.Path)
}

// Reads returns the recorded reads, sorted by path, then by question.
func (f Footprint) Reads() []Read {
	var reads []Read
	f.each(func(r Read) bool {
		reads = append(reads, r)
		return true
	})
	return reads
}

// Scope returns the directory all reads fell into, or "".
func (f Footprint) Scope() string {
	_, scope, _, _ := f.open()
	return scope
}

// Size returns the memory the footprint takes, in bytes.
func (f Footprint) Size() int { return len(f.text) }

// MarshalBinary returns the footprint's encoding.
func (f Footprint) MarshalBinary() ([]byte, error) { return []byte(f.text), nil }

// UnmarshalBinary replaces f by an encoding that MarshalBinary returned. It
// checks all of it and fails if it is damaged or of another version.
func (f *Footprint) UnmarshalBinary(data []byte) error {
	read := Footprint{text: string(data)}
	if read == (Footprint{}) {
		*f = read
		return nil
	}
	if !read.each(func(Read) bool { return true }) {
		return fmt.Errorf("footprint: damaged or of another version")
	}
	*f = read
	return nil
}
