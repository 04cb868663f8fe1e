package packfile

import (
	"bytes"
	"testing"

	"github.com/plumbline-dev/plumbline/internal/core/gitobject"
)

func FuzzApplyDelta(f *testing.F) {
	f.Add([]byte("hello world"), []byte("\x0b\x05\x90\x05"))
	f.Add([]byte("hello world"), []byte("\x0b\x08\x03abc\x91\x06\x05"))
	f.Fuzz(func(t *testing.T, base, delta []byte) {
		const limit = 1 << 16
		out, err := applyDelta(base, delta, limit)
		if err == nil && len(out) > limit {
			t.Errorf("%d bytes", len(out))
		}
		if _, size, _, sizeErr := deltaSizes(delta); err == nil && (sizeErr != nil || size != uint64(len(out))) {
			t.Errorf("size %d, %v, content %d", size, sizeErr, len(out))
		}
	})
}

// seedPack returns a small real pack and its index.
func seedPack(f *testing.F) (index, data []byte) {
	f.Helper()
	var r raw
	base := gitobject.Object{Kind: gitobject.KindBlob, Data: []byte("hello world")}.ID()
	r.add(base, gitobject.KindBlob, 11, nil, []byte("hello world"))
	next := gitobject.Object{Kind: gitobject.KindBlob, Data: []byte("hello")}.ID()
	r.add(next, kindRefDelta, 4, base[:], []byte("\x0b\x05\x90\x05"))
	p := r.pack(f)
	return p.index.data, p.data
}

func FuzzIndex(f *testing.F) {
	index, _ := seedPack(f)
	f.Add(index, []byte("abcd"))
	f.Fuzz(func(t *testing.T, data, id []byte) {
		x, err := parseIndex(data)
		if err != nil {
			return
		}
		var want gitobject.ID
		copy(want[:], id)
		x.find(want)
		x.packSum()
		x.matching(gitobject.Abbreviation(want.String()[:6]), func(gitobject.ID) {})
		for i := range min(x.count, 100) {
			x.offset(i)
			x.find(gitobject.ID(x.name(i)))
		}
	})
}

func FuzzPackEntry(f *testing.F) {
	index, data := seedPack(f)
	f.Add(data[packHeader : len(data)-packTrailer])
	x, err := parseIndex(index)
	if err != nil {
		f.Fatal(err)
	}
	bounds := Limits{Object: 1 << 16, Depth: 20}
	f.Fuzz(func(t *testing.T, body []byte) {
		content := append(append(bytes.Clone(data[:packHeader]), body...), data[len(data)-packTrailer:]...)
		p := &Pack{name: "fuzz.pack", index: x, data: content}
		for offset := range uint64(min(len(content), 64)) {
			c, err := p.read(offset, bounds, NewCache(1<<16))
			if err == nil && int64(len(c.Data)) > bounds.Object {
				t.Errorf("%d bytes", len(c.Data))
			}
			k, size, statErr := p.stat(offset, bounds)
			if err == nil && (statErr != nil || k != c.Kind || size != int64(len(c.Data))) {
				t.Errorf("stat says %v %d %v, content is %v %d", k, size, statErr, c.Kind, len(c.Data))
			}
		}
	})
}
