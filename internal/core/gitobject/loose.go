package gitobject

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/plumbline-dev/plumbline/internal/core/inflate"
)

// ParseLoose returns the object that a file of its own holds, as Git writes them
// before it packs, and checks that it is the one that id names. Its plain text has
// at most limit bytes.
func ParseLoose(id ID, file []byte, limit int64) (Object, error) {
	k, size, head, err := looseHead(file)
	if err != nil {
		return Object{}, &CorruptError{Object: id.String(), Err: err}
	}
	if size > limit {
		return Object{}, &TooLargeError{Size: size, Limit: limit}
	}
	plain, err := inflate.All(file, uint64(head)+uint64(size))
	if err != nil {
		return Object{}, &CorruptError{Object: id.String(), Err: err}
	}
	o := Object{Kind: k, Data: plain[head:]}
	if o.ID() != id {
		return Object{}, &CorruptError{Object: id.String(), Err: errors.New("its content has another id")}
	}
	return o, nil
}

// StatLoose returns kind and size of the object that a file of its own holds,
// without reading all of it.
func StatLoose(id ID, file []byte) (Kind, int64, error) {
	k, size, _, err := looseHead(file)
	if err != nil {
		return 0, 0, &CorruptError{Object: id.String(), Err: err}
	}
	return k, size, nil
}

// looseHead returns what a file says before the content: kind, size, and how long
// this head itself is.
func looseHead(file []byte) (k Kind, size int64, head int, err error) {
	var buf [64]byte
	n, err := inflate.Start(file, buf[:])
	if err != nil {
		return 0, 0, 0, err
	}
	return parseLooseHead(buf[:n])
}

func parseLooseHead(b []byte) (k Kind, size int64, head int, err error) {
	end := bytes.IndexByte(b, 0)
	if end < 0 {
		return 0, 0, 0, fmt.Errorf("no object head")
	}
	word, digits, _ := strings.Cut(string(b[:end]), " ")
	k, ok := parseKind(word)
	if !ok {
		return 0, 0, 0, fmt.Errorf("object type %q", word)
	}
	size, err = strconv.ParseInt(digits, 10, 64)
	if err != nil || size < 0 {
		return 0, 0, 0, fmt.Errorf("object size %q", digits)
	}
	return k, size, end + 1, nil
}
