package source

import (
	"bytes"
	"io"
	"io/fs"
	"sync"
	"time"
)

// The permissions that trees report: Git remembers no others.
const (
	ModeFile       fs.FileMode = 0o644
	ModeExecutable fs.FileMode = 0o755
	ModeDirectory              = fs.ModeDir | 0o755
	ModeLink                   = fs.ModeSymlink | 0o777
	ModeSubmodule              = fs.ModeIrregular
)

// Info is an fs.FileInfo and an fs.DirEntry for trees. It has no modification
// time, because a revision has none for its files.
type Info struct {
	Base  string       // last element of the path
	Perm  fs.FileMode  // type and permissions, one of the Mode constants
	Bytes func() int64 // size of a regular file, computed when asked for; may be nil
}

// NewInfo describes an entry of a tree; size may be nil.
func NewInfo(base string, mode fs.FileMode, size func() int64) *Info {
	return &Info{Base: base, Perm: mode, Bytes: size}
}

// Name returns the last element of the path.
func (i *Info) Name() string { return i.Base }

// Size returns the size of a regular file in bytes and 0 for all else.
func (i *Info) Size() int64 {
	if i.Bytes == nil {
		return 0
	}
	return i.Bytes()
}

// Mode returns type and permissions.
func (i *Info) Mode() fs.FileMode { return i.Perm }

// Type returns the type bits of Mode.
func (i *Info) Type() fs.FileMode { return i.Perm.Type() }

// ModTime returns the zero time.
func (i *Info) ModTime() time.Time { return time.Time{} }

// IsDir reports whether the entry is a directory.
func (i *Info) IsDir() bool { return i.Perm.IsDir() }

// Sys returns nil.
func (i *Info) Sys() any { return nil }

// Info returns i itself: it serves as a directory entry too.
func (i *Info) Info() (fs.FileInfo, error) { return i, nil }

// String returns the entry as fs.FormatDirEntry does.
func (i *Info) String() string { return fs.FormatDirEntry(i) }

// NewFile returns an open file with the given content, which it keeps.
func NewFile(info fs.FileInfo, data []byte) fs.File {
	return &openFile{Reader: bytes.NewReader(data), info: info}
}

type openFile struct {
	*bytes.Reader // Read, ReadAt, Seek
	info          fs.FileInfo
}

func (f *openFile) Stat() (fs.FileInfo, error) { return f.info, nil }
func (f *openFile) Close() error               { return nil }

// NewDir returns an open directory with the given entries, which it keeps.
func NewDir(info fs.FileInfo, entries []fs.DirEntry) fs.ReadDirFile {
	return &openDir{info: info, entries: entries}
}

type openDir struct {
	info    fs.FileInfo
	mu      sync.Mutex
	entries []fs.DirEntry // those not yet returned
}

func (d *openDir) Stat() (fs.FileInfo, error) { return d.info, nil }
func (d *openDir) Close() error               { return nil }

func (d *openDir) Read([]byte) (int, error) {
	return 0, &fs.PathError{Op: "read", Path: d.info.Name(), Err: ErrIsDirectory}
}

func (d *openDir) ReadDir(n int) ([]fs.DirEntry, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if n > 0 && len(d.entries) == 0 {
		return nil, io.EOF
	}
	if n <= 0 || n > len(d.entries) {
		n = len(d.entries)
	}
	out := append([]fs.DirEntry{}, d.entries[:n]...)
	d.entries = d.entries[n:]
	return out, nil
}
