package packfile

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"sort"

	"github.com/plumbline-dev/plumbline/internal/core/gitobject"
)

// index is a pack's table of contents: version 2 of Git's .idx format.
type index struct {
	data    []byte
	count   int
	names   []byte // count ids, sorted
	offsets []byte // count 4-byte offsets
	large   []byte // 8-byte offsets, for packs over 2 GiB
}

const (
	indexHeader  = 8
	fanoutSize   = 256 * 4
	indexTrailer = 40 // checksums of the pack and of the index
)

func parseIndex(data []byte) (*index, error) {
	const least = indexHeader + fanoutSize + indexTrailer
	if len(data) < least || !bytes.HasPrefix(data, []byte("\xfftOc\x00\x00\x00\x02")) {
		return nil, fmt.Errorf("not a pack index of version 2")
	}
	x := &index{data: data}
	last := uint32(0)
	for i := range 256 {
		n := x.fanout(i)
		if n < last {
			return nil, fmt.Errorf("pack index is damaged: its counts decrease")
		}
		last = n
	}
	const perObject = 20 + 4 + 4
	rest := uint64(len(data) - least)
	if uint64(last)*perObject > rest {
		return nil, fmt.Errorf("pack index is cut off: %d bytes for %d objects", len(data), last)
	}
	x.count = int(last)
	names := data[indexHeader+fanoutSize:]
	x.names = names[:x.count*20]
	x.offsets = names[x.count*24 : x.count*28]
	x.large = names[x.count*28 : len(names)-indexTrailer]
	if len(x.large)%8 != 0 {
		return nil, fmt.Errorf("pack index is damaged: its length is impossible")
	}
	return x, nil
}

func (x *index) fanout(i int) uint32 {
	return binary.BigEndian.Uint32(x.data[indexHeader+4*i:])
}

// packSum is the checksum that the pack must end with.
func (x *index) packSum() []byte { return x.data[len(x.data)-40 : len(x.data)-20] }

func (x *index) name(i int) []byte { return x.names[20*i : 20*i+20] }

// find returns where in the pack an object starts.
func (x *index) find(id gitobject.ID) (offset uint64, ok bool) {
	lo, hi := x.span(id[0])
	i := lo + sort.Search(hi-lo, func(i int) bool { return bytes.Compare(x.name(lo+i), id[:]) >= 0 })
	if i >= hi || !bytes.Equal(x.name(i), id[:]) {
		return 0, false
	}
	return x.offset(i)
}

// span returns the range of objects whose id starts with a byte.
func (x *index) span(first byte) (lo, hi int) {
	if first > 0 {
		lo = int(x.fanout(int(first) - 1))
	}
	return lo, int(x.fanout(int(first)))
}

func (x *index) offset(i int) (uint64, bool) {
	at := binary.BigEndian.Uint32(x.offsets[4*i:])
	if at < 1<<31 {
		return uint64(at), true
	}
	at &^= 1 << 31
	if uint64(at)*8+8 > uint64(len(x.large)) {
		return 0, false
	}
	return binary.BigEndian.Uint64(x.large[8*at:]), true
}

// matching yields every id that starts like this.
func (x *index) matching(start gitobject.Abbreviation, yield func(gitobject.ID)) {
	low := start.First()
	i := sort.Search(x.count, func(i int) bool { return bytes.Compare(x.name(i), low[:]) >= 0 })
	for ; i < x.count; i++ {
		id := gitobject.ID(x.name(i))
		if !start.Matches(id) {
			return
		}
		yield(id)
	}
}
