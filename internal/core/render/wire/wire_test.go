package wire_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/plumbline-dev/plumbline/internal/core/object"
	"github.com/plumbline-dev/plumbline/internal/core/render"
	"github.com/plumbline-dev/plumbline/internal/core/render/wire"
	"github.com/plumbline-dev/plumbline/internal/core/source"
)

func TestFrames(t *testing.T) {
	var b bytes.Buffer
	c := wire.NewConn(&b, &b)
	for _, payload := range []string{"", "x", "two parts"} {
		if err := c.Send(wire.Ask, []byte(payload[:len(payload)/2]), []byte(payload[len(payload)/2:])); err != nil {
			t.Fatal(err)
		}
		kind, got, err := c.Receive()
		if kind != wire.Ask || string(got) != payload || err != nil {
			t.Errorf("%q: %q %q, %v", payload, byte(kind), got, err)
		}
	}
	if _, _, err := c.Receive(); err != io.EOF {
		t.Errorf("at the end: %v", err)
	}
}

func TestFramesThatAreRefused(t *testing.T) {
	huge := binary.BigEndian.AppendUint32(nil, wire.Limit+1)
	for name, data := range map[string][]byte{"too large": append(huge, 'D'), "cut in head": {0, 0}, "cut in payload": {0, 0, 0, 9, 'D', 'x'}} {
		if kind, payload, err := wire.NewConn(bytes.NewReader(data), io.Discard).Receive(); err == nil || err == io.EOF {
			t.Errorf("%s: %q %q, %v", name, byte(kind), payload, err)
		}
	}
	if err := wire.NewConn(nil, io.Discard).Send(wire.Result, make([]byte, wire.Limit), []byte("x")); err == nil {
		t.Error("a frame above the limit was sent")
	}
}

// A tree that asks is the tree that answers.
func TestTree(t *testing.T) {
	from := source.FromFS(fstest.MapFS{
		"app/a.yaml": {Data: []byte("a: 1"), Mode: 0o644}, "app/sub/b": {Data: []byte("22"), Mode: 0o755},
		"link": {Data: []byte("app/a.yaml"), Mode: fs.ModeSymlink | 0o777},
	}, source.Revision{ID: "1234"})
	asked := map[string]int{}
	at := wire.NewTree(from.Revision(), func(q wire.Question, name string) ([]byte, error) {
		asked[fmt.Sprintf("%c %s", q, name)]++
		data, err := wire.Answer(from, q, name)
		if err != nil {
			return nil, wire.DecodeError(wire.EncodeError(err))
		}
		return data, nil
	})
	if err := fstest.TestFS(at, "app/a.yaml", "app/sub/b"); err != nil {
		t.Error(err)
	}
	for question, n := range asked {
		if n > 1 {
			t.Errorf("%s was asked %d times", question, n)
		}
	}
	for _, name := range []string{"app", "app/a.yaml", "link", "none", "../out"} {
		if diff := cmp.Diff(seen(from, name), seen(at, name)); diff != "" {
			t.Errorf("%s:\n%s", name, diff)
		}
	}
	if _, err := wire.Answer(from, '?', "app"); err == nil {
		t.Error("an unknown question was answered")
	}
}

func seen(at source.Tree, name string) []string {
	data, readErr := at.ReadFile(name)
	id, idErr := at.ID(name)
	real, err := at.Resolve(name)
	return []string{string(data), fmt.Sprint(readErr), id, fmt.Sprint(idErr), real, fmt.Sprint(err), fmt.Sprint(errors.Is(err, fs.ErrNotExist))}
}

func TestErrorsKeepTheirTypes(t *testing.T) {
	for _, err := range []error{
		&fs.PathError{Op: "read", Path: "x", Err: fs.ErrNotExist},
		fmt.Errorf("a: %w", &source.EscapeError{Path: "x", Target: "y"}),
		&source.SizeError{Path: "x", Size: 2, Limit: 1},
		&source.SubmoduleError{Path: "x", Commit: "c"},
		&source.LFSPointerError{Path: "x", OID: "o", Size: 1},
		&render.PathError{Path: "x", Near: []string{"y"}},
		&object.DecodeError{File: "f", Line: 3, Detail: "d"},
		errors.New("plain"),
	} {
		got := wire.DecodeError(wire.EncodeError(err))
		if got.Error() != err.Error() {
			t.Errorf("%v became %v", err, got)
		}
		if string(wire.EncodeError(got)) != string(wire.EncodeError(err)) {
			t.Errorf("%v lost what it was: %s, %s", err, wire.EncodeError(err), wire.EncodeError(got))
		}
	}
}

func FuzzDecodeError(f *testing.F) {
	f.Add([]byte(`{"text":"x","causes":["loop"],"Escape":{}}`))
	f.Fuzz(func(t *testing.T, data []byte) { _ = wire.DecodeError(data).Error() })
}
