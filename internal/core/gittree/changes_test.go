package gittree_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/plumbline-dev/plumbline/internal/core/gitobject"
	"github.com/plumbline-dev/plumbline/internal/core/gittree"
	"github.com/plumbline-dev/plumbline/internal/core/source"
)

// tree makes a commit of files, by path.
func (m memory) tree(t *testing.T, files map[string]string) source.Tree {
	t.Helper()
	var dir func(prefix string) gitobject.ID
	dir = func(prefix string) gitobject.ID {
		lines := map[string]string{}
		for name, text := range files {
			rest, inside := strings.CutPrefix(name, prefix)
			base, _, deeper := strings.Cut(rest, "/")
			switch {
			case !inside || lines[base] != "":
			case deeper:
				lines[base] = line("40000", base, dir(prefix+base+"/"))
			default:
				lines[base] = line("100644", base, m.add(gitobject.KindBlob, text))
			}
		}
		var data strings.Builder
		for _, base := range slices.Sorted(maps.Keys(lines)) {
			data.WriteString(lines[base])
		}
		return m.add(gitobject.KindTree, data.String())
	}
	id := m.add(gitobject.KindCommit, fmt.Sprintf("tree %s\nauthor A <a@b> 1 +0000\n\nsubject\n", dir("")))
	s, err := gittree.New(m, id, gittree.Limits{File: 1000, Entries: 50})
	if err != nil {
		t.Fatal(err)
	}
	return s.Tree(source.Revision{ID: id.String()})
}

func since(t *testing.T, old, now source.Tree) source.Changes {
	t.Helper()
	c, ok := now.(source.Differ).Since(old)
	if !ok {
		t.Fatal("it cannot be told what changed")
	}
	return c
}

// TestChanges compares with the ids that directories have in both commits.
func TestChanges(t *testing.T) {
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 0))
	name := func() string { return string(rune('a' + r.IntN(4))) }
	random := func(files map[string]string) {
		for range 1 + r.IntN(6) {
			file := name()
			for range r.IntN(4) {
				file += "/" + name()
			}
			if r.IntN(3) == 0 {
				delete(files, file)
				continue
			}
			for other := range files { // a path is a file or a directory
				if strings.HasPrefix(other, file+"/") || strings.HasPrefix(file, other+"/") {
					delete(files, other)
				}
			}
			files[file] = name()
		}
	}
	var dirs []string
	for _, d := range []string{"a", "b", "c", "d"} {
		dirs = append(dirs, d)
		for _, e := range []string{"a", "b", "c", "d"} {
			dirs = append(dirs, path.Join(d, e), path.Join(d, e, "a"))
		}
	}
	for range 500 {
		m, files := memory{}, map[string]string{}
		random(files)
		random(files)
		old := m.tree(t, files)
		random(files)
		now := m.tree(t, files)
		c := since(t, old, now)
		for _, dir := range append(dirs, ".") {
			before, gone := old.ID(dir)
			after, missing := now.ID(dir)
			same := before == after && (gone == nil) == (missing == nil)
			if c.Touch(dir) && same && gone == nil {
				t.Errorf("seed %d: %q is the same, and touched", seed, dir)
			}
			if !c.Touch(dir) && !same {
				t.Errorf("seed %d: %q is another, and not touched", seed, dir)
			}
		}
	}
}

func TestChangesThatCannotBeTold(t *testing.T) {
	m := memory{}
	base := m.tree(t, map[string]string{"a/b": "1", "c": "2"})
	for name, old := range map[string]source.Tree{
		"nothing to compare with": nil,
		"another kind of tree":    source.FromFS(nil, source.Revision{}),
	} {
		if _, ok := base.(source.Differ).Since(old); ok {
			t.Errorf("%s: told", name)
		}
	}
	damaged := m.tree(t, map[string]string{"a/b": "other", "c": "2"})
	id, err := damaged.ID("a")
	if err != nil {
		t.Fatal(err)
	}
	lost, err := gitobject.ParseID(id)
	if err != nil {
		t.Fatal(err)
	}
	delete(m, lost)
	if _, ok := damaged.(source.Differ).Since(base); ok {
		t.Error("a directory that is not there: told")
	}
	many := map[string]string{}
	for i := range 120 {
		for j := range 40 {
			many[fmt.Sprintf("%d/%d/%d", i%40, i/40, j)] = "x"
		}
	}
	was := m.tree(t, many)
	for name := range many {
		many[name] = "y"
	}
	if _, ok := m.tree(t, many).(source.Differ).Since(was); ok {
		t.Error("thousands of changes: told one by one")
	}
}
