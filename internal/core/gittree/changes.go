package gittree

import (
	"path"

	"github.com/plumbline-dev/plumbline/internal/core/gitobject"
	"github.com/plumbline-dev/plumbline/internal/core/source"
)

// maxChanges is how many changed paths are kept apart; with more of them, it is
// cheaper to look at each directory that somebody asks for.
const maxChanges = 1 << 12

var _ source.Differ = tree{}

// Since compares two commits of a repository, directory by directory; those with
// equal ids are not read.
func (t tree) Since(old source.Tree) (source.Changes, bool) {
	before, ok := old.(tree)
	if !ok {
		return source.Changes{}, false
	}
	var c source.Changes
	ok = changes(&c, ".", side{before.Snapshot, before.root}, side{t.Snapshot, t.root})
	return c, ok
}

// side is a directory of one of two commits.
type side struct {
	*Snapshot
	id gitobject.ID
}

func (s side) entries() ([]gitobject.Entry, error) {
	raw, err := s.rawTree(s.id)
	if err != nil {
		return nil, err
	}
	return gitobject.ParseTree(raw, s.limits.Entries)
}

// changes adds what differs in a directory, and reports whether that could be told.
func changes(c *source.Changes, dir string, old, now side) bool {
	if old.id == now.id {
		return true
	}
	c.Add(dir, false)
	before, errBefore := old.entries()
	after, errAfter := now.entries()
	if errBefore != nil || errAfter != nil {
		return false
	}
	was := make(map[string]gitobject.Entry, len(before))
	for _, e := range before {
		was[e.Name] = e
	}
	for _, e := range after {
		b, known := was[e.Name]
		delete(was, e.Name)
		name := path.Join(dir, e.Name)
		switch {
		case known && b == e:
		case known && b.Mode.IsDir() && e.Mode.IsDir():
			if !changes(c, name, side{old.Snapshot, b.ID}, side{now.Snapshot, e.ID}) {
				return false
			}
		default:
			c.Add(name, true)
		}
	}
	for gone := range was {
		c.Add(path.Join(dir, gone), true)
	}
	return c.Len() <= maxChanges
}
