// Package inflate decompresses zlib streams of a known size.
//
// In go bytes that start with a stream, and the size its plain text must have; out
// comes the plain text. A stream that holds more, or less, or whose checksum does
// not fit is an error. The package never allocates more than the bytes at hand
// could yield, whatever they claim, and never keeps a reference to its input.
package inflate

import (
	"bytes"
	"fmt"
	"io"
	"sync"

	"github.com/klauspost/compress/zlib"
)

type inflater struct {
	in  bytes.Reader
	out io.ReadCloser // also a zlib.Resetter
}

var inflaters = sync.Pool{New: func() any { return new(inflater) }}

// use calls f with the plain text of the stream that data starts with.
func use(data []byte, f func(io.Reader) error) error {
	z := inflaters.Get().(*inflater)
	defer func() {
		z.in.Reset(nil) // do not keep a mapping alive
		inflaters.Put(z)
	}()
	z.in.Reset(data)
	if z.out == nil {
		out, err := zlib.NewReader(&z.in)
		if err != nil {
			return err
		}
		z.out = out
	} else if err := z.out.(zlib.Resetter).Reset(&z.in, nil); err != nil {
		return err
	}
	return f(z.out)
}

// All returns the plain text of a stream that must have exactly size bytes.
func All(data []byte, size uint64) ([]byte, error) {
	// Deflate gains at most a factor of 1032: do not allocate for a larger claim.
	if size > uint64(len(data))*1032+64 {
		return nil, fmt.Errorf("compressed data is too short for %d bytes", size)
	}
	out := make([]byte, size)
	err := use(data, func(r io.Reader) error {
		if _, err := io.ReadFull(r, out); err != nil {
			return err
		}
		var more [1]byte // also makes the reader check its checksum
		if n, err := r.Read(more[:]); n != 0 || err != io.EOF {
			return fmt.Errorf("compressed data does not end after %d bytes", size)
		}
		return nil
	})
	return out, err
}

// Start fills buf with the start of a stream's plain text and returns how much
// there was.
func Start(data, buf []byte) (n int, err error) {
	err = use(data, func(r io.Reader) error {
		n, err = io.ReadFull(r, buf)
		if err == io.ErrUnexpectedEOF {
			return nil
		}
		return err
	})
	return n, err
}
