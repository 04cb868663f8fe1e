package source

import (
	"bytes"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// FromFiles returns a tree of files that are in memory, by their names. The contents
// are not copied. A name that is no valid path, or lies below a file, is left out.
func FromFiles(files map[string][]byte, rev Revision) Tree {
	m := memory{files: map[string][]byte{}, dirs: map[string][]string{".": nil}}
	for name, text := range files {
		if fs.ValidPath(name) && name != "." && !m.below(name, files) {
			m.add(name, text)
		}
	}
	for dir := range m.dirs {
		slices.Sort(m.dirs[dir])
	}
	return FromFS(m, rev)
}

// memory is a file system in memory.
type memory struct {
	files map[string][]byte
	dirs  map[string][]string // base names, sorted
}

// below reports whether name lies below another file.
func (m memory) below(name string, files map[string][]byte) bool {
	for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
		if _, file := files[dir]; file {
			return true
		}
	}
	return false
}

func (m memory) add(name string, text []byte) {
	m.files[name] = text
	for child, dir := name, path.Dir(name); ; child, dir = dir, path.Dir(dir) {
		_, known := m.dirs[dir]
		m.dirs[dir] = append(m.dirs[dir], path.Base(child))
		if known {
			return
		}
	}
}

// Open implements fs.FS.
func (m memory) Open(name string) (fs.File, error) {
	if text, ok := m.files[name]; ok {
		return &memoryFile{info: m.info(name), Reader: bytes.NewReader(text)}, nil
	}
	if _, ok := m.dirs[name]; ok {
		return &memoryFile{info: m.info(name), Reader: bytes.NewReader(nil), list: m.entries(name)}, nil
	}
	return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
}

func (m memory) info(name string) *Info {
	if text, ok := m.files[name]; ok {
		return NewInfo(path.Base(name), ModeFile, func() int64 { return int64(len(text)) })
	}
	return NewInfo(path.Base(name), ModeDirectory, nil)
}

func (m memory) entries(dir string) []fs.DirEntry {
	list := make([]fs.DirEntry, len(m.dirs[dir]))
	for i, base := range m.dirs[dir] {
		list[i] = m.info(strings.TrimPrefix(path.Join(dir, base), "./"))
	}
	return list
}

// memoryFile is an open file or directory.
type memoryFile struct {
	*bytes.Reader

	info *Info
	list []fs.DirEntry // of a directory, what was not read yet
}

func (f *memoryFile) Stat() (fs.FileInfo, error) { return f.info, nil }
func (f *memoryFile) Close() error               { return nil }

// ReadDir implements fs.ReadDirFile.
func (f *memoryFile) ReadDir(n int) ([]fs.DirEntry, error) {
	if !f.info.IsDir() {
		return nil, &fs.PathError{Op: "readdir", Path: f.info.Base, Err: fs.ErrInvalid}
	}
	if n <= 0 || n > len(f.list) {
		if n > 0 && len(f.list) == 0 {
			return nil, io.EOF
		}
		n = len(f.list)
	}
	list := f.list[:n]
	f.list = f.list[n:]
	return list, nil
}
