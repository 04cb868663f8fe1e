package source

import (
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"
)

// DefaultFileLimit is the size in bytes above which trees refuse to read a file
// at once, unless told otherwise.
const DefaultFileLimit int64 = 16 << 20

// FromFS returns the files of fsys as a Tree: for tests, and for a directory
// that is not, or not yet, committed. Entries called ".git" are left out.
//
// Ids are those Git would give to the same content; they are computed when first
// asked for and remembered, so fsys should not change while the Tree is in use.
// Symbolic links are followed, inside the root only, when fsys is an
// fs.ReadLinkFS (os.DirFS and os.Root.FS are); else they cannot be read.
func FromFS(fsys fs.FS, rev Revision) Tree {
	return &fsTree{fsys: fsys, rev: rev, ids: map[string]string{}}
}

type fsTree struct {
	fsys fs.FS
	rev  Revision

	mu  sync.Mutex
	ids map[string]string // by link-free path
}

func (t *fsTree) Revision() Revision { return t.rev }

// at describes the entry at a link-free path.
func (t *fsTree) at(name string) (Entry, error) {
	info, err := t.lstat(name)
	if err != nil {
		return Entry{}, err
	}
	entry := Entry{Type: info.Mode().Type()}
	if entry.Type&fs.ModeSymlink != 0 {
		entry.Target, err = fs.ReadLink(t.fsys, name)
	}
	return entry, err
}

func (t *fsTree) lstat(name string) (fs.FileInfo, error) {
	if path.Base(name) == ".git" {
		return nil, &fs.PathError{Op: "stat", Path: name, Err: fs.ErrNotExist}
	}
	return fs.Lstat(t.fsys, name)
}

func (t *fsTree) follow(op, name string) (string, fs.FileInfo, error) {
	real, err := Follow(op, name, t.at)
	if err != nil {
		return "", nil, err
	}
	info, err := t.lstat(real)
	if err != nil {
		return "", nil, pathError(op, name, err)
	}
	return real, info, nil
}

func (t *fsTree) Resolve(name string) (string, error) {
	return Follow("resolve", name, t.at)
}

func (t *fsTree) Stat(name string) (fs.FileInfo, error) {
	_, info, err := t.follow("stat", name)
	if err != nil {
		return nil, err
	}
	return plainInfo(path.Base(name), info), nil
}

// plainInfo drops from info what a revision would not have.
func plainInfo(base string, info fs.FileInfo) *Info {
	mode := info.Mode()
	switch {
	case mode.IsDir():
		return NewInfo(base, ModeDirectory, nil)
	case mode&fs.ModeSymlink != 0:
		return NewInfo(base, ModeLink, nil)
	case !mode.IsRegular():
		return NewInfo(base, mode.Type(), nil)
	}
	perm := ModeFile
	if mode&0o100 != 0 {
		perm = ModeExecutable
	}
	size := info.Size()
	return NewInfo(base, perm, func() int64 { return size })
}

func (t *fsTree) ReadFile(name string) ([]byte, error) {
	real, info, err := t.follow("read", name)
	if err != nil {
		return nil, err
	}
	if err := readable(name, info.Mode()); err != nil {
		return nil, err
	}
	if size := info.Size(); size > DefaultFileLimit {
		return nil, &SizeError{Path: name, Size: size, Limit: DefaultFileLimit}
	}
	f, err := t.fsys.Open(real)
	if err != nil {
		return nil, pathError("read", name, err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, DefaultFileLimit+1))
	if err != nil {
		return nil, pathError("read", name, err)
	}
	if size := int64(len(data)); size > DefaultFileLimit { // it grew
		return nil, &SizeError{Path: name, Size: size, Limit: DefaultFileLimit}
	}
	if oid, size, ok := IsLFSPointer(data); ok {
		return nil, &LFSPointerError{Path: name, OID: oid, Size: size}
	}
	return data, nil
}

func readable(name string, mode fs.FileMode) error {
	switch {
	case mode.IsDir():
		return &fs.PathError{Op: "read", Path: name, Err: ErrIsDirectory}
	case !mode.IsRegular():
		return &fs.PathError{Op: "read", Path: name, Err: ErrSpecialFile}
	}
	return nil
}

func (t *fsTree) ReadDir(name string) ([]fs.DirEntry, error) {
	real, info, err := t.follow("readdir", name)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: ErrNotDirectory}
	}
	infos, err := t.list(real)
	if err != nil {
		return nil, pathError("readdir", name, err)
	}
	entries := make([]fs.DirEntry, len(infos))
	for i, info := range infos {
		entries[i] = info
	}
	return entries, nil
}

// list returns the entries of a link-free directory, sorted by name.
func (t *fsTree) list(real string) ([]*Info, error) {
	entries, err := fs.ReadDir(t.fsys, real)
	if err != nil {
		return nil, err
	}
	infos := make([]*Info, 0, len(entries))
	for _, entry := range entries {
		if entry.Name() == ".git" {
			continue
		}
		info, err := entry.Info()
		if errors.Is(err, fs.ErrNotExist) { // removed meanwhile
			continue
		}
		if err != nil {
			return nil, err
		}
		infos = append(infos, plainInfo(entry.Name(), info))
	}
	slices.SortFunc(infos, func(a, b *Info) int { return strings.Compare(a.Base, b.Base) })
	return infos, nil
}

func (t *fsTree) Open(name string) (fs.File, error) {
	info, err := t.Stat(name)
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		entries, err := t.ReadDir(name)
		if err != nil {
			return nil, err
		}
		return NewDir(info, entries), nil
	}
	data, err := t.ReadFile(name)
	if err != nil {
		return nil, err
	}
	return NewFile(info, data), nil
}

func (t *fsTree) ID(name string) (string, error) {
	real, info, err := t.follow("id", name)
	if err != nil {
		return "", err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	id, err := t.id(real, info.Mode())
	if err != nil {
		return "", pathError("id", name, err)
	}
	return id, nil
}

// id returns the id of a link-free path. The caller holds mu.
func (t *fsTree) id(real string, mode fs.FileMode) (string, error) {
	if id, ok := t.ids[real]; ok {
		return id, nil
	}
	id, err := t.digest(real, mode)
	if err != nil {
		return "", err
	}
	t.ids[real] = id
	return id, nil
}

func (t *fsTree) digest(real string, mode fs.FileMode) (string, error) {
	switch {
	case mode.IsDir():
		return t.treeID(real)
	case mode&fs.ModeSymlink != 0:
		target, err := fs.ReadLink(t.fsys, real)
		if err != nil {
			return "", err
		}
		return hexSum(gitHash("blob", int64(len(target))), target), nil
	case !mode.IsRegular():
		return hexSum(gitHash("special", 0), mode.Type().String()), nil
	}
	return t.blobID(real)
}

func (t *fsTree) blobID(real string) (string, error) {
	f, err := t.fsys.Open(real)
	if err != nil {
		return "", err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", err
	}
	h := gitHash("blob", info.Size())
	n, err := io.Copy(h, f)
	if err == nil && n != info.Size() {
		err = fmt.Errorf("changed while it was read")
	}
	return hexSum(h, ""), err
}

func (t *fsTree) treeID(real string) (string, error) {
	infos, err := t.list(real)
	if err != nil {
		return "", err
	}
	// Git sorts directories as if their names ended in a slash.
	key := func(i *Info) string {
		if i.IsDir() {
			return i.Base + "/"
		}
		return i.Base
	}
	slices.SortFunc(infos, func(a, b *Info) int { return strings.Compare(key(a), key(b)) })
	var raw strings.Builder
	for _, info := range infos {
		id, err := t.id(path.Join(real, info.Base), info.Perm)
		if err != nil {
			return "", err
		}
		sum, err := hex.DecodeString(id)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&raw, "%s %s\x00%s", gitMode(info.Perm), info.Base, sum)
	}
	return hexSum(gitHash("tree", int64(raw.Len())), raw.String()), nil
}

func gitMode(mode fs.FileMode) string {
	switch mode {
	case ModeDirectory:
		return "40000"
	case ModeLink:
		return "120000"
	case ModeExecutable:
		return "100755"
	case ModeFile:
		return "100644"
	}
	return "0"
}

func gitHash(kind string, size int64) hash.Hash {
	h := sha1.New()
	fmt.Fprintf(h, "%s %d\x00", kind, size)
	return h
}

func hexSum(h hash.Hash, rest string) string {
	io.WriteString(h, rest)
	return hex.EncodeToString(h.Sum(nil))
}
