package gitstore

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/plumbline-dev/plumbline/internal/core/gitobject"
	"github.com/plumbline-dev/plumbline/internal/core/source"
)

const (
	ownPrefix   = "refs/plumb/"        // references that only we know
	ownHead     = ownPrefix + "HEAD"   // the remote's HEAD
	ownOther    = ownPrefix + "other/" // the remote's references beside branches and tags
	ownKeep     = ownPrefix + "keep/"  // commits fetched by id
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
	packed     map[string]packedRef
	peeled     map[gitobject.ID]gitobject.ID
}

type packedRef struct {
	id, peeled gitobject.ID
	isPeeled   bool
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
		if id, err := gitobject.ParseID(strings.TrimSpace(string(text))); err == nil {
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
		case ref.isPeeled:
			refs[name] = ref.peeled
		default:
			refs[name] = r.peel(name, ref.id, peeled)
		}
	}
	r.peeled = peeled
	return refs, loose, nil
}

// peel returns the commit a tag stands for; of anything else, the object itself.
func (r *refReader) peel(name string, id gitobject.ID, peeled map[gitobject.ID]gitobject.ID) gitobject.ID {
	if strings.HasPrefix(name, "refs/heads/") {
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
	packed, err := parsePackedRefs(bufio.NewScanner(f))
	if err != nil {
		return err
	}
	r.packed, r.packedSize, r.packedTime = packed, info.Size(), info.ModTime()
	return nil
}

func parsePackedRefs(lines *bufio.Scanner) (map[string]packedRef, error) {
	packed := map[string]packedRef{}
	fullyPeeled := false
	last := ""
	for lines.Scan() {
		line := lines.Text()
		switch {
		case strings.HasPrefix(line, "#"):
			fullyPeeled = strings.Contains(line, " fully-peeled")
		case strings.HasPrefix(line, "^"):
			if id, err := gitobject.ParseID(line[1:]); err == nil && last != "" {
				packed[last] = packedRef{packed[last].id, id, true}
			}
		default:
			hex, name, ok := strings.Cut(line, " ")
			id, err := gitobject.ParseID(hex)
			if !ok || err != nil {
				return nil, &gitobject.CorruptError{File: "packed-refs", Err: fmt.Errorf("line %q", line)}
			}
			packed[name] = packedRef{id, id, fullyPeeled}
			last = name
		}
	}
	return packed, lines.Err()
}

// offered translates the names on disk to those of the remote.
func offered(onDisk map[string]gitobject.ID) source.Refs {
	refs := make(source.Refs, len(onDisk))
	for name, id := range onDisk {
		switch {
		case name == ownHead:
			name = "HEAD"
		case strings.HasPrefix(name, ownOther):
			name = "refs/" + strings.TrimPrefix(name, ownOther)
		case strings.HasPrefix(name, ownPrefix):
			continue
		}
		refs[name] = source.RefTarget{ID: id.String()}
	}
	return refs
}
