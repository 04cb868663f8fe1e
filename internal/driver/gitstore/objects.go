package gitstore

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/plumbline-dev/plumbline/internal/core/gitobject"
	"github.com/plumbline-dev/plumbline/internal/core/packfile"
)

// objects reads the objects of one repository. It takes no lock to read: the
// list of packs is replaced as a whole.
type objects struct {
	dir    string // the repository's "objects" directory
	limits packfile.Limits
	cache  *packfile.Cache
	packs  atomic.Pointer[[]*packfile.Pack]

	damaged atomic.Bool // an object could not be read as Git wrote it

	mu         sync.Mutex // for reload
	seen       time.Time  // modification time of the pack directory when listed
	listed     bool
	alternates []*objects
}

const maxAlternates = 5 // how deep stores may borrow from each other

func openObjects(dir string, limits packfile.Limits, cache *packfile.Cache) (*objects, error) {
	return openNested(dir, limits, cache, 0)
}

func openNested(dir string, limits packfile.Limits, cache *packfile.Cache, depth int) (*objects, error) {
	o := &objects{dir: dir, limits: limits, cache: cache}
	o.packs.Store(new([]*packfile.Pack))
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
			o.cache.Forget(p)
		}
	}
	return true, nil
}

func (o *objects) openAll(dir string, entries []os.DirEntry, old []*packfile.Pack) (packs []*packfile.Pack, changed bool, err error) {
	for _, entry := range entries {
		base, ok := strings.CutSuffix(entry.Name(), ".idx")
		if !ok || !strings.HasPrefix(base, "pack-") {
			continue
		}
		if i := slices.IndexFunc(old, func(p *packfile.Pack) bool { return p.Name() == base+".pack" }); i >= 0 {
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
	slices.SortStableFunc(packs, func(a, b *packfile.Pack) int { return b.Count() - a.Count() })
	return packs, changed || len(packs) != len(old), nil
}

// forget drops all packs, whose files are about to be removed.
func (o *objects) forget() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, p := range *o.packs.Load() {
		o.cache.Forget(p)
	}
	o.packs.Store(new([]*packfile.Pack))
	o.listed = false
	o.damaged.Store(false)
}

func (o *objects) locate(id gitobject.ID) (p *packfile.Pack, offset uint64, ok bool) {
	for _, p := range *o.packs.Load() {
		if offset, ok := p.Find(id); ok {
			return p, offset, true
		}
	}
	return nil, 0, false
}

// guarded turns the fault of reading a mapped file that was cut off, or whose
// disk failed, into an error.
func guarded(id gitobject.ID, f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			if _, fault := r.(interface{ Addr() uintptr }); !fault {
				panic(r)
			}
			err = &gitobject.CorruptError{Object: id.String(), Err: errors.New("its file was cut off while in use, or the disk failed")}
		}
	}()
	return f()
}

// Read returns an object and checks that it is the one asked for. The bytes may be
// shared.
func (o *objects) Read(id gitobject.ID) (object gitobject.Object, err error) {
	err = guarded(id, func() error {
		object, err = o.lookup(id)
		return err
	})
	if corrupt := (*gitobject.CorruptError)(nil); errors.As(err, &corrupt) {
		o.damaged.Store(true)
	}
	return object, err
}

func (o *objects) lookup(id gitobject.ID) (gitobject.Object, error) {
	for attempt := 0; ; attempt++ {
		if p, offset, ok := o.locate(id); ok {
			return p.Read(id, offset, o.limits, o.cache)
		}
		file, err := os.ReadFile(loosePath(o.dir, id))
		if err == nil {
			return gitobject.ParseLoose(id, file, o.limits.Object)
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return gitobject.Object{}, err
		}
		if attempt > 0 {
			break
		}
		if changed, err := o.reload(); err != nil {
			return gitobject.Object{}, err
		} else if !changed {
			break
		}
	}
	for _, other := range o.alternates {
		object, err := other.lookup(id)
		if missing := (*gitobject.MissingError)(nil); !errors.As(err, &missing) {
			return object, err
		}
	}
	return gitobject.Object{}, &gitobject.MissingError{Object: id.String()}
}

// Stat returns kind and size of an object.
func (o *objects) Stat(id gitobject.ID) (k gitobject.Kind, size int64, err error) {
	err = guarded(id, func() error {
		k, size, err = o.statUnguarded(id)
		return err
	})
	return k, size, err
}

func (o *objects) statUnguarded(id gitobject.ID) (gitobject.Kind, int64, error) {
	for attempt := 0; ; attempt++ {
		if p, offset, ok := o.locate(id); ok {
			return p.Stat(id, offset, o.limits)
		}
		file, err := os.ReadFile(loosePath(o.dir, id))
		if err == nil {
			return gitobject.StatLoose(id, file)
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return 0, 0, err
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
		if missing := (*gitobject.MissingError)(nil); !errors.As(err, &missing) {
			return k, size, err
		}
	}
	return 0, 0, &gitobject.MissingError{Object: id.String()}
}

// has reports whether the object is there.
func (o *objects) has(id gitobject.ID) bool {
	_, _, err := o.Stat(id)
	return err == nil
}

// complete returns the one commit whose id starts with the digits.
func (o *objects) complete(digits string) (string, error) {
	start, err := gitobject.ParseAbbreviation(digits)
	if err != nil {
		return "", err
	}
	var commits []gitobject.ID
	err = guarded(gitobject.ID{}, func() error {
		o.matching(start, func(id gitobject.ID) {
			if k, _, err := o.statUnguarded(id); err == nil && k == gitobject.KindCommit {
				commits = append(commits, id)
			}
		})
		return nil
	})
	if err != nil {
		return "", err
	}
	return start.Only(commits)
}

func (o *objects) matching(start gitobject.Abbreviation, yield func(gitobject.ID)) {
	for _, p := range *o.packs.Load() {
		p.Matching(start, yield)
	}
	looseMatching(o.dir, start, yield)
	for _, other := range o.alternates {
		other.matching(start, yield)
	}
}
