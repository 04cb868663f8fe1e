package packfile

import (
	"errors"

	"github.com/plumbline-dev/plumbline/internal/core/gitobject"
)

var errDelta = errors.New("delta is damaged")

// deltaSizes reads the head of a delta: the size of its base, the size of its
// result and the rest.
func deltaSizes(delta []byte) (base, result uint64, rest []byte, err error) {
	base, delta, ok := deltaVarint(delta)
	if !ok {
		return 0, 0, nil, errDelta
	}
	result, delta, ok = deltaVarint(delta)
	if !ok {
		return 0, 0, nil, errDelta
	}
	return base, result, delta, nil
}

func deltaVarint(b []byte) (n uint64, rest []byte, ok bool) {
	for i, shift := 0, 0; i < len(b) && shift < 63; i, shift = i+1, shift+7 {
		n |= uint64(b[i]&0x7f) << shift
		if b[i] < 0x80 {
			return n, b[i+1:], true
		}
	}
	return 0, nil, false
}

// applyDelta returns what delta makes of base; the result has at most limit
// bytes.
func applyDelta(base, delta []byte, limit int64) ([]byte, error) {
	baseSize, size, delta, err := deltaSizes(delta)
	if err != nil {
		return nil, err
	}
	if baseSize != uint64(len(base)) {
		return nil, errDelta
	}
	if size > uint64(limit) {
		return nil, &gitobject.TooLargeError{Size: int64(min(size, 1<<62)), Limit: limit}
	}
	// A copy instruction of 7 bytes yields at most 16 MiB: a larger claim is a lie
	// not worth allocating for.
	if size > uint64(len(delta))<<24 {
		return nil, errDelta
	}
	out := make([]byte, 0, size)
	for len(delta) > 0 {
		op := delta[0]
		delta = delta[1:]
		var piece []byte
		switch {
		case op&0x80 != 0:
			piece, delta, err = deltaCopy(base, op, delta)
			if err != nil {
				return nil, err
			}
		case op == 0 || int(op) > len(delta):
			return nil, errDelta
		default:
			piece, delta = delta[:op], delta[op:]
		}
		if uint64(len(out)+len(piece)) > size {
			return nil, errDelta
		}
		out = append(out, piece...)
	}
	if uint64(len(out)) != size {
		return nil, errDelta
	}
	return out, nil
}

// deltaCopy decodes an instruction that copies a piece of base.
func deltaCopy(base []byte, op byte, delta []byte) (piece, rest []byte, err error) {
	var offset, size uint32
	for i := range 7 {
		if op&(1<<i) == 0 {
			continue
		}
		if len(delta) == 0 {
			return nil, nil, errDelta
		}
		if i < 4 {
			offset |= uint32(delta[0]) << (8 * i)
		} else {
			size |= uint32(delta[0]) << (8 * (i - 4))
		}
		delta = delta[1:]
	}
	if size == 0 {
		size = 0x10000
	}
	if uint64(offset)+uint64(size) > uint64(len(base)) {
		return nil, nil, errDelta
	}
	return base[offset : uint64(offset)+uint64(size)], delta, nil
}
