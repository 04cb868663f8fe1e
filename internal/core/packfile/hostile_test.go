package packfile

import (
	"bytes"
	"compress/zlib"
	"crypto/sha1"
	"encoding/binary"
	"testing"

	"github.com/plumbline-dev/plumbline/internal/core/gitobject"
)

// raw builds a pack from entries and its index, as a hostile server might.
type raw struct {
	entries [][]byte
	ids     []gitobject.ID
}

func (r *raw) add(id gitobject.ID, k gitobject.Kind, size int, base, plain []byte) {
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

func (r *raw) pack(t testing.TB) *Pack {
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
	p, err := New("test.pack", x, data)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestHostilePacks(t *testing.T) {
	small := Limits{Object: 1 << 16, Depth: 10}
	tests := map[string]struct {
		reason string
		build  func(*raw)
	}{
		"large claim":     {"nothing is allocated for it", func(r *raw) { r.add(gitobject.ID{1}, gitobject.KindBlob, 1<<40, nil, []byte("x")) }},
		"bomb":            {"the limit holds", func(r *raw) { r.add(gitobject.ID{1}, gitobject.KindBlob, 1<<20, nil, make([]byte, 1<<20)) }},
		"more than said":  {"", func(r *raw) { r.add(gitobject.ID{1}, gitobject.KindBlob, 10, nil, make([]byte, 11)) }},
		"less than said":  {"", func(r *raw) { r.add(gitobject.ID{1}, gitobject.KindBlob, 10, nil, make([]byte, 9)) }},
		"delta of itself": {"loops end", func(r *raw) { self := gitobject.ID{1}; r.add(self, kindRefDelta, 4, self[:], []byte{0, 0, 0, 0}) }},
		"mutual deltas": {"loops end", func(r *raw) {
			a, b := gitobject.ID{1}, gitobject.ID{2}
			r.add(a, kindRefDelta, 4, b[:], []byte{1, 1, 1, 0})
			r.add(b, kindRefDelta, 4, a[:], []byte{1, 1, 1, 0})
		}},
		"delta of nothing": {"", func(r *raw) {
			base := gitobject.ID{9}
			r.add(gitobject.ID{1}, kindRefDelta, 4, base[:], []byte{1, 1, 1, 0})
		}},
		"offset forward": {"", func(r *raw) { r.add(gitobject.ID{1}, kindOfsDelta, 4, []byte{0}, []byte{1, 1, 1, 0}) }},
		"offset too far": {"", func(r *raw) {
			r.add(gitobject.ID{1}, kindOfsDelta, 4, []byte{0xff, 0xff, 0xff, 0x7f}, []byte{1, 1, 1, 0})
		}},
		"delta bomb": {"a result above the limit is refused before it is made", func(r *raw) {
			base := gitobject.ID{2}
			r.add(gitobject.ID{1}, kindRefDelta, 12, base[:], []byte{1, 0x80, 0x80, 0x80, 0x80, 0x08, 0x90, 1, 0x90, 1, 0x90, 1})
			r.add(base, gitobject.KindBlob, 1, nil, []byte("x"))
		}},
		"unknown kind": {"", func(r *raw) { r.add(gitobject.ID{1}, 5, 1, nil, []byte("x")) }},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var r raw
			tt.build(&r)
			p := r.pack(t)
			offset, ok := p.Find(gitobject.ID{1})
			if !ok {
				t.Fatal("not found")
			}
			c, err := p.Read(gitobject.ID{1}, offset, small, NewCache(1<<20))
			if err == nil {
				t.Errorf("read %d bytes: %s", len(c.Data), tt.reason)
			}
			p.Stat(gitobject.ID{1}, offset, small)
		})
	}
}
