// Package rendercache packs remembered renders with zstd.
//
// In go the bytes of a result; out come fewer bytes, and the same ones again. It
// keeps nothing and never writes to a disk: what is remembered, and for how long,
// is up to render.Memo.
package rendercache

import (
	"fmt"

	"github.com/klauspost/compress/zstd"

	"github.com/plumbline-dev/plumbline/internal/core/render"
)

// unpackedLimit bounds in bytes what one result may unpack to.
const unpackedLimit = 256 << 20

// Codec implements render.Codec. It is safe for concurrent use.
type Codec struct {
	enc *zstd.Encoder
	dec *zstd.Decoder
}

var _ render.Codec = (*Codec)(nil)

// New returns a Codec. It holds about 1 MiB once it is used.
func New() *Codec {
	// Neither fails with options that are constant and valid.
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedDefault), zstd.WithWindowSize(512<<10), zstd.WithLowerEncoderMem(true))
	if err != nil {
		panic(fmt.Sprintf("rendercache: %v", err))
	}
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxMemory(unpackedLimit))
	if err != nil {
		panic(fmt.Sprintf("rendercache: %v", err))
	}
	return &Codec{enc: enc, dec: dec}
}

// Pack returns data compressed.
func (c *Codec) Pack(data []byte) []byte {
	return append([]byte(nil), c.enc.EncodeAll(data, make([]byte, 0, len(data)/3+64))...)
}

// Unpack returns what Pack was given. It fails if packed is damaged or unpacks
// to more than 256 MiB.
func (c *Codec) Unpack(packed []byte) ([]byte, error) {
	data, err := c.dec.DecodeAll(packed, nil)
	if err != nil {
		return nil, fmt.Errorf("stored render: is damaged: %w", err)
	}
	return data, nil
}
