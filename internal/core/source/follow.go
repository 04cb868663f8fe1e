package source

import (
	"errors"
	"io/fs"
	"path"
	"strings"
)

// An Entry is what a tree has at a path, before any link is followed.
type Entry struct {
	Type   fs.FileMode // type bits only; fs.ModeIrregular for a submodule
	Target string      // where a symbolic link points
	ID     string      // commit of a submodule
}

const maxLinks = 40 // as many as Linux follows in one path

// Follow resolves name component by component and returns the path of what it
// names, free of symbolic links. It asks at for one link-free path after the
// other; at fails with fs.ErrNotExist where there is nothing.
//
// It fails with *EscapeError when a link leaves the root, even if only for a
// part of its way, with ErrLinkLoop after 40 links, with *SubmoduleError below
// a submodule, and with fs.ErrNotExist.
func Follow(op, name string, at func(path string) (Entry, error)) (string, error) {
	if err := CheckName(op, name); err != nil {
		return "", err
	}
	here := "."
	rest := strings.Split(name, "/")
	link := "" // target of the link that is being followed
	for links := 0; len(rest) > 0; {
		step := rest[0]
		rest = rest[1:]
		switch step {
		case ".", "":
			continue
		case "..":
			if here == "." {
				return "", &EscapeError{Path: name, Target: link}
			}
			here = path.Dir(here)
			continue
		}
		next := path.Join(here, step)
		entry, err := at(next)
		if err != nil {
			return "", pathError(op, name, err)
		}
		switch {
		case entry.Type&fs.ModeSymlink != 0:
			if links++; links > maxLinks {
				return "", &fs.PathError{Op: op, Path: name, Err: ErrLinkLoop}
			}
			if link = entry.Target; path.IsAbs(link) {
				return "", &EscapeError{Path: name, Target: link}
			}
			rest = append(strings.Split(link, "/"), rest...)
		case entry.Type.IsDir() || len(rest) == 0:
			here = next
		case entry.Type&fs.ModeIrregular != 0 && entry.ID != "":
			return "", &SubmoduleError{Path: next, Commit: entry.ID}
		default: // something below a file
			return "", &fs.PathError{Op: op, Path: name, Err: fs.ErrNotExist}
		}
	}
	return here, nil
}

// pathError gives err the name the caller asked for, whatever path it arose at.
func pathError(op, name string, err error) error {
	if inner := (*fs.PathError)(nil); errors.As(err, &inner) {
		err = inner.Err
	}
	return &fs.PathError{Op: op, Path: name, Err: err}
}
