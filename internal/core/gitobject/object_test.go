package gitobject

import (
	"bytes"
	"compress/zlib"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestParseID(t *testing.T) {
	whole := strings.Repeat("0a", 20)
	if id, err := ParseID(whole); err != nil || id.String() != whole {
		t.Errorf("%v, %v", id, err)
	}
	for in, want := range map[string]string{
		"":                       `object id "": is not 40 hexadecimal digits`,
		"abc":                    `object id "abc": is not 40 hexadecimal digits`,
		whole + "0":              `object id "` + whole + `0": is not 40 hexadecimal digits`,
		strings.Repeat("g", 40):  `object id "` + strings.Repeat("g", 40) + `": is not 40 hexadecimal digits`,
		strings.Repeat("0a", 32): `object id "` + strings.Repeat("0a", 32) + `": is SHA-256: such repositories cannot be read yet`,
	} {
		if _, err := ParseID(in); err == nil || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

func TestObjectID(t *testing.T) {
	for want, o := range map[string]Object{
		"e69de29bb2d1d6434b8b29ae775ad8c2e48c5391": {Kind: KindBlob},
		"4b825dc642cb6eb9a060e54bf8d69288fbee4904": {Kind: KindTree},
		"95d09f2b10159347eece71399a7e2e907ea3df4f": {Kind: KindBlob, Data: []byte("hello world")},
	} {
		if got := o.ID().String(); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

func TestParseCommit(t *testing.T) {
	tree, parent := strings.Repeat("a", 40), strings.Repeat("b", 40)
	text := "tree " + tree + "\nparent " + parent + "\nauthor Ann Author <ann@example.com> 1700000000 +0130\n" +
		"committer odd line\ngpgsig -----BEGIN\n x\n -----END\n\n\nsubject\n\nbody\n"
	got, err := ParseCommit(ID{1}, []byte(text))
	want := Commit{
		ID: ID{1}.String(), Tree: tree, Parents: []string{parent},
		Author:    Signature{"Ann Author", "ann@example.com", time.Unix(1700000000, 0)},
		Committer: Signature{Name: "odd line"},
		Subject:   "subject", Message: "\nsubject\n\nbody\n", Signed: "-----BEGIN\nx\n-----END",
		Payload: []byte(strings.Replace(text, "gpgsig -----BEGIN\n x\n -----END\n", "", 1)),
	}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
	if _, err := ParseCommit(ID{}, []byte("parent "+parent+"\n\nx")); err == nil {
		t.Error("a commit without a tree was accepted")
	}
}

func TestParseTag(t *testing.T) {
	head := "object " + strings.Repeat("a", 40) + "\ntype commit\ntag v1\ntagger A <a@b> 1 -0100\n\nrelease\n"
	signature := "-----BEGIN SSH SIGNATURE-----\nx\n"
	got, err := ParseTag(ID{1}, []byte(head+signature))
	want := Tag{
		ID: ID{1}.String(), Target: strings.Repeat("a", 40), Name: "v1", Tagger: Signature{"A", "a@b", time.Unix(1, 0)},
		Message: "release\n", Signed: signature, Payload: []byte(head),
	}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
	for _, text := range []string{"", "object x\ntype commit\n\n", "object " + strings.Repeat("a", 40) + "\ntype cake\n\n"} {
		if _, err := ParseTag(ID{}, []byte(text)); err == nil {
			t.Errorf("%q was accepted", text)
		}
	}
}

func TestLoose(t *testing.T) {
	file := func(plain string) []byte {
		var b bytes.Buffer
		w := zlib.NewWriter(&b)
		fmt.Fprint(w, plain)
		w.Close()
		return b.Bytes()
	}
	id := Object{Kind: KindBlob, Data: []byte("abc")}.ID()
	got, err := ParseLoose(id, file("blob 3\x00abc"), 10)
	if diff := cmp.Diff(Object{Kind: KindBlob, Data: []byte("abc")}, got); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
	if k, size, err := StatLoose(id, file("blob 3\x00abc")); k != KindBlob || size != 3 || err != nil {
		t.Errorf("%v %d %v", k, size, err)
	}
	if _, err := ParseLoose(id, file("blob 3\x00abc"), 2); !errors.As(err, new(*TooLargeError)) {
		t.Errorf("above the limit: %v", err)
	}
	for name, plain := range map[string]string{
		"another id": "blob 3\x00abd", "size": "blob 4\x00abc", "negative size": "blob -3\x00abc", "kind": "cake 3\x00abc", "no head": "abc", "large claim": "blob 9\x00abc",
	} {
		if _, err := ParseLoose(id, file(plain), 10); !errors.As(err, new(*CorruptError)) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, _, err := StatLoose(id, []byte("blob 3\x00abc")); !errors.As(err, new(*CorruptError)) {
		t.Errorf("not compressed: %v", err)
	}
}

func TestAbbreviation(t *testing.T) {
	start, err := ParseAbbreviation("ABCD1")
	if err != nil {
		t.Fatal(err)
	}
	if first := (ID{0xab, 0xcd, 0x10}); start.First() != first || !start.Matches(first) || start.Matches(ID{0xab, 0xcd, 0x20}) {
		t.Errorf("first is %s", start.First())
	}
	one, two := ID{0xab, 0xcd, 0x10, 1}, ID{0xab, 0xcd, 0x1f}
	if got, err := start.Only([]ID{one, one}); got != one.String() || err != nil {
		t.Errorf("%s, %v", got, err)
	}
	for want, ids := range map[string][]ID{
		`commit "abcd1": no commit starts like this: give the full id`:                            nil,
		`commit "abcd1": stands for ` + one.String() + ", " + two.String() + ": give more digits": {two, one},
	} {
		if _, err := start.Only(ids); err == nil || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
	for _, digits := range []string{"", "abc", "main", strings.Repeat("a", 41)} {
		if _, err := ParseAbbreviation(digits); err == nil {
			t.Errorf("%q was accepted", digits)
		}
	}
}
