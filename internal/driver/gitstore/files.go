package gitstore

import (
	"bytes"
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/plumbline-dev/plumbline/internal/core/source"
)

// snapshot is the files of one commit; any number of trees share it.
type snapshot struct {
	objects *objects
	root    oid

	// dirs remembers which tree lies at a link-free path. It only ever grows, up
	// to maxKnownDirs; reading goes on without it.
	dirs  sync.Map // string to oid
	known atomic.Int64
}

const maxKnownDirs = 8192

// tree is a snapshot under the revision somebody asked for.
type tree struct {
	*snapshot
	revision source.Revision
}

var _ source.Tree = tree{}

func (t tree) Revision() source.Revision { return t.revision }

// dir returns the raw tree at a link-free path.
func (s *snapshot) dir(name string) ([]byte, error) {
	id, err := s.dirID(name)
	if err != nil {
		return nil, err
	}
	c, err := s.objects.read(id)
	if err != nil {
		return nil, err
	}
	if c.kind != kindTree {
		return nil, &CorruptError{Object: id.String(), Err: errors.New("is a " + c.kind.String() + ", not a tree")}
	}
	return c.data, nil
}

func (s *snapshot) dirID(name string) (oid, error) {
	if name == "." {
		return s.root, nil
	}
	if id, ok := s.dirs.Load(name); ok {
		return id.(oid), nil
	}
	e, err := s.entry(name)
	if err != nil {
		return oid{}, err
	}
	if !e.mode.IsDir() {
		return oid{}, fs.ErrNotExist
	}
	if s.known.Add(1) <= maxKnownDirs {
		s.dirs.Store(name, e.id)
	}
	return e.id, nil
}

// entry returns what lies at a link-free path.
func (s *snapshot) entry(name string) (entry, error) {
	if name == "." {
		return entry{source.ModeDirectory, ".", s.root}, nil
	}
	raw, err := s.dir(path.Dir(name))
	if err != nil {
		return entry{}, err
	}
	e, ok, err := findEntry(raw, path.Base(name))
	if err != nil {
		return entry{}, &CorruptError{File: path.Dir(name), Err: err}
	}
	if !ok {
		return entry{}, fs.ErrNotExist
	}
	return e, nil
}

// at describes a link-free path for source.Follow.
func (s *snapshot) at(name string) (source.Entry, error) {
	e, err := s.entry(name)
	if err != nil {
		return source.Entry{}, err
	}
	out := source.Entry{Type: e.mode.Type()}
	switch e.mode {
	case source.ModeLink:
		out.Target, err = s.target(e)
	case source.ModeSubmodule:
		out.ID = e.id.String()
	}
	return out, err
}

const maxLinkTarget = 4096 // as Linux has it

func (s *snapshot) target(e entry) (string, error) {
	_, size, err := s.objects.stat(e.id)
	if err != nil {
		return "", err
	}
	if size > maxLinkTarget {
		return "", &CorruptError{Object: e.id.String(), Err: errors.New("target of a symbolic link is too long")}
	}
	c, err := s.objects.read(e.id)
	return string(c.data), err
}

// find follows links from name. Most names have none: those are found with one
// look into the directory they lie in.
func (s *snapshot) find(op, name string) (string, entry, error) {
	if err := source.CheckName(op, name); err != nil {
		return "", entry{}, err
	}
	if e, err := s.entry(name); err == nil && e.mode != source.ModeLink {
		return name, e, nil
	}
	real, err := source.Follow(op, name, s.at)
	if err != nil {
		return "", entry{}, err
	}
	e, err := s.entry(real)
	if err != nil {
		return "", entry{}, &fs.PathError{Op: op, Path: name, Err: err}
	}
	return real, e, nil
}

// Resolve returns name with every link replaced by its target.
func (t tree) Resolve(name string) (string, error) {
	real, _, err := t.find("resolve", name)
	return real, err
}

// ID returns the object id of the blob or tree at name; of a submodule, its
// commit.
func (t tree) ID(name string) (string, error) {
	_, e, err := t.find("id", name)
	if err != nil {
		return "", err
	}
	return e.id.String(), nil
}

// Stat describes what is at name, links followed.
func (t tree) Stat(name string) (fs.FileInfo, error) {
	_, e, err := t.find("stat", name)
	if err != nil {
		return nil, err
	}
	return t.info(path.Base(name), e), nil
}

func (s *snapshot) info(base string, e entry) *source.Info {
	if !e.mode.IsRegular() {
		return source.NewInfo(base, e.mode, nil)
	}
	return source.NewInfo(base, e.mode, func() int64 {
		_, size, err := s.objects.stat(e.id)
		if err != nil {
			return 0 // reading the file will say why
		}
		return size
	})
}

// ReadFile returns the content of a file. It fails with *source.SizeError above
// the limit, *source.LFSPointerError and *source.SubmoduleError for what is not
// in this repository.
func (t tree) ReadFile(name string) ([]byte, error) {
	real, e, err := t.find("read", name)
	if err != nil {
		return nil, err
	}
	switch {
	case e.mode.IsDir():
		return nil, &fs.PathError{Op: "read", Path: name, Err: source.ErrIsDirectory}
	case e.mode == source.ModeSubmodule:
		return nil, &source.SubmoduleError{Path: real, Commit: e.id.String()}
	}
	return t.blob(name, e)
}

func (t tree) blob(name string, e entry) ([]byte, error) {
	k, size, err := t.objects.stat(e.id)
	if err != nil {
		return nil, &fs.PathError{Op: "read", Path: name, Err: err}
	}
	if k != kindBlob {
		return nil, &fs.PathError{Op: "read", Path: name, Err: &CorruptError{Object: e.id.String(), Err: errors.New("is a " + k.String() + ", not a blob")}}
	}
	if limit := t.objects.limits.file; size > limit {
		return nil, &source.SizeError{Path: name, Size: size, Limit: limit}
	}
	c, err := t.objects.read(e.id)
	if err != nil {
		return nil, &fs.PathError{Op: "read", Path: name, Err: err}
	}
	if oid, size, ok := source.IsLFSPointer(c.data); ok {
		return nil, &source.LFSPointerError{Path: name, OID: oid, Size: size}
	}
	if c.shared {
		return bytes.Clone(c.data), nil // callers may write to it
	}
	return c.data, nil
}

// ReadDir lists a directory, sorted by name. Links and submodules are listed as
// what they are: fs.ModeSymlink and fs.ModeIrregular.
func (t tree) ReadDir(name string) ([]fs.DirEntry, error) {
	real, e, err := t.find("readdir", name)
	if err != nil {
		return nil, err
	}
	if e.mode == source.ModeSubmodule {
		return nil, &source.SubmoduleError{Path: real, Commit: e.id.String()}
	}
	if !e.mode.IsDir() {
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: source.ErrNotDirectory}
	}
	entries, err := t.list(real)
	if err != nil {
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: err}
	}
	out := make([]fs.DirEntry, len(entries))
	for i, e := range entries {
		out[i] = t.info(e.name, e)
	}
	return out, nil
}

// list returns the entries at a link-free path, sorted by name.
func (s *snapshot) list(real string) ([]entry, error) {
	raw, err := s.dir(real)
	if err != nil {
		return nil, err
	}
	entries, err := parseTree(raw, s.objects.limits.entries)
	if err != nil {
		return nil, &CorruptError{File: real, Err: err}
	}
	byName := func(a, b entry) int { return strings.Compare(a.name, b.name) }
	if !slices.IsSortedFunc(entries, byName) { // Git sorts "a.b" before "a/"
		slices.SortFunc(entries, byName)
	}
	return entries, nil
}

// Open opens a file or a directory.
func (t tree) Open(name string) (fs.File, error) {
	_, e, err := t.find("open", name)
	if err != nil {
		return nil, err
	}
	info := t.info(path.Base(name), e)
	if e.mode.IsDir() {
		entries, err := t.ReadDir(name)
		if err != nil {
			return nil, err
		}
		return source.NewDir(info, entries), nil
	}
	data, err := t.ReadFile(name)
	if err != nil {
		return nil, err
	}
	return source.NewFile(info, data), nil
}

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
		if visited++; visited > own.objects.limits.entries {
			return &fs.PathError{Op: "submodules", Path: dir, Err: errors.New("too many directories")}
		}
		entries, err := own.list(at)
		if err != nil {
			return &fs.PathError{Op: "submodules", Path: at, Err: err}
		}
		for _, e := range entries {
			switch name := path.Join(at, e.name); {
			case e.mode == source.ModeSubmodule:
				found = append(found, Submodule{name, e.id.String()})
			case e.mode.IsDir():
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
