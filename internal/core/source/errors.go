package source

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"
)

var (
	// ErrLinkLoop is the cause of reading a path whose symbolic links lead on
	// and on.
	ErrLinkLoop = errors.New("too many symbolic links")

	// ErrIsDirectory is the cause of reading a directory as a file.
	ErrIsDirectory = errors.New("is a directory")

	// ErrNotDirectory is the cause of listing a file.
	ErrNotDirectory = errors.New("is not a directory")

	// ErrSpecialFile is the cause of reading a device, a pipe or a socket.
	ErrSpecialFile = errors.New("is not a regular file")
)

// SubmoduleError reports a path that is, or lies below, a submodule: another
// repository that this one only points to.
type SubmoduleError struct {
	Path   string // of the submodule
	Commit string // that it is pinned to
}

func (e *SubmoduleError) Error() string {
	return fmt.Sprintf("path %q is a submodule at commit %s: submodules are not fetched; use the other repository as a source of its own", e.Path, Revision{ID: e.Commit})
}

// LFSPointerError reports a file whose content lives in Git LFS; the repository
// itself holds only a pointer to it.
type LFSPointerError struct {
	Path string
	OID  string // SHA-256 of the content, in hex
	Size int64  // bytes of the content
}

func (e *LFSPointerError) Error() string {
	return fmt.Sprintf("file %q is a Git LFS pointer to %d bytes: LFS content is not fetched; store the file in Git itself", e.Path, e.Size)
}

// IsLFSPointer reports whether data is a Git LFS pointer and, if so, what it
// points to.
func IsLFSPointer(data []byte) (oid string, size int64, ok bool) {
	const version, limit = "version https://git-lfs.github.com/spec/", 1024
	if len(data) > limit || !bytes.HasPrefix(data, []byte(version)) {
		return "", 0, false
	}
	size = -1
	for line := range strings.Lines(string(data)) {
		key, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		switch key {
		case "oid":
			oid = strings.TrimPrefix(value, "sha256:")
		case "size":
			n, err := strconv.ParseInt(value, 10, 64)
			if err != nil {
				return "", 0, false
			}
			size = n
		}
	}
	return oid, size, len(oid) == 64 && isHex(oid) && size >= 0
}

// CheckName reports why a name cannot be looked up in any tree: *EscapeError if
// it is absolute or climbs out, fs.ErrInvalid if it is not in the form io/fs
// asks for. Trees call it first.
func CheckName(op, name string) error {
	if fs.ValidPath(name) {
		return nil
	}
	if clean := path.Clean(name); path.IsAbs(name) || clean == ".." || strings.HasPrefix(clean, "../") {
		return &EscapeError{Path: name}
	}
	return &fs.PathError{Op: op, Path: name, Err: fs.ErrInvalid}
}
