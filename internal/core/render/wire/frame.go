package wire

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/plumbline-dev/plumbline/internal/core/render"
	"github.com/plumbline-dev/plumbline/internal/core/source"
)

// Kind says what a frame is for.
type Kind byte

// The kinds of frame.
const (
	Render  Kind = 'R' // to the worker: a job as JSON
	Begun   Kind = 'B' // from the worker: it has the job
	Ask     Kind = 'Q' // from the worker: one byte of Question, then a name
	Reply   Kind = 'A' // to the worker: the answer's bytes
	Refusal Kind = 'X' // to the worker: why there is no answer, as JSON
	Result  Kind = 'D' // from the worker: one byte of state, then the result
	Failure Kind = 'E' // from the worker: one byte of state, then the error as JSON
)

// The state byte with which a worker ends a job.
const (
	Clean byte = iota
	Spent      // the process must not render again
)

// Question is what a worker wants to know about a name.
type Question byte

// The questions.
const (
	AskFile    Question = 'f'
	AskDir     Question = 'd'
	AskStat    Question = 's'
	AskSize    Question = 'z'
	AskID      Question = 'i'
	AskResolve Question = 'l'
)

// Job is the payload of Render.
type Job struct {
	Request  render.Request  `json:"request"`
	Revision source.Revision `json:"revision"`
}

// Limit bounds one frame in both directions: the largest file or result.
const Limit = 128 << 20

// Conn sends and receives frames: four bytes of length, big endian, one byte of kind
// and a payload. Sending and receiving may happen at the same
// time, each by one goroutine.
type Conn struct {
	r io.Reader
	w *bufio.Writer
}

// NewConn returns a Conn over both directions of a stream.
func NewConn(r io.Reader, w io.Writer) *Conn {
	return &Conn{r: bufio.NewReaderSize(r, 32<<10), w: bufio.NewWriterSize(w, 32<<10)}
}

// Send writes a frame whose payload is the concatenation of parts.
func (c *Conn) Send(kind Kind, parts ...[]byte) error {
	n := 0
	for _, p := range parts {
		n += len(p)
	}
	if n > Limit {
		return fmt.Errorf("message of %d bytes is larger than the limit of %d", n, Limit)
	}
	var head [5]byte
	binary.BigEndian.PutUint32(head[:], uint32(n))
	head[4] = byte(kind)
	if _, err := c.w.Write(head[:]); err != nil {
		return err
	}
	for _, p := range parts {
		if _, err := c.w.Write(p); err != nil {
			return err
		}
	}
	return c.w.Flush()
}

// Receive reads a frame.
func (c *Conn) Receive() (Kind, []byte, error) {
	var head [5]byte
	if _, err := io.ReadFull(c.r, head[:]); err != nil {
		return 0, nil, err
	}
	n := binary.BigEndian.Uint32(head[:])
	if n > Limit {
		return 0, nil, fmt.Errorf("message of %d bytes is larger than the limit of %d", n, Limit)
	}
	payload := make([]byte, n)
	if _, err := io.ReadFull(c.r, payload); err != nil {
		return 0, nil, err
	}
	return Kind(head[4]), payload, nil
}
