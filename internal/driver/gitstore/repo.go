package gitstore

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/plumbline-dev/plumbline/internal/core/gitobject"
	"github.com/plumbline-dev/plumbline/internal/core/gitref"
	"github.com/plumbline-dev/plumbline/internal/core/gitremote"
	"github.com/plumbline-dev/plumbline/internal/core/gittree"
)

// repo is one bare repository. Git works in it one run at a time; reading needs
// no turn.
type repo struct {
	store   *Store
	url     string // normalized
	dir     string
	objects *objects
	turn    chan struct{} // holds one element while git works

	refs  refReader // used by whoever has the turn
	loose int       // references in files of their own; likewise

	mu      sync.Mutex
	members map[string]*member                 // by gitremote.Remote.Identity
	trees   map[gitobject.ID]*gittree.Snapshot // by commit

	renewed time.Time // when it was last begun anew; used by whoever has the turn
}

const maxSnapshots = 64 // per repository; more are forgotten and made anew

// snapshot returns the files of a commit.
func (p *repo) snapshot(id gitobject.ID) (*gittree.Snapshot, error) {
	p.mu.Lock()
	known, ok := p.trees[id]
	p.mu.Unlock()
	if ok {
		return known, nil
	}
	created, err := gittree.New(p.objects, id, p.store.opts.treeLimits())
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if known, ok := p.trees[id]; ok {
		return known, nil
	}
	if len(p.trees) >= maxSnapshots {
		for other := range p.trees { // any will do: it only loses what it knew of directories
			delete(p.trees, other)
			break
		}
	}
	p.trees[id] = created
	return created, nil
}

// acquire waits for the turn to let git work.
func (p *repo) acquire(ctx context.Context) error {
	select {
	case p.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (p *repo) release() { <-p.turn }

// sweep removes what a killed git left behind: locks, which would fail every
// later run, and half a pack, which would never be used. The caller has the turn.
func (p *repo) sweep() {
	for _, pattern := range []string{"*.lock", "objects/pack/tmp_*", "objects/pack/.tmp-*", "objects/tmp_*", "objects/incoming-*", "objects/info/*.lock", "FETCH_HEAD"} {
		names, _ := filepath.Glob(filepath.Join(p.dir, filepath.FromSlash(pattern)))
		for _, name := range names {
			_ = os.RemoveAll(name)
		}
	}
	_ = filepath.WalkDir(filepath.Join(p.dir, "refs"), func(name string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() && strings.HasSuffix(name, ".lock") {
			_ = os.Remove(name)
		}
		return nil
	})
	// A pack without its index is one that git was about to announce; and the
	// other way round, one that it was about to remove.
	packs, _ := filepath.Glob(filepath.Join(p.dir, "objects", "pack", "pack-*"))
	for _, name := range packs {
		base := strings.TrimSuffix(name, filepath.Ext(name))
		if !exists(base+".pack") || !exists(base+".idx") {
			_ = os.Remove(name)
		}
	}
}

func exists(name string) bool {
	_, err := os.Lstat(name)
	return err == nil
}

const renewEvery = time.Hour

// renew begins the repository anew if an object in it could not be read: a disk
// loses bits, and all of it can be had again. It reports whether it did. Trees
// already handed out keep the old packs. The caller has the turn.
func (p *repo) renew() bool {
	if !p.objects.damaged.Load() || time.Since(p.renewed) < renewEvery {
		return false
	}
	p.renewed = time.Now()
	p.mu.Lock()
	clear(p.trees)
	p.mu.Unlock()
	p.objects.forget()
	err := errors.Join(os.RemoveAll(filepath.Join(p.dir, "objects")), os.RemoveAll(filepath.Join(p.dir, "refs")),
		os.RemoveAll(filepath.Join(p.dir, "packed-refs")), initBare(p.dir, p.url))
	p.store.opts.Logger.Warn("removed damaged git store", "url", p.url, "err", err)
	return err == nil
}

// isDamaged reports whether a fetch failed because of what is on our disk, and
// notes it.
func (p *repo) isDamaged(err error) bool {
	var corrupt *gitobject.CorruptError
	var failure *gitremote.FetchError
	if errors.As(err, &corrupt) || errors.As(err, &failure) && failure.Kind == gitremote.FailedProtocol && strings.Contains(failure.Detail, p.dir) {
		p.objects.damaged.Store(true)
	}
	return p.objects.damaged.Load()
}

// size returns the bytes that packs, finished or not, take on disk.
func (p *repo) size() int64 {
	entries, _ := os.ReadDir(filepath.Join(p.dir, "objects", "pack"))
	var sum int64
	for _, entry := range entries {
		if info, err := entry.Info(); err == nil {
			sum += info.Size()
		}
	}
	return sum
}

// tag returns an annotated tag.
func (p *repo) tag(name string) (gitobject.Tag, error) {
	absent := &fs.PathError{Op: "tag", Path: name, Err: fs.ErrNotExist}
	if err := gitref.Check(gitref.Tag(name)); err != nil {
		return gitobject.Tag{}, err
	}
	var id gitobject.ID
	text, err := os.ReadFile(filepath.Join(p.dir, "refs", "tags", filepath.FromSlash(name)))
	if err == nil {
		id, err = gitobject.ParseID(strings.TrimSpace(string(text)))
	} else {
		packed := refReader{dir: p.dir, objects: p.objects}
		if err := packed.readPacked(); err != nil {
			return gitobject.Tag{}, err
		}
		ref, ok := packed.packed[gitref.Tag(name)]
		if !ok {
			return gitobject.Tag{}, absent
		}
		id, err = ref.ID, nil
	}
	if err != nil {
		return gitobject.Tag{}, err
	}
	tag, ok, err := gitobject.ReadTag(p.objects, id)
	if err == nil && !ok {
		err = absent
	}
	return tag, err
}
