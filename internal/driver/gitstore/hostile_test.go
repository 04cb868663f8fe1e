package gitstore

import (
	"bytes"
	"crypto/sha1"
	"encoding/binary"
	"strings"
	"testing"

	"github.com/klauspost/compress/zlib"
)

// raw builds a pack from entries and its index, as a hostile server might.
type raw struct {
	entries [][]byte
	ids     []oid
}

func (r *raw) add(id oid, k kind, size int, base, plain []byte) {
	head := []byte{byte(k)<<4 | byte(size&15)}
	for size >>= 4; size > 0; size >>= 7 {
		head[len(head)-1] |= 0x80
		head = append(head, byte(size&0x7f))
	}
	var b bytes.Buffer
	b.Write(head)
	b.Write(base)
	z := zlib.NewWriter(&b)
	z.Write(plain)
	z.Close()
	r.entries = append(r.entries, b.Bytes())
	r.ids = append(r.ids, id)
}

func (r *raw) pack(t testing.TB) *pack {
	data := []byte("PACK\x00\x00\x00\x02")
	data = binary.BigEndian.AppendUint32(data, uint32(len(r.entries)))
	x := []byte("\xfftOc\x00\x00\x00\x02")
	var names, offsets []byte
	var counts [256]uint32
	for i, e := range r.entries {
		names = append(names, r.ids[i][:]...)
		offsets = binary.BigEndian.AppendUint32(offsets, uint32(len(data)))
		data = append(data, e...)
		for c := int(r.ids[i][0]); c < 256; c++ {
			counts[c]++
		}
	}
	sum := sha1.Sum(data)
	data = append(data, sum[:]...)
	for _, n := range counts {
		x = binary.BigEndian.AppendUint32(x, n)
	}
	x = append(append(append(x, names...), make([]byte, 4*len(r.ids))...), offsets...)
	x = append(append(x, sum[:]...), make([]byte, 20)...)
	p, err := newPack("test.pack", x, data)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestHostilePacks(t *testing.T) {
	small := limits{file: 1 << 10, object: 1 << 16, depth: 10, entries: 100}
	tests := map[string]struct {
		reason string
		build  func(*raw)
	}{
		"large claim":     {"nothing is allocated for it", func(r *raw) { r.add(oid{1}, kindBlob, 1<<40, nil, []byte("x")) }},
		"bomb":            {"the limit holds", func(r *raw) { r.add(oid{1}, kindBlob, 1<<20, nil, make([]byte, 1<<20)) }},
		"more than said":  {"", func(r *raw) { r.add(oid{1}, kindBlob, 10, nil, make([]byte, 11)) }},
		"less than said":  {"", func(r *raw) { r.add(oid{1}, kindBlob, 10, nil, make([]byte, 9)) }},
		"delta of itself": {"loops end", func(r *raw) { self := oid{1}; r.add(self, kindRefDelta, 4, self[:], []byte{0, 0, 0, 0}) }},
		"mutual deltas": {"loops end", func(r *raw) {
			a, b := oid{1}, oid{2}
			r.add(a, kindRefDelta, 4, b[:], []byte{1, 1, 1, 0})
			r.add(b, kindRefDelta, 4, a[:], []byte{1, 1, 1, 0})
		}},
		"delta of nothing": {"", func(r *raw) { base := oid{9}; r.add(oid{1}, kindRefDelta, 4, base[:], []byte{1, 1, 1, 0}) }},
		"offset forward":   {"", func(r *raw) { r.add(oid{1}, kindOfsDelta, 4, []byte{0}, []byte{1, 1, 1, 0}) }},
		"offset too far":   {"", func(r *raw) { r.add(oid{1}, kindOfsDelta, 4, []byte{0xff, 0xff, 0xff, 0x7f}, []byte{1, 1, 1, 0}) }},
		"delta bomb": {"a result above the limit is refused before it is made", func(r *raw) {
			base := oid{2}
			r.add(oid{1}, kindRefDelta, 12, base[:], []byte{1, 0x80, 0x80, 0x80, 0x80, 0x08, 0x90, 1, 0x90, 1, 0x90, 1})
			r.add(base, kindBlob, 1, nil, []byte("x"))
		}},
		"unknown kind": {"", func(r *raw) { r.add(oid{1}, 5, 1, nil, []byte("x")) }},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var r raw
			tt.build(&r)
			p := r.pack(t)
			offset, ok := p.find(oid{1})
			if !ok {
				t.Fatal("not found")
			}
			c, err := p.read(offset, small, newLRU(1<<20))
			if err == nil {
				t.Errorf("read %d bytes: %s", len(c.data), tt.reason)
			}
			p.stat(offset, small)
		})
	}
}

func TestHostileTrees(t *testing.T) {
	line := func(mode, name string) string { return mode + " " + name + "\x00" + strings.Repeat("i", 20) }
	for name, text := range map[string]string{
		"dotdot": line("40000", ".."), "dot": line("40000", "."), "git": line("40000", ".git"), "GIT": line("100644", ".GiT"),
		"slash": line("100644", "a/b"), "empty": line("100644", ""), "mode": line("100000", "a"), "long mode": line("00000000100644", "a"),
		"cut": line("100644", "a")[:15], "no name": "100644 ", "no mode": " a\x00" + strings.Repeat("i", 20), "too many": strings.Repeat(line("100644", "a"), 101),
	} {
		if _, err := parseTree([]byte(text), 100); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
	if _, ok, _ := findEntry([]byte(line("40000", ".git")), ".git"); ok {
		t.Error(".git was found")
	}
}

// A repository that no honest git would make is refused on its way in.
func TestHostileRepositoryIsNotFetched(t *testing.T) {
	for _, name := range []string{".git", "..", "a/b"} {
		w := newWork(t)
		blob := w.gitIn([]byte("x"), "hash-object", "-w", "--stdin")
		id, err := parseOID(blob)
		if err != nil {
			t.Fatal(err)
		}
		bad := "100644 " + name + "\x00" + string(id[:])
		at := w.gitIn([]byte(bad), "hash-object", "-w", "-t", "tree", "--literally", "--stdin")
		commit := w.git("commit-tree", "-m", "bad", at)
		w.git("update-ref", "refs/heads/main", commit)
		_, err = newStore(t, Options{}).Fetch(t.Context(), w.remote())
		if kindOf(err) != FailedProtocol {
			t.Errorf("%q: %v", name, err)
		}
		oneLine(t, err)
	}
}
