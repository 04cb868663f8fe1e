package gittree

import (
	"errors"
	"io/fs"
	"path"

	"github.com/plumbline-dev/plumbline/internal/core/source"
)

// Submodule is a place in a tree where another repository belongs.
type Submodule struct {
	Path   string
	Commit string // it is pinned to
}

// Submodules lists the submodules at and below a directory of a tree from this
// package, sorted by path. Their files are not part of the tree.
func Submodules(t source.Tree, dir string) ([]Submodule, error) {
	own, ok := t.(tree)
	if !ok {
		return nil, nil
	}
	real, err := t.Resolve(dir)
	if err != nil {
		return nil, err
	}
	var found []Submodule
	visited := 0
	var walk func(at string) error
	walk = func(at string) error {
		if visited++; visited > own.limits.Entries {
			return &fs.PathError{Op: "submodules", Path: dir, Err: errors.New("too many directories")}
		}
		entries, err := own.list(at)
		if err != nil {
			return &fs.PathError{Op: "submodules", Path: at, Err: err}
		}
		for _, e := range entries {
			switch name := path.Join(at, e.Name); {
			case e.Mode == source.ModeSubmodule:
				found = append(found, Submodule{name, e.ID.String()})
			case e.Mode.IsDir():
				if err := walk(name); err != nil {
					return err
				}
			}
		}
		return nil
	}
	err = walk(real)
	return found, err
}
