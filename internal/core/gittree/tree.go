// Package gittree presents the files of a commit as a source.Tree.
//
// In goes a reader of Git objects and the id of a commit; out come its directories
// and files, links followed inside the tree, in one look-up for each directory on
// the way. What belongs to another repository (submodules) or another store (LFS)
// is reported where it is read. The package never leaves the tree, never fetches
// anything and never writes.
package gittree

import (
	"bytes"
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/plumbline-dev/plumbline/internal/core/gitobject"
	"github.com/plumbline-dev/plumbline/internal/core/source"
)

// Limits bound what damaged or hostile data can cost.
type Limits struct {
	File    int64 // bytes of a file that is read
	Entries int   // of one directory
}

// Snapshot is the files of one commit. Any number of trees share it; it is safe for
// concurrent use.
type Snapshot struct {
	objects gitobject.Reader
	limits  Limits
	root    gitobject.ID

	// dirs remembers which tree lies at a link-free path. It only ever grows, up
	// to maxKnownDirs; reading goes on without it.
	dirs  sync.Map // string to gitobject.ID
	known atomic.Int64

	// indexes remembers where what stands in large directories, by path.
	indexes sync.Map // string to gitobject.Index
	indexed atomic.Int64
}

// maxKnownDirs is far more than the directories on the way to others, which are
// looked up again and again; each takes some 400 bytes for as long as the snapshot.
const maxKnownDirs = 512

// Raw trees between these sizes in bytes get an index, so many of a snapshot:
// smaller ones are read as fast, larger ones are nobody's to keep.
const (
	minIndexed = 4 << 10
	maxIndexed = 4 << 20
	maxIndexes = 64
)

// New returns the files of the commit that id is, or that the tag id stands for.
func New(objects gitobject.Reader, id gitobject.ID, limits Limits) (*Snapshot, error) {
	commit, err := gitobject.ReadCommit(objects, id)
	if err != nil {
		return nil, err
	}
	root, err := gitobject.ParseID(commit.Tree)
	if err != nil {
		return nil, err
	}
	return &Snapshot{objects: objects, limits: limits, root: root}, nil
}

// Tree returns the files under the revision that somebody asked for. Its errors are
// those of source, *gitobject.CorruptError, *source.LFSPointerError for LFS files
// and *source.SubmoduleError below submodules.
func (s *Snapshot) Tree(rev source.Revision) source.Tree { return tree{s, rev} }

// tree is a snapshot under a revision.
type tree struct {
	*Snapshot
	revision source.Revision
}

var _ source.Tree = tree{}

func (t tree) Revision() source.Revision { return t.revision }

// dir returns the raw tree at a link-free path.
func (s *Snapshot) dir(name string) ([]byte, error) {
	id, err := s.dirID(name)
	if err != nil {
		return nil, err
	}
	return s.rawTree(id)
}

func (s *Snapshot) rawTree(id gitobject.ID) ([]byte, error) {
	c, err := s.objects.Read(id)
	if err != nil {
		return nil, err
	}
	if c.Kind != gitobject.KindTree {
		return nil, &gitobject.CorruptError{Object: id.String(), Err: errors.New("is a " + c.Kind.String() + ", not a tree")}
	}
	return c.Data, nil
}

func (s *Snapshot) dirID(name string) (gitobject.ID, error) {
	if name == "." {
		return s.root, nil
	}
	if id, ok := s.dirs.Load(name); ok {
		return id.(gitobject.ID), nil
	}
	e, err := s.entry(name)
	if err != nil {
		return gitobject.ID{}, err
	}
	if !e.Mode.IsDir() {
		return gitobject.ID{}, fs.ErrNotExist
	}
	if s.known.Add(1) <= maxKnownDirs {
		s.dirs.Store(name, e.ID)
	}
	return e.ID, nil
}

// entry returns what lies at a link-free path.
func (s *Snapshot) entry(name string) (gitobject.Entry, error) {
	if name == "." {
		return gitobject.Entry{Mode: source.ModeDirectory, Name: ".", ID: s.root}, nil
	}
	raw, err := s.dir(path.Dir(name))
	if err != nil {
		return gitobject.Entry{}, err
	}
	e, ok, err := s.lookup(path.Dir(name), raw, path.Base(name))
	if err != nil {
		return gitobject.Entry{}, &gitobject.CorruptError{File: path.Dir(name), Err: err}
	}
	if !ok {
		return gitobject.Entry{}, fs.ErrNotExist
	}
	return e, nil
}

// lookup finds a name in the raw tree of a directory.
func (s *Snapshot) lookup(dir string, raw []byte, name string) (gitobject.Entry, bool, error) {
	if len(raw) < minIndexed || len(raw) > maxIndexed {
		return gitobject.FindEntry(raw, name)
	}
	if ix, ok := s.indexes.Load(dir); ok {
		return ix.(gitobject.Index).Find(raw, name)
	}
	if s.indexed.Load() >= maxIndexes {
		return gitobject.FindEntry(raw, name)
	}
	ix, err := gitobject.NewIndex(raw)
	if err != nil {
		return gitobject.FindEntry(raw, name) // what stands before the damage can be read
	}
	if _, loaded := s.indexes.LoadOrStore(dir, ix); !loaded {
		s.indexed.Add(1)
	}
	return ix.Find(raw, name)
}

// at describes a link-free path for source.Follow.
func (s *Snapshot) at(name string) (source.Entry, error) {
	e, err := s.entry(name)
	if err != nil {
		return source.Entry{}, err
	}
	out := source.Entry{Type: e.Mode.Type()}
	switch e.Mode {
	case source.ModeLink:
		out.Target, err = s.target(e)
	case source.ModeSubmodule:
		out.ID = e.ID.String()
	}
	return out, err
}

const maxLinkTarget = 4096 // as Linux has it

func (s *Snapshot) target(e gitobject.Entry) (string, error) {
	_, size, err := s.objects.Stat(e.ID)
	if err != nil {
		return "", err
	}
	if size > maxLinkTarget {
		return "", &gitobject.CorruptError{Object: e.ID.String(), Err: errors.New("target of a symbolic link is too long")}
	}
	c, err := s.objects.Read(e.ID)
	return string(c.Data), err
}

// find follows links from name. Most names have none: those are found with one
// look into the directory they lie in.
func (s *Snapshot) find(op, name string) (string, gitobject.Entry, error) {
	if err := source.CheckName(op, name); err != nil {
		return "", gitobject.Entry{}, err
	}
	if e, err := s.entry(name); err == nil && e.Mode != source.ModeLink {
		return name, e, nil
	}
	real, err := source.Follow(op, name, s.at)
	if err != nil {
		return "", gitobject.Entry{}, err
	}
	e, err := s.entry(real)
	if err != nil {
		return "", gitobject.Entry{}, &fs.PathError{Op: op, Path: name, Err: err}
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
	return e.ID.String(), nil
}

// Stat describes what is at name, links followed.
func (t tree) Stat(name string) (fs.FileInfo, error) {
	_, e, err := t.find("stat", name)
	if err != nil {
		return nil, err
	}
	return t.info(path.Base(name), e), nil
}

func (s *Snapshot) info(base string, e gitobject.Entry) *source.Info {
	if !e.Mode.IsRegular() {
		return source.NewInfo(base, e.Mode, nil)
	}
	return source.NewInfo(base, e.Mode, func() int64 {
		_, size, err := s.objects.Stat(e.ID)
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
	case e.Mode.IsDir():
		return nil, &fs.PathError{Op: "read", Path: name, Err: source.ErrIsDirectory}
	case e.Mode == source.ModeSubmodule:
		return nil, &source.SubmoduleError{Path: real, Commit: e.ID.String()}
	}
	return t.blob(name, e)
}

func (t tree) blob(name string, e gitobject.Entry) ([]byte, error) {
	k, size, err := t.objects.Stat(e.ID)
	if err != nil {
		return nil, &fs.PathError{Op: "read", Path: name, Err: err}
	}
	if k != gitobject.KindBlob {
		return nil, &fs.PathError{Op: "read", Path: name, Err: &gitobject.CorruptError{Object: e.ID.String(), Err: errors.New("is a " + k.String() + ", not a blob")}}
	}
	if limit := t.limits.File; size > limit {
		return nil, &source.SizeError{Path: name, Size: size, Limit: limit}
	}
	c, err := t.objects.Read(e.ID)
	if err != nil {
		return nil, &fs.PathError{Op: "read", Path: name, Err: err}
	}
	if oid, size, ok := source.IsLFSPointer(c.Data); ok {
		return nil, &source.LFSPointerError{Path: name, OID: oid, Size: size}
	}
	if c.Shared {
		return bytes.Clone(c.Data), nil // callers may write to it
	}
	return c.Data, nil
}

// ReadDir lists a directory, sorted by name. Links and submodules are listed as
// what they are: fs.ModeSymlink and fs.ModeIrregular.
func (t tree) ReadDir(name string) ([]fs.DirEntry, error) {
	real, e, err := t.find("readdir", name)
	if err != nil {
		return nil, err
	}
	if e.Mode == source.ModeSubmodule {
		return nil, &source.SubmoduleError{Path: real, Commit: e.ID.String()}
	}
	if !e.Mode.IsDir() {
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: source.ErrNotDirectory}
	}
	entries, err := t.list(real)
	if err != nil {
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: err}
	}
	out := make([]fs.DirEntry, len(entries))
	for i, e := range entries {
		out[i] = t.info(e.Name, e)
	}
	return out, nil
}

// list returns the entries at a link-free path, sorted by name.
func (s *Snapshot) list(real string) ([]gitobject.Entry, error) {
	raw, err := s.dir(real)
	if err != nil {
		return nil, err
	}
	entries, err := gitobject.ParseTree(raw, s.limits.Entries)
	if err != nil {
		return nil, &gitobject.CorruptError{File: real, Err: err}
	}
	byName := func(a, b gitobject.Entry) int { return strings.Compare(a.Name, b.Name) }
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
	if e.Mode.IsDir() {
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
