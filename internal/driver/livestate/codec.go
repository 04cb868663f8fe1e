package livestate

import (
	"bytes"
	"fmt"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// dictSamples objects make the dictionary of a kind. Objects of one kind are
// so alike that a few of them, taken whole, compress the others to about a
// tenth; a trained dictionary was measured at twice the size.
const (
	dictSamples = 8
	dictLimit   = 64 << 10 // bytes of samples in one dictionary
	dictID      = 1
	codecLimit  = 64 << 20 // bytes of one decoded object
	keptBuffer  = 64 << 10 // bytes of the largest buffer that is held between objects
)

// buffers holds space to compress into; what is kept is copied to its size.
var buffers sync.Pool

// codec compresses the objects of one kind. Encoders and decoders rest in pools,
// so that a quiet kind holds none. A codec reads what a codec without a dictionary
// wrote.
type codec struct {
	encoding sync.Mutex // an encoder holds most of a megabyte: one at a time does
	encoders sync.Pool
	decoders sync.Pool
	dict     []byte
}

// newCodec returns a codec whose dictionary is made of samples; none are fine.
func newCodec(samples [][]byte) *codec {
	c := &codec{}
	for _, sample := range samples {
		if len(c.dict)+len(sample) <= dictLimit {
			c.dict = append(c.dict, sample...)
		}
	}
	return c
}

func (c *codec) encode(data []byte) []byte {
	c.encoding.Lock()
	defer c.encoding.Unlock()
	enc, ok := c.encoders.Get().(*zstd.Encoder)
	if !ok {
		enc = c.newEncoder()
	}
	defer c.encoders.Put(enc)
	buf, _ := buffers.Get().(*[]byte)
	if buf == nil {
		buf = new([]byte)
	}
	*buf = enc.EncodeAll(data, (*buf)[:0])
	out := bytes.Clone(*buf)
	if cap(*buf) <= keptBuffer {
		buffers.Put(buf)
	}
	return out
}

func (c *codec) newEncoder() *zstd.Encoder {
	options := []zstd.EOption{
		zstd.WithEncoderLevel(zstd.SpeedFastest),
		zstd.WithEncoderConcurrency(1),
		zstd.WithEncoderCRC(false),
		zstd.WithLowerEncoderMem(true),
		zstd.WithWindowSize(256 << 10),
		zstd.WithSingleSegment(true),
	}
	if len(c.dict) > 0 {
		options = append(options, zstd.WithEncoderDictRaw(dictID, c.dict))
	}
	enc, err := zstd.NewWriter(nil, options...)
	if err != nil { // only constants could be at fault
		panic(fmt.Sprintf("zstd encoder: %v", err))
	}
	return enc
}

// decode appends the object in data to buf.
func (c *codec) decode(data, buf []byte) ([]byte, error) {
	dec, ok := c.decoders.Get().(*zstd.Decoder)
	if !ok {
		dec = c.newDecoder()
	}
	defer c.decoders.Put(dec)
	return dec.DecodeAll(data, buf)
}

func (c *codec) newDecoder() *zstd.Decoder {
	options := []zstd.DOption{
		zstd.WithDecoderConcurrency(1),
		zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxMemory(codecLimit),
	}
	if len(c.dict) > 0 {
		options = append(options, zstd.WithDecoderDictRaw(dictID, c.dict))
	}
	dec, err := zstd.NewReader(nil, options...)
	if err != nil { // only constants could be at fault
		panic(fmt.Sprintf("zstd decoder: %v", err))
	}
	return dec
}
