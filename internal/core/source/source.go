// Package source names where desired state comes from and reads it.
//
// In go a location, a reference such as a branch or a version range, and the
// references a remote offers; out comes a Revision, the immutable identity that
// the reference stood for, and a Tree, its files. The package never reaches a
// network or a disk: drivers fetch, this package decides and describes.
package source

import (
	"fmt"
	"io/fs"
	"strings"
)

// Revision is an immutable version of a source.
type Revision struct {
	Name string // what was asked for, e.g. "main", "v1.2.3"; may be empty
	ID   string // content identity: for Git the commit id in lower-case hex
}

// String returns "main@4f1c2ab", or the abbreviated id alone when nothing was
// asked for by name; of a joined one each part like that.
func (r Revision) String() string {
	if n := 1 + strings.Count(r.ID, joint); n > 1 {
		parts, _ := r.Parts(n)
		texts := make([]string, n)
		for i, part := range parts {
			texts[i] = part.String()
		}
		return strings.Join(texts, joint)
	}
	id := abbreviated(r.ID)
	if r.Name == "" || r.Name == r.ID {
		return id
	}
	return r.Name + "@" + id
}

// abbreviated shortens commit ids and digests to seven digits, and leaves versions.
func abbreviated(id string) string {
	algorithm, digits, digest := strings.Cut(id, ":")
	switch {
	case digest && len(digits) > 7:
		return algorithm + ":" + digits[:7]
	case !digest && len(id) >= 40 && strings.Trim(id, "0123456789abcdef") == "":
		return id[:7]
	}
	return id
}

// A Tree is the files of one Revision, read-only and safe for concurrent use.
// Names are slash-separated, relative to the root, as in io/fs; "." is the root.
// Symbolic links are followed as long as they stay inside the tree; one that
// leaves it fails with *EscapeError. Absent names fail with fs.ErrNotExist.
type Tree interface {
	fs.ReadFileFS // ReadFile fails with *SizeError above the tree's file limit
	fs.ReadDirFS
	fs.StatFS

	// ID returns the identity of the content at name, links resolved: for Git
	// the object id of the blob or the tree. Equal ids mean equal content,
	// except that a directory's id does not cover what links inside it point to.
	ID(name string) (string, error)

	// Resolve returns the name with every symbolic link replaced by its target.
	Resolve(name string) (string, error)

	// Revision returns the revision the files belong to.
	Revision() Revision
}

// EscapeError reports a path or a symbolic link that leaves the tree.
type EscapeError struct {
	Path   string // the name that was asked for
	Target string // where the link points, empty when the path itself escapes
}

func (e *EscapeError) Error() string {
	if e.Target == "" {
		return fmt.Sprintf("path %q leaves the repository", e.Path)
	}
	return fmt.Sprintf("path %q is a symbolic link to %q, which leaves the repository", e.Path, e.Target)
}

// SizeError reports a file that is larger than the limit.
type SizeError struct {
	Path        string
	Size, Limit int64 // bytes
}

func (e *SizeError) Error() string {
	return fmt.Sprintf("file %q has %d bytes, more than the limit of %d", e.Path, e.Size, e.Limit)
}
