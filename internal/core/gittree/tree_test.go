package gittree_test

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/plumbline-dev/plumbline/internal/core/gitobject"
	"github.com/plumbline-dev/plumbline/internal/core/gittree"
	"github.com/plumbline-dev/plumbline/internal/core/source"
)

// memory is a gitobject.Reader.
type memory map[gitobject.ID]gitobject.Object

func (m memory) Read(id gitobject.ID) (gitobject.Object, error) {
	if o, ok := m[id]; ok {
		return o, nil
	}
	return gitobject.Object{}, &gitobject.MissingError{Object: id.String()}
}

func (m memory) Stat(id gitobject.ID) (gitobject.Kind, int64, error) {
	o, err := m.Read(id)
	return o.Kind, int64(len(o.Data)), err
}

func (m memory) add(k gitobject.Kind, data string) gitobject.ID {
	o := gitobject.Object{Kind: k, Data: []byte(data), Shared: true}
	m[o.ID()] = o
	return o.ID()
}

// line is one line of a tree object.
func line(mode, name string, id gitobject.ID) string {
	return mode + " " + name + "\x00" + string(id[:])
}

func (m memory) commit(lines ...string) gitobject.ID {
	root := m.add(gitobject.KindTree, strings.Join(lines, ""))
	return m.add(gitobject.KindCommit, fmt.Sprintf("tree %s\nauthor A <a@b> 1 +0000\n\nsubject\n", root))
}

var module = gitobject.ID{0x12, 0x34}

func sample(t *testing.T) (memory, source.Tree) {
	t.Helper()
	m := memory{}
	file := func(content string) gitobject.ID { return m.add(gitobject.KindBlob, content) }
	apps := m.add(gitobject.KindTree, line("100644", "a.b", file("one"))+line("40000", "a", m.add(gitobject.KindTree, line("100644", "deep", file("two"))))+
		line("100755", "run", file("#!")))
	id := m.commit(
		line("40000", "apps", apps),
		line("120000", "dir", file("apps/a")), line("120000", "link", file("dir/deep")), line("120000", "long", file(strings.Repeat("x", 5000))),
		line("120000", "loop", file("loop")), line("120000", "out", file("../etc")),
		line("100644", "gone", gitobject.ID{9}),
		line("100644", "large", file(strings.Repeat("l", 2000))),
		line("100644", "lfs", file("version https://git-lfs.github.com/spec/v1\noid sha256:"+strings.Repeat("ab", 32)+"\nsize 7\n")),
		line("160000", "module", module),
		line("100644", "no blob", apps), line("40000", "no tree", file("three")),
	)
	s, err := gittree.New(m, id, gittree.Limits{File: 1000, Entries: 50})
	if err != nil {
		t.Fatal(err)
	}
	return m, s.Tree(source.Revision{Name: "main", ID: id.String()})
}

func TestReadFile(t *testing.T) {
	_, at := sample(t)
	tests := map[string]struct {
		name string
		want string // content, or else
		err  any    // pointer to the error expected
	}{
		"file":           {"apps/a.b", "one", nil},
		"through links":  {"link", "two", nil},
		"below a link":   {"dir/deep", "two", nil},
		"absent":         {"apps/b", "", fs.ErrNotExist},
		"below a file":   {"apps/run/x", "", fs.ErrNotExist},
		"directory":      {"apps", "", source.ErrIsDirectory},
		"loop":           {"loop", "", source.ErrLinkLoop},
		"leaves":         {"out/passwd", "", new(*source.EscapeError)},
		"climbs out":     {"../x", "", new(*source.EscapeError)},
		"endless target": {"long", "", new(*gitobject.CorruptError)},
		"too large":      {"large", "", new(*source.SizeError)},
		"lfs":            {"lfs", "", new(*source.LFSPointerError)},
		"submodule":      {"module", "", new(*source.SubmoduleError)},
		"in submodule":   {"module/x", "", new(*source.SubmoduleError)},
		"missing object": {"gone", "", new(*gitobject.MissingError)},
		"tree as file":   {"no blob", "", new(*gitobject.CorruptError)},
		"file as tree":   {"no tree/x", "", new(*gitobject.CorruptError)},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := at.ReadFile(tt.name)
			ok := err == nil
			if sentinel, is := tt.err.(error); is {
				ok = errors.Is(err, sentinel)
			} else if tt.err != nil {
				ok = errors.As(err, tt.err)
			}
			if !ok || string(got) != tt.want {
				t.Errorf("%q, %v", got, err)
			}
		})
	}
}

// Callers may write to what they read, even though the cache has it too.
func TestContentIsTheCallers(t *testing.T) {
	_, at := sample(t)
	first, _ := at.ReadFile("apps/a.b")
	copy(first, "xxx")
	if again, err := at.ReadFile("apps/a.b"); string(again) != "one" || err != nil {
		t.Errorf("%q, %v", again, err)
	}
}

func TestReadDir(t *testing.T) {
	_, at := sample(t)
	entries, err := at.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]fs.FileMode{}
	for _, e := range entries {
		got[e.Name()] = e.Type()
	}
	if got["link"] != fs.ModeSymlink || got["module"] != fs.ModeIrregular || got["apps"] != fs.ModeDir || len(got) != 12 {
		t.Errorf("%v", got)
	}
	entries, err = at.ReadDir("apps") // Git sorts "a.b" before "a/"
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if diff := cmp.Diff([]string{"a", "a.b", "run"}, names); diff != "" || err != nil {
		t.Errorf("%v %s", err, diff)
	}
}

func TestTreeIsAFileSystem(t *testing.T) {
	m := memory{}
	inner := m.add(gitobject.KindTree, line("100644", "f", m.add(gitobject.KindBlob, "1")))
	id := m.commit(line("40000", "d", inner), line("100644", "g", m.add(gitobject.KindBlob, "22")))
	s, err := gittree.New(m, id, gittree.Limits{File: 100, Entries: 10})
	if err != nil {
		t.Fatal(err)
	}
	if err := fstest.TestFS(s.Tree(source.Revision{ID: id.String()}), "d/f", "g"); err != nil {
		t.Error(err)
	}
}

func TestNewRefuses(t *testing.T) {
	m := memory{}
	blob := m.add(gitobject.KindBlob, "x")
	for name, id := range map[string]gitobject.ID{
		"nothing": {1}, "blob": blob, "no tree": m.add(gitobject.KindCommit, "author A <a@b> 1 +0000\n\nx\n"),
		"endless tags": m.add(gitobject.KindTag, fmt.Sprintf("object %s\ntype tag\ntag t\n\n", gitobject.ID{7})),
	} {
		if _, err := gittree.New(m, id, gittree.Limits{}); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
}

// In a directory that is large enough for an index, everything is found that is
// found by reading it line by line, and nothing else.
func TestLargeDirectory(t *testing.T) {
	m := memory{}
	var lines []string
	for i := range 500 {
		lines = append(lines, line("100644", fmt.Sprintf("f%03d.yaml", i), m.add(gitobject.KindBlob, fmt.Sprint(i))))
	}
	id := m.commit(append(lines, line("40000", "f4", m.add(gitobject.KindTree, line("100644", "deep", m.add(gitobject.KindBlob, "deep")))))...)
	s, err := gittree.New(m, id, gittree.Limits{File: 1000, Entries: 1000})
	if err != nil {
		t.Fatal(err)
	}
	tree := s.Tree(source.Revision{})
	for i := range 500 {
		if data, err := fs.ReadFile(tree, fmt.Sprintf("f%03d.yaml", i)); err != nil || string(data) != fmt.Sprint(i) {
			t.Fatalf("file %d: %q, %v", i, data, err)
		}
	}
	if data, err := fs.ReadFile(tree, "f4/deep"); err != nil || string(data) != "deep" {
		t.Errorf("below the directory: %q, %v", data, err)
	}
	for _, name := range []string{"f", "f500.yaml", "f000.yam", "f000.yamlx", "zzz"} {
		if _, err := fs.Stat(tree, name); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
