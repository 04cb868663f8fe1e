package packfile

import (
	"errors"
	"fmt"
	"runtime"

	"github.com/plumbline-dev/plumbline/internal/core/gitobject"
	"github.com/plumbline-dev/plumbline/internal/core/inflate"
)

// record is the head of an object in a pack.
type record struct {
	kind   gitobject.Kind
	size   uint64       // of the plain text; for a delta, of the delta
	offset uint64       // of the base of an offset delta
	base   gitobject.ID // of a reference delta
	stream []byte       // compressed
}

var errRecord = errors.New("pack entry is damaged")

// record parses the head of the object at an offset.
func (p *Pack) record(offset uint64) (record, error) {
	if offset < packHeader || offset >= uint64(len(p.data)-packTrailer) {
		return record{}, errRecord
	}
	b := p.data[offset : len(p.data)-packTrailer]
	r := record{kind: gitobject.Kind(b[0] >> 4 & 7), size: uint64(b[0] & 15)}
	i := 1
	for shift := 4; b[i-1] >= 0x80; shift += 7 {
		if i >= len(b) || shift > 57 {
			return record{}, errRecord
		}
		r.size |= uint64(b[i]&0x7f) << shift
		i++
	}
	b = b[i:]
	switch r.kind {
	case gitobject.KindCommit, gitobject.KindTree, gitobject.KindBlob, gitobject.KindTag:
	case kindRefDelta:
		if len(b) < len(r.base) {
			return record{}, errRecord
		}
		b = b[copy(r.base[:], b):]
	case kindOfsDelta:
		back, n := offsetVarint(b)
		if n == 0 || back == 0 || back >= offset {
			return record{}, errRecord
		}
		r.offset = offset - back
		b = b[n:]
	default:
		return record{}, errRecord
	}
	r.stream = b
	return r, nil
}

// offsetVarint decodes how far before a delta its base starts.
func offsetVarint(b []byte) (back uint64, n int) {
	for n < len(b) && n < 9 {
		if n > 0 {
			back++
		}
		back = back<<7 | uint64(b[n]&0x7f)
		n++
		if b[n-1] < 0x80 {
			return back, n
		}
	}
	return 0, 0
}

// baseOf returns where the base of a delta lies: always in the same pack.
func (p *Pack) baseOf(r record) (uint64, error) {
	if r.kind == kindOfsDelta {
		return r.offset, nil
	}
	offset, ok := p.find(r.base)
	if !ok {
		return 0, fmt.Errorf("base %s of a delta is missing from the pack", r.base)
	}
	return offset, nil
}

// read returns the object at an offset. Its work is bounded: every inflated size
// by limits.Object, the number of deltas by limits.Depth.
func (p *Pack) read(offset uint64, limits Limits, cache *Cache) (content, error) {
	defer runtime.KeepAlive(p)
	type step struct {
		record
		offset uint64
	}
	var deltas []step
	var out content
	for at := offset; ; {
		if c, ok := cache.get(place{p, at}); ok {
			out = c
			break
		}
		r, err := p.record(at)
		if err != nil {
			return content{}, err
		}
		if r.size > uint64(limits.Object) {
			return content{}, &gitobject.TooLargeError{Size: int64(min(r.size, 1<<62)), Limit: limits.Object}
		}
		if r.kind != kindOfsDelta && r.kind != kindRefDelta {
			if out.Data, err = inflate.All(r.stream, r.size); err != nil {
				return content{}, err
			}
			out.Kind = r.kind
			if len(deltas) > 0 {
				cache.put(place{p, at}, out)
			}
			break
		}
		if deltas = append(deltas, step{r, at}); len(deltas) > limits.Depth {
			return content{}, fmt.Errorf("more than %d deltas on top of each other", limits.Depth)
		}
		if at, err = p.baseOf(r); err != nil {
			return content{}, err
		}
	}
	for i := len(deltas) - 1; i >= 0; i-- {
		delta, err := inflate.All(deltas[i].stream, deltas[i].size)
		if err != nil {
			return content{}, err
		}
		data, err := applyDelta(out.Data, delta, limits.Object)
		if err != nil {
			return content{}, err
		}
		out = content{Object: gitobject.Object{Kind: out.Kind, Data: data}} // not what the base was checked for
		if i > 0 {
			cache.put(place{p, deltas[i].offset}, out)
		}
	}
	return out, nil
}

// stat returns kind and size of the object at an offset without reading it all.
func (p *Pack) stat(offset uint64, limits Limits) (gitobject.Kind, int64, error) {
	defer runtime.KeepAlive(p)
	size := int64(-1)
	for depth := 0; ; depth++ {
		r, err := p.record(offset)
		if err != nil {
			return 0, 0, err
		}
		delta := r.kind == kindOfsDelta || r.kind == kindRefDelta
		if size < 0 {
			if size, err = r.plainSize(delta); err != nil {
				return 0, 0, err
			}
		}
		if !delta {
			return r.kind, size, nil
		}
		if depth > limits.Depth {
			return 0, 0, fmt.Errorf("more than %d deltas on top of each other", limits.Depth)
		}
		if offset, err = p.baseOf(r); err != nil {
			return 0, 0, err
		}
	}
}

func (r record) plainSize(delta bool) (int64, error) {
	if !delta {
		return int64(min(r.size, 1<<62)), nil
	}
	var head [24]byte
	n, err := inflate.Start(r.stream, head[:])
	if err != nil {
		return 0, err
	}
	_, size, _, err := deltaSizes(head[:n])
	return int64(min(size, 1<<62)), err
}
