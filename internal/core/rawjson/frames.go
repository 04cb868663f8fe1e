package rawjson

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// Frames cuts a stream of JSON objects into single ones without decoding
// them. A frame may span lines, and several may share one.
type Frames struct {
	r     *bufio.Reader
	buf   []byte
	limit int // bytes in one frame
}

// keptBuffer is the largest frame buffer that is held between frames, so that
// one giant object does not cost memory for the rest of a watch.
const keptBuffer = 64 << 10

// NewFrames returns the frames of r, each of at most limit bytes.
func NewFrames(r io.Reader, limit int) *Frames {
	return &Frames{r: bufio.NewReaderSize(r, 4<<10), limit: limit}
}

// Next returns the next frame, valid until the following call. It returns
// io.EOF when the stream ends between frames, and an error that describes
// what came instead when the stream is not made of JSON objects.
func (f *Frames) Next() ([]byte, error) {
	if cap(f.buf) > keptBuffer {
		f.buf = nil
	}
	f.buf = f.buf[:0]
	first, err := f.skipSpace()
	if err != nil {
		return nil, err
	}
	if first != '{' {
		head, _ := f.r.Peek(min(f.r.Buffered(), 60))
		return nil, fmt.Errorf("a stream of JSON objects was expected: got %q", head)
	}
	if err := f.fill(); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return nil, fmt.Errorf("stream broke off after %d bytes of an event: %w", len(f.buf), err)
	}
	if !json.Valid(f.buf) {
		return nil, fmt.Errorf("an event of %d bytes is not valid JSON", len(f.buf))
	}
	return f.buf, nil
}

func (f *Frames) skipSpace() (byte, error) {
	for {
		c, err := f.r.ReadByte()
		if err != nil {
			return 0, err
		}
		switch c {
		case ' ', '\n', '\t', '\r':
		default:
			return c, f.r.UnreadByte()
		}
	}
}

// fill appends to the buffer up to the brace that closes the first one.
func (f *Frames) fill() error {
	var depth int
	var quoted, escaped bool
	for {
		if _, err := f.r.Peek(1); err != nil {
			return err
		}
		chunk, _ := f.r.Peek(f.r.Buffered())
		end := -1
		for i := 0; i < len(chunk) && end < 0; i++ {
			c := chunk[i]
			switch {
			case escaped:
				escaped = false
			case quoted:
				if c == '\\' {
					escaped = true
				} else if c == '"' {
					quoted = false
				}
			case c == '"':
				quoted = true
			case c == '{' || c == '[':
				depth++
			case c == '}' || c == ']':
				if depth--; depth == 0 {
					end = i + 1
				}
			}
		}
		take := len(chunk)
		if end >= 0 {
			take = end
		}
		if len(f.buf)+take > f.limit {
			return fmt.Errorf("one event is larger than %d bytes", f.limit)
		}
		f.buf = append(f.buf, chunk[:take]...)
		if _, err := f.r.Discard(take); err != nil {
			return err
		}
		if end >= 0 {
			return nil
		}
	}
}
