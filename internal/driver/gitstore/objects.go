package gitstore

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// limits bound what damaged or hostile data can cost.
type limits struct {
	file    int64 // bytes of a file that is read
	object  int64 // bytes of any inflated object
	depth   int   // deltas on top of each other
	entries int   // of one tree
}

// CorruptError reports repository data that cannot be what Git wrote.
type CorruptError struct {
	Object string // id, if known
	File   string // name of the damaged file, if known
	Err    error
}

func (e *CorruptError) Error() string {
	subject := "object " + e.Object
	if e.Object == "" {
		subject = "file " + e.File
	}
	return fmt.Sprintf("git store: %s: damaged: %v", subject, e.Err)
}

// Unwrap returns the cause.
func (e *CorruptError) Unwrap() error { return e.Err }

// MissingError reports an object that the store does not have.
type MissingError struct {
	Object string // id
}

func (e *MissingError) Error() string {
	return fmt.Sprintf("git store: object %s: is not there", e.Object)
}

// objects reads the objects of one repository. It takes no lock to read: the
// list of packs is replaced as a whole.
type objects struct {
	dir    string // the repository's "objects" directory
	limits limits
	cache  *lru
	packs  atomic.Pointer[[]*pack]

	damaged atomic.Bool // an object could not be read as Git wrote it

	mu         sync.Mutex // for reload
	seen       time.Time  // modification time of the pack directory when listed
	listed     bool
	alternates []*objects
}

const maxAlternates = 5 // how deep stores may borrow from each other

func openObjects(dir string, limits limits, cache *lru) (*objects, error) {
	return openNested(dir, limits, cache, 0)
}

func openNested(dir string, limits limits, cache *lru, depth int) (*objects, error) {
	o := &objects{dir: dir, limits: limits, cache: cache}
	o.packs.Store(new([]*pack))
	if _, err := o.reload(); err != nil {
		return nil, err
	}
	text, err := os.ReadFile(filepath.Join(dir, "info", "alternates"))
	if err != nil {
		return o, nil
	}
	for line := range strings.Lines(string(text)) {
		other := strings.TrimSpace(line)
		if other == "" || other[0] == '#' || depth >= maxAlternates {
			continue
		}
		if !filepath.IsAbs(other) {
			other = filepath.Join(dir, other)
		}
		if borrowed, err := openNested(other, limits, cache, depth+1); err == nil {
			o.alternates = append(o.alternates, borrowed)
		}
	}
	return o, nil
}

// reload lists the packs anew if the directory changed, and reports whether it
// did. Packs already open are kept; those that are gone stay readable for whoever
// still has them.
func (o *objects) reload() (bool, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	dir := filepath.Join(o.dir, "pack")
	info, err := os.Stat(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	// A directory changed within the clock's resolution looks unchanged: young
	// ones are listed every time.
	if o.listed && info.ModTime().Equal(o.seen) && time.Since(o.seen) > 2*time.Second {
		return false, nil
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return false, err
	}
	old := *o.packs.Load()
	packs, changed, err := o.openAll(dir, entries, old)
	if err != nil {
		return false, err
	}
	o.listed, o.seen = true, info.ModTime()
	if !changed {
		return false, nil
	}
	o.packs.Store(&packs)
	for _, p := range old {
		if !slices.Contains(packs, p) {
			o.cache.forget(p)
		}
	}
	return true, nil
}

func (o *objects) openAll(dir string, entries []os.DirEntry, old []*pack) (packs []*pack, changed bool, err error) {
	for _, entry := range entries {
		base, ok := strings.CutSuffix(entry.Name(), ".idx")
		if !ok || !strings.HasPrefix(base, "pack-") {
			continue
		}
		name := filepath.Join(dir, base+".pack")
		if i := slices.IndexFunc(old, func(p *pack) bool { return p.name == name }); i >= 0 {
			packs = append(packs, old[i])
			continue
		}
		p, err := openPack(filepath.Join(dir, entry.Name()))
		if errors.Is(err, fs.ErrNotExist) { // replaced by a larger one at this moment
			continue
		}
		if err != nil {
			return nil, false, err
		}
		packs, changed = append(packs, p), true
	}
	slices.SortStableFunc(packs, func(a, b *pack) int { return b.count - a.count })
	return packs, changed || len(packs) != len(old), nil
}

// forget drops all packs, whose files are about to be removed.
func (o *objects) forget() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, p := range *o.packs.Load() {
		o.cache.forget(p)
	}
	o.packs.Store(new([]*pack))
	o.listed = false
	o.damaged.Store(false)
}

func (o *objects) locate(id oid) (place, bool) {
	for _, p := range *o.packs.Load() {
		if offset, ok := p.find(id); ok {
			return place{p, offset}, true
		}
	}
	return place{}, false
}

// guarded turns the fault of reading a mapped file that was cut off, or whose
// disk failed, into an error.
func guarded(id oid, f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			if _, fault := r.(interface{ Addr() uintptr }); !fault {
				panic(r)
			}
			err = &CorruptError{Object: id.String(), Err: errors.New("its file was cut off while in use, or the disk failed")}
		}
	}()
	return f()
}

// read returns an object and checks that it is the one asked for. The bytes are
// shared.
func (o *objects) read(id oid) (c content, err error) {
	err = guarded(id, func() error {
		c, err = o.lookup(id)
		return err
	})
	if corrupt := (*CorruptError)(nil); errors.As(err, &corrupt) {
		o.damaged.Store(true)
	}
	return c, err
}

func (o *objects) lookup(id oid) (content, error) {
	for attempt := 0; ; attempt++ {
		if at, ok := o.locate(id); ok {
			return o.readPacked(id, at)
		}
		c, err := readLoose(o.dir, id, o.limits.object)
		if err == nil || !errors.Is(err, fs.ErrNotExist) {
			return c, err
		}
		if attempt > 0 {
			break
		}
		if changed, err := o.reload(); err != nil {
			return content{}, err
		} else if !changed {
			break
		}
	}
	for _, other := range o.alternates {
		c, err := other.lookup(id)
		if missing := (*MissingError)(nil); !errors.As(err, &missing) {
			return c, err
		}
	}
	return content{}, &MissingError{Object: id.String()}
}

func (o *objects) readPacked(id oid, at place) (content, error) {
	if c, ok := o.cache.get(at); ok && c.verified {
		return c, nil
	}
	c, err := at.pack.read(at.offset, o.limits, o.cache)
	if err != nil {
		if large := (*tooLargeError)(nil); errors.As(err, &large) {
			return content{}, err
		}
		return content{}, &CorruptError{Object: id.String(), File: filepath.Base(at.pack.name), Err: err}
	}
	if digest(c.kind, c.data) != id {
		return content{}, &CorruptError{Object: id.String(), File: filepath.Base(at.pack.name), Err: errors.New("its content has another id")}
	}
	c.verified = true
	if c.kind == kindTree {
		o.cache.put(at, c)
	}
	return c, nil
}

// stat returns kind and size of an object.
func (o *objects) stat(id oid) (k kind, size int64, err error) {
	err = guarded(id, func() error {
		k, size, err = o.statUnguarded(id)
		return err
	})
	return k, size, err
}

func (o *objects) statUnguarded(id oid) (kind, int64, error) {
	for attempt := 0; ; attempt++ {
		if at, ok := o.locate(id); ok {
			k, size, err := at.pack.stat(at.offset, o.limits)
			if err != nil {
				err = &CorruptError{Object: id.String(), File: filepath.Base(at.pack.name), Err: err}
			}
			return k, size, err
		}
		k, size, err := statLoose(o.dir, id)
		if err == nil || !errors.Is(err, fs.ErrNotExist) {
			return k, size, err
		}
		if attempt > 0 {
			break
		}
		if changed, err := o.reload(); err != nil {
			return 0, 0, err
		} else if !changed {
			break
		}
	}
	for _, other := range o.alternates {
		k, size, err := other.statUnguarded(id)
		if missing := (*MissingError)(nil); !errors.As(err, &missing) {
			return k, size, err
		}
	}
	return 0, 0, &MissingError{Object: id.String()}
}

// has reports whether the object is there.
func (o *objects) has(id oid) bool {
	_, _, err := o.stat(id)
	return err == nil
}
