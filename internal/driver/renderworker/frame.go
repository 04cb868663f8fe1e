package renderworker

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/plumbline-dev/plumbline/internal/core/render"
	"github.com/plumbline-dev/plumbline/internal/core/source"
)

// A frame is four bytes of length, big endian, one byte of kind and a payload.
type frameKind byte

const (
	kindRender  frameKind = 'R' // to the worker: a job as JSON
	kindBegun   frameKind = 'B' // from the worker: it has the job
	kindAsk     frameKind = 'Q' // from the worker: one byte of question, then a name
	kindAnswer  frameKind = 'A' // to the worker: the answer's bytes
	kindRefusal frameKind = 'X' // to the worker: why there is no answer, as JSON
	kindResult  frameKind = 'D' // from the worker: one byte of state, then the result
	kindFailure frameKind = 'E' // from the worker: one byte of state, then the error as JSON
)

// The state byte with which a worker ends a job.
const (
	stateClean byte = iota
	stateSpent      // the process must not render again
)

// question is what a worker wants to know about a name.
type question byte

const (
	askFile    question = 'f'
	askDir     question = 'd'
	askStat    question = 's'
	askSize    question = 'z'
	askID      question = 'i'
	askResolve question = 'l'
)

// job is the payload of kindRender.
type job struct {
	Request  render.Request  `json:"request"`
	Revision source.Revision `json:"revision"`
}

// frameLimit bounds one frame in both directions: the largest file or result.
const frameLimit = 128 << 20

// conn sends and receives frames. Sending and receiving may happen at the same
// time, each by one goroutine.
type conn struct {
	r io.Reader
	w *bufio.Writer
}

func newConn(r io.Reader, w io.Writer) *conn {
	return &conn{r: bufio.NewReaderSize(r, 32<<10), w: bufio.NewWriterSize(w, 32<<10)}
}

// send writes a frame whose payload is the concatenation of parts.
func (c *conn) send(kind frameKind, parts ...[]byte) error {
	n := 0
	for _, p := range parts {
		n += len(p)
	}
	if n > frameLimit {
		return fmt.Errorf("message of %d bytes is larger than the limit of %d", n, frameLimit)
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

func (c *conn) receive() (frameKind, []byte, error) {
	var head [5]byte
	if _, err := io.ReadFull(c.r, head[:]); err != nil {
		return 0, nil, err
	}
	n := binary.BigEndian.Uint32(head[:])
	if n > frameLimit {
		return 0, nil, fmt.Errorf("message of %d bytes is larger than the limit of %d", n, frameLimit)
	}
	payload := make([]byte, n)
	if _, err := io.ReadFull(c.r, payload); err != nil {
		return 0, nil, err
	}
	return frameKind(head[4]), payload, nil
}
