package packfile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"

	"github.com/plumbline-dev/plumbline/internal/core/gitobject"
)

// Limits bound what damaged or hostile data can cost.
type Limits struct {
	Object int64 // bytes of any inflated object
	Depth  int   // deltas on top of each other
}

// Pack is one pack with its index. Its methods are safe for concurrent use and keep
// it reachable until they return, so that memory it was made from can be released
// once it is not; nothing they return refers to that memory.
type Pack struct {
	name string // for errors
	*index
	data []byte
}

const (
	packHeader  = 12
	packTrailer = 20
)

// The kinds of entry that only packs have.
const (
	kindOfsDelta gitobject.Kind = 6
	kindRefDelta gitobject.Kind = 7
)

// New returns the pack that data holds; index is its table of contents. Both are
// kept and must not change. The name is for errors, which are
// *gitobject.CorruptError.
func New(name string, index, data []byte) (*Pack, error) {
	p, err := newPack(name, index, data)
	if err != nil {
		return nil, &gitobject.CorruptError{File: name, Err: err}
	}
	return p, nil
}

func newPack(name string, index, data []byte) (*Pack, error) {
	x, err := parseIndex(index)
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
	return &Pack{name: name, index: x, data: data}, nil
}

// Name returns the name that the pack was made with.
func (p *Pack) Name() string { return p.name }

// Count returns how many objects there are.
func (p *Pack) Count() int { return p.count }

// Find returns where an object starts.
func (p *Pack) Find(id gitobject.ID) (offset uint64, ok bool) {
	defer runtime.KeepAlive(p)
	return p.find(id)
}

// Matching yields every id that starts like this.
func (p *Pack) Matching(start gitobject.Abbreviation, yield func(gitobject.ID)) {
	defer runtime.KeepAlive(p)
	p.matching(start, yield)
}

// Read returns the object that Find found at an offset, and checks that its content
// has that id. It fails with *gitobject.TooLargeError and *gitobject.CorruptError.
func (p *Pack) Read(id gitobject.ID, offset uint64, limits Limits, cache *Cache) (gitobject.Object, error) {
	at := place{p, offset}
	if c, ok := cache.get(at); ok && c.verified {
		return c.Object, nil
	}
	c, err := p.read(offset, limits, cache)
	if err != nil {
		if large := (*gitobject.TooLargeError)(nil); errors.As(err, &large) {
			return gitobject.Object{}, err
		}
		return gitobject.Object{}, p.corrupt(id, err)
	}
	if c.ID() != id {
		return gitobject.Object{}, p.corrupt(id, errors.New("its content has another id"))
	}
	if c.Kind == gitobject.KindTree {
		c.verified = true
		cache.put(at, c)
		c.Shared = true
	}
	return c.Object, nil
}

// Stat returns kind and size of the object that Find found at an offset, without
// reading all of it.
func (p *Pack) Stat(id gitobject.ID, offset uint64, limits Limits) (gitobject.Kind, int64, error) {
	k, size, err := p.stat(offset, limits)
	if err != nil {
		return 0, 0, p.corrupt(id, err)
	}
	return k, size, nil
}

func (p *Pack) corrupt(id gitobject.ID, err error) error {
	return &gitobject.CorruptError{Object: id.String(), File: p.name, Err: err}
}
