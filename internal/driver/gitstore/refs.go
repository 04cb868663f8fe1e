package gitstore

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/plumbline-dev/plumbline/internal/core/gitobject"
	"github.com/plumbline-dev/plumbline/internal/core/gitref"
)

const (
	maxRefs     = 200_000
	maxRefBytes = 64 << 20 // of packed-refs
)

// refReader reads a repository's references from its files. It remembers what
// packed-refs held and what tags stand for, which rarely changes.
type refReader struct {
	dir     string // the repository; for a work tree, what it shares
	objects *objects

	packedSize int64
	packedTime time.Time
	packed     map[string]gitref.Packed
	peeled     map[gitobject.ID]gitobject.ID
}

// read returns all references by their names on disk, tags peeled to commits. It
// also returns how many lie in files of their own.
func (r *refReader) read() (refs map[string]gitobject.ID, loose int, err error) {
	if err := r.readPacked(); err != nil {
		return nil, 0, err
	}
	refs = make(map[string]gitobject.ID, len(r.packed))
	peeled := make(map[gitobject.ID]gitobject.ID)
	root := filepath.Join(r.dir, "refs")
	isLoose := map[string]bool{}
	err = filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) { // packed or deleted meanwhile
			return nil
		}
		if err != nil || !d.Type().IsRegular() || strings.HasSuffix(p, ".lock") {
			return err
		}
		if loose++; loose > maxRefs {
			return fmt.Errorf("git store: more than %d references", maxRefs)
		}
		rel, _ := filepath.Rel(r.dir, p)
		name := filepath.ToSlash(rel)
		text, err := os.ReadFile(p)
		if err != nil {
			return nil
		}
		if id, ok := gitref.ParseLoose(text); ok {
			isLoose[name] = true
			refs[name] = r.peel(name, id, peeled)
		}
		return nil
	})
	if err != nil {
		return nil, 0, err
	}
	for name, ref := range r.packed {
		switch {
		case isLoose[name]:
		case ref.Peeled:
			refs[name] = ref.Target
		default:
			refs[name] = r.peel(name, ref.ID, peeled)
		}
	}
	r.peeled = peeled
	return refs, loose, nil
}

// peel returns the commit a tag stands for; of anything else, the object itself.
func (r *refReader) peel(name string, id gitobject.ID, peeled map[gitobject.ID]gitobject.ID) gitobject.ID {
	if gitref.IsBranch(name) {
		return id
	}
	commit, ok := r.peeled[id]
	if !ok {
		var err error
		if commit, _, err = gitobject.Peel(r.objects, id); err != nil {
			return id // reading it will say what is wrong
		}
	}
	peeled[id] = commit
	return commit
}

func (r *refReader) readPacked() error {
	f, err := os.Open(filepath.Join(r.dir, "packed-refs"))
	if errors.Is(err, fs.ErrNotExist) {
		r.packed, r.packedSize = nil, 0
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if r.packed != nil && info.Size() == r.packedSize && info.ModTime().Equal(r.packedTime) && time.Since(r.packedTime) > 2*time.Second {
		return nil
	}
	if info.Size() > maxRefBytes {
		return fmt.Errorf("git store: packed-refs has %d bytes, more than the limit of %d", info.Size(), maxRefBytes)
	}
	packed, err := gitref.ParsePacked(f)
	if err != nil {
		return err
	}
	r.packed, r.packedSize, r.packedTime = packed, info.Size(), info.ModTime()
	return nil
}
