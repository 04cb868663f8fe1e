package gitstore

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"strings"
)

// pack is one pack with its index, both mapped. The mappings live as long as the
// pack is reachable, even when the files are gone; nothing handed out refers to
// them.
type pack struct {
	name string // of the .pack file
	*index
	data []byte
}

const (
	packHeader  = 12
	packTrailer = 20
)

func openPack(indexName string) (*pack, error) {
	name := strings.TrimSuffix(indexName, ".idx") + ".pack"
	indexData, releaseIndex, err := mapFile(indexName)
	if err != nil {
		return nil, err
	}
	data, release, err := mapFile(name)
	if err != nil {
		releaseIndex(indexData)
		return nil, err
	}
	p, err := newPack(name, indexData, data)
	if err != nil {
		releaseIndex(indexData)
		release(data)
		return nil, &CorruptError{File: filepath.Base(name), Err: err}
	}
	runtime.AddCleanup(p, releaseIndex, indexData)
	runtime.AddCleanup(p, release, data)
	return p, nil
}

func newPack(name string, indexData, data []byte) (*pack, error) {
	x, err := parseIndex(indexData)
	if err != nil {
		return nil, err
	}
	if len(data) < packHeader+packTrailer || string(data[:4]) != "PACK" {
		return nil, fmt.Errorf("not a pack")
	}
	if version := binary.BigEndian.Uint32(data[4:]); version != 2 && version != 3 {
		return nil, fmt.Errorf("pack has unknown version %d", version)
	}
	if n := binary.BigEndian.Uint32(data[8:]); uint64(n) != uint64(x.count) {
		return nil, fmt.Errorf("pack has %d objects, its index %d", n, x.count)
	}
	if !bytes.Equal(data[len(data)-packTrailer:], x.packSum()) {
		return nil, fmt.Errorf("pack is cut off or not the one its index was made for")
	}
	return &pack{name: name, index: x, data: data}, nil
}

// record is the head of an object in a pack.
type record struct {
	kind   kind
	size   uint64 // of the plain text; for a delta, of the delta
	offset uint64 // of the base of an offset delta
	base   oid    // of a reference delta
	stream []byte // compressed
}

var errRecord = errors.New("pack entry is damaged")

// record parses the head of the object at an offset.
func (p *pack) record(offset uint64) (record, error) {
	if offset < packHeader || offset >= uint64(len(p.data)-packTrailer) {
		return record{}, errRecord
	}
	b := p.data[offset : len(p.data)-packTrailer]
	r := record{kind: kind(b[0] >> 4 & 7), size: uint64(b[0] & 15)}
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
	case kindCommit, kindTree, kindBlob, kindTag:
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
func (p *pack) baseOf(r record) (uint64, error) {
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
// by limits.object, the number of deltas by limits.depth.
func (p *pack) read(offset uint64, limits limits, cache *lru) (content, error) {
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
		if r.size > uint64(limits.object) {
			return content{}, &tooLargeError{size: int64(min(r.size, 1<<62)), limit: limits.object}
		}
		if r.kind != kindOfsDelta && r.kind != kindRefDelta {
			if out.data, err = inflate(r.stream, r.size); err != nil {
				return content{}, err
			}
			out.kind = r.kind
			if len(deltas) > 0 {
				cache.put(place{p, at}, out)
			}
			break
		}
		if deltas = append(deltas, step{r, at}); len(deltas) > limits.depth {
			return content{}, fmt.Errorf("more than %d deltas on top of each other", limits.depth)
		}
		if at, err = p.baseOf(r); err != nil {
			return content{}, err
		}
	}
	for i := len(deltas) - 1; i >= 0; i-- {
		delta, err := inflate(deltas[i].stream, deltas[i].size)
		if err != nil {
			return content{}, err
		}
		if out.data, err = applyDelta(out.data, delta, limits.object); err != nil {
			return content{}, err
		}
		if i > 0 {
			cache.put(place{p, deltas[i].offset}, out)
		}
	}
	return out, nil
}

// stat returns kind and size of the object at an offset without reading it all.
func (p *pack) stat(offset uint64, limits limits) (kind, int64, error) {
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
		if depth > limits.depth {
			return 0, 0, fmt.Errorf("more than %d deltas on top of each other", limits.depth)
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
	n, err := peek(r.stream, head[:])
	if err != nil {
		return 0, err
	}
	_, size, _, err := deltaSizes(head[:n])
	return int64(min(size, 1<<62)), err
}
