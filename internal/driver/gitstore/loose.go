package gitstore

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Loose objects are files of their own, as Git writes them before it packs. The
// stores here have none; the clones people work in do.

func loosePath(dir string, id oid) string {
	name := id.String()
	return filepath.Join(dir, name[:2], name[2:])
}

func readLoose(dir string, id oid, limit int64) (content, error) {
	data, k, size, head, err := openLoose(dir, id)
	if err != nil {
		return content{}, err
	}
	if size > limit {
		return content{}, &tooLargeError{size: size, limit: limit}
	}
	plain, err := inflate(data, uint64(head)+uint64(size))
	if err != nil {
		return content{}, &CorruptError{Object: id.String(), Err: err}
	}
	c := content{kind: k, data: plain[head:], verified: true}
	if digest(k, c.data) != id {
		return content{}, &CorruptError{Object: id.String(), Err: errors.New("its content has another id")}
	}
	return c, nil
}

func statLoose(dir string, id oid) (kind, int64, error) {
	_, k, size, _, err := openLoose(dir, id)
	return k, size, err
}

// openLoose returns the compressed file, and what its head says: kind, size and
// the length of the head itself.
func openLoose(dir string, id oid) (data []byte, k kind, size int64, head int, err error) {
	data, err = os.ReadFile(loosePath(dir, id))
	if err != nil {
		return nil, 0, 0, 0, err
	}
	var buf [64]byte
	n, err := peek(data, buf[:])
	if err == nil {
		k, size, head, err = parseLooseHead(buf[:n])
	}
	if err != nil {
		return nil, 0, 0, 0, &CorruptError{Object: id.String(), Err: err}
	}
	return data, k, size, head, nil
}

func parseLooseHead(b []byte) (k kind, size int64, head int, err error) {
	end := bytes.IndexByte(b, 0)
	if end < 0 {
		return 0, 0, 0, fmt.Errorf("no object head")
	}
	name, digits, _ := strings.Cut(string(b[:end]), " ")
	for _, k := range []kind{kindCommit, kindTree, kindBlob, kindTag} {
		if k.String() != name {
			continue
		}
		size, err := strconv.ParseInt(digits, 10, 64)
		if err != nil || size < 0 {
			return 0, 0, 0, fmt.Errorf("object size %q", digits)
		}
		return k, size, end + 1, nil
	}
	return 0, 0, 0, fmt.Errorf("object type %q", name)
}

// looseWithPrefix calls yield for every loose object whose id starts with the
// given hexadecimal digits, of which there are at least two.
func looseWithPrefix(dir, digits string, yield func(oid)) {
	entries, err := os.ReadDir(filepath.Join(dir, digits[:2]))
	if err != nil {
		return
	}
	for _, entry := range entries {
		name := digits[:2] + entry.Name()
		if id, err := parseOID(name); err == nil && strings.HasPrefix(name, digits) {
			yield(id)
		}
	}
}
