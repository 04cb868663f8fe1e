package gitref_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plumbline-dev/plumbline/internal/core/gitobject"
	"github.com/plumbline-dev/plumbline/internal/core/gitref"
	"github.com/plumbline-dev/plumbline/internal/core/source"
)

var a, b = id("a"), id("b")

func id(digit string) gitobject.ID {
	id, err := gitobject.ParseID(strings.Repeat(digit, 40))
	if err != nil {
		panic(err)
	}
	return id
}

func TestParsePacked(t *testing.T) {
	text := "# pack-refs with: peeled fully-peeled sorted \n" + a.String() + " refs/heads/main\n" +
		a.String() + " refs/tags/v1\n^" + b.String() + "\n"
	got, err := gitref.ParsePacked(strings.NewReader(text))
	want := map[string]gitref.Packed{"refs/heads/main": {a, a, true}, "refs/tags/v1": {a, b, true}}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
	got, err = gitref.ParsePacked(strings.NewReader("# pack-refs with: peeled\n" + a.String() + " refs/tags/v1\n"))
	if diff := cmp.Diff(map[string]gitref.Packed{"refs/tags/v1": {ID: a, Target: a}}, got); diff != "" || err != nil {
		t.Errorf("not fully peeled: %v\n%s", err, diff)
	}
	_, err = gitref.ParsePacked(strings.NewReader("<html>\n"))
	if want := `git file "packed-refs": damaged: line "<html>"`; err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}

func FuzzPacked(f *testing.F) {
	f.Add("# pack-refs with: peeled fully-peeled sorted\n" + a.String() + " refs/tags/v1\n^" + b.String() + "\n")
	f.Fuzz(func(t *testing.T, text string) { _, _ = gitref.ParsePacked(strings.NewReader(text)) })
}

func TestHead(t *testing.T) {
	refs := map[string]gitobject.ID{"refs/heads/main": a}
	for text, want := range map[string]gitobject.ID{
		"ref: refs/heads/main\n": a, b.String() + "\n": b, "ref: refs/heads/unborn\n": {}, "": {}, "ref:": {},
	} {
		if got, ok := gitref.Head([]byte(text), refs); got != want || ok != (want != gitobject.ID{}) {
			t.Errorf("%q: %s, %v", text, got, ok)
		}
	}
}

func TestMirror(t *testing.T) {
	extra := []string{"refs/pull/7/head", "refs/heads/x", "refs/notes/x"}
	want := []string{
		"+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*", "+HEAD:refs/plumb/HEAD",
		"+refs/notes/*:refs/plumb/other/notes/*", "+refs/pull/7/hea*:refs/plumb/other/pull/7/hea*",
	}
	if diff := cmp.Diff(want, gitref.Mirror(gitref.HeadRequired, extra)); diff != "" {
		t.Error(diff)
	}
	if got := gitref.Mirror(gitref.HeadOptional, nil)[2]; got != "+HEA*:refs/plumb/HEA*" {
		t.Errorf("HEAD by %s", got)
	}
	if extra[0] != "refs/pull/7/head" {
		t.Error("the caller's list was changed")
	}
	if got := gitref.Keep(a); got != "+"+a.String()+":refs/plumb/keep/"+a.String() {
		t.Errorf("a commit by %s", got)
	}
}

func TestOffered(t *testing.T) {
	got := gitref.Offered(map[string]gitobject.ID{
		"refs/heads/main": a, "refs/tags/v1": b, "refs/plumb/HEAD": a, "refs/plumb/HEAL": a, "refs/plumb/keep/x": b,
		"refs/plumb/other/pull/7/head": b, "refs/plumb/other/pull/8/head": b,
	}, []string{"refs/pull/7/head"})
	want := source.Refs{
		"HEAD": {ID: a.String()}, "refs/heads/main": {ID: a.String()}, "refs/tags/v1": {ID: b.String()}, "refs/pull/7/head": {ID: b.String()},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestCheck(t *testing.T) {
	for _, name := range []string{"refs/heads/main", "refs/pull/7/head", "refs/tags/v1.2.3-rc.1", gitref.Tag("ümläut")} {
		if err := gitref.Check(name); err != nil {
			t.Error(err)
		}
	}
	for _, name := range []string{
		"", "main", "--x", "refs/heads/../../config", "refs/a b", "refs/x\ny", "refs/x:y", "refs/x*", "refs/", "refs/x.lock", "refs/x.lock/y",
		"refs//x", "refs/.x", "refs/x.", "refs/x@{1}", "refs/" + strings.Repeat("x", 600),
	} {
		if err := gitref.Check(name); err == nil {
			t.Errorf("%q was accepted", name)
		}
	}
}

func TestCheckFormat(t *testing.T) {
	for config, want := range map[string]string{
		"":                                      "",
		"[core]\n\tbare = true\n":               "",
		"[extensions]\n\tobjectFormat = sha1\n": "",
		"[extensions]\n\tobjectFormat = SHA256\n": "its object ids are SHA256: only SHA-1 repositories can be read yet",
		"[extensions]\n\trefStorage = reftable\n": `its references are stored as "reftable": run git refs migrate --ref-format=files`,
	} {
		err := gitref.CheckFormat([]byte(config))
		if (err == nil) != (want == "") || err != nil && err.Error() != want {
			t.Errorf("%q: %v, want %s", config, err, want)
		}
	}
}
