package gitstore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/plumbline-dev/plumbline/internal/core/source"
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
	members map[string]*member // by Remote.identity
	trees   map[oid]*snapshot  // by commit

	renewed time.Time // when it was last begun anew; used by whoever has the turn
}

const maxSnapshots = 64 // per repository; more are forgotten and made anew

// snapshot returns the files of a commit.
func (p *repo) snapshot(id oid) (*snapshot, error) {
	p.mu.Lock()
	known, ok := p.trees[id]
	p.mu.Unlock()
	if ok {
		return known, nil
	}
	created, err := newSnapshot(p.objects, id)
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

func newSnapshot(db *objects, id oid) (*snapshot, error) {
	commit, err := db.commit(id)
	if err != nil {
		return nil, err
	}
	root, err := parseOID(commit.Tree)
	if err != nil {
		return nil, err
	}
	return &snapshot{objects: db, root: root}, nil
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
	var corrupt *CorruptError
	var failure *FetchError
	if errors.As(err, &corrupt) || errors.As(err, &failure) && failure.Kind == FailedProtocol && strings.Contains(failure.Detail, p.dir) {
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
func (p *repo) tag(name string) (Tag, error) {
	absent := &fs.PathError{Op: "tag", Path: name, Err: fs.ErrNotExist}
	if err := checkRefName("refs/tags/" + name); err != nil {
		return Tag{}, err
	}
	var id oid
	text, err := os.ReadFile(filepath.Join(p.dir, "refs", "tags", filepath.FromSlash(name)))
	if err == nil {
		id, err = parseOID(strings.TrimSpace(string(text)))
	} else {
		packed := refReader{dir: p.dir, objects: p.objects}
		if err := packed.readPacked(); err != nil {
			return Tag{}, err
		}
		ref, ok := packed.packed["refs/tags/"+name]
		if !ok {
			return Tag{}, absent
		}
		id, err = ref.id, nil
	}
	if err != nil {
		return Tag{}, err
	}
	c, err := p.objects.read(id)
	if err != nil {
		return Tag{}, err
	}
	if c.kind != kindTag {
		return Tag{}, absent
	}
	tag, _, err := parseTag(id, c.data)
	if err != nil {
		return Tag{}, &CorruptError{Object: id.String(), Err: err}
	}
	if target, _, err := p.objects.peel(id); err == nil {
		tag.Target = target.String()
	}
	return tag, nil
}

// checkRefName refuses names that git would not accept as a reference, or would
// take for something else.
func checkRefName(name string) error {
	bad := func(r rune) bool { return r <= ' ' || r == 0x7f || strings.ContainsRune(`~^:?*[\`, r) }
	switch {
	case !strings.HasPrefix(name, "refs/"), len(name) > 512, strings.IndexFunc(name, bad) >= 0,
		strings.Contains(name, ".."), strings.Contains(name, "@{"), strings.Contains(name, "//"),
		strings.Contains(name, "/."), strings.HasSuffix(name, "/"), strings.HasSuffix(name, "."), strings.Contains(name, ".lock/"), strings.HasSuffix(name, ".lock"):
		return fmt.Errorf("reference %q: is not the full name of a reference", name)
	}
	return nil
}

// member is one set of credentials for a repository, and what they opened.
type member struct {
	repo    *repo
	remote  Remote
	address address

	mu       sync.Mutex
	extra    map[string]bool // references wanted beside branches and tags
	refs     source.Refs     // of the last successful fetch; nil if there was none
	moved    string          // where the address redirects to, if it does
	headless bool            // the remote's HEAD points nowhere
	flight   *flight         // the fetch under way

	traced string // see trace; used by whoever has the turn
}

func (p *repo) member(r Remote, a address) *member {
	key := r.identity(p.store.secret)
	p.mu.Lock()
	defer p.mu.Unlock()
	m, ok := p.members[key]
	if !ok {
		m = &member{repo: p, remote: r, address: a, extra: map[string]bool{}}
		p.members[key] = m
	}
	return m
}

func (m *member) last() (source.Refs, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.refs, m.refs != nil
}

// proven makes sure that these credentials opened the repository once.
func (m *member) proven(ctx context.Context) error {
	if _, ok := m.last(); ok {
		return nil
	}
	_, err := m.fetch(ctx, nil)
	if _, ok := m.last(); ok && err != nil { // restored: see recall
		return nil
	}
	return err
}

// flight is a fetch that several callers wait for. It ends early when all of them
// have left.
type flight struct {
	extra   []string
	done    chan struct{}
	cancel  context.CancelCauseFunc
	waiters int // guarded by member.mu

	refs source.Refs
	err  error
}

var errNobodyWaits = errors.New("nobody waits for the fetch any more")

// fetch joins the fetch under way, if that one brings what is wanted, or starts
// one.
func (m *member) fetch(ctx context.Context, extra []string) (source.Refs, error) {
	for {
		f, err := m.board(extra)
		if err != nil {
			return nil, err
		}
		select {
		case <-f.done:
		case <-ctx.Done():
			m.leave(f)
			return nil, failed(m.remote, FailedTimeout, context.Cause(ctx).Error(), context.Cause(ctx))
		}
		if f.covers(extra) {
			return f.refs, f.err
		}
	}
}

func (f *flight) covers(extra []string) bool {
	for _, name := range extra {
		covered := false
		for _, have := range f.extra {
			covered = covered || have == name
		}
		if !covered {
			return false
		}
	}
	return true
}

func (m *member) board(extra []string) (*flight, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, name := range extra {
		m.extra[name] = true
	}
	if m.flight != nil {
		m.flight.waiters++
		return m.flight, nil
	}
	if err := m.repo.store.begin(); err != nil {
		return nil, err
	}
	f := &flight{done: make(chan struct{}), waiters: 1}
	for name := range m.extra {
		f.extra = append(f.extra, name)
	}
	var ctx context.Context
	ctx, f.cancel = context.WithCancelCause(m.repo.store.life)
	m.flight = f
	go m.fly(ctx, f)
	return f, nil
}

func (m *member) leave(f *flight) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if f.waiters--; f.waiters > 0 {
		return
	}
	f.cancel(errNobodyWaits)
	if m.flight == f { // a newcomer must not board what is about to fail
		m.flight = nil
	}
}

// fly runs the fetch, tells all who wait, and then tidies up.
func (m *member) fly(ctx context.Context, f *flight) {
	defer m.repo.store.tasks.Done()
	defer f.cancel(nil)
	if err := m.repo.acquire(ctx); err != nil {
		f.err = failed(m.remote, FailedTimeout, err.Error(), err)
		m.land(f)
		return
	}
	defer m.repo.release()
	m.repo.renew()
	f.refs, f.err = m.update(ctx, f.extra)
	if m.repo.isDamaged(f.err) && m.repo.renew() {
		f.refs, f.err = m.update(ctx, f.extra)
	}
	m.remember(f.err, f.extra)
	m.land(f)
	if f.err == nil {
		m.repo.maintain(m.repo.store.life)
	}
}

func (m *member) land(f *flight) {
	m.mu.Lock()
	if f.err == nil {
		m.refs = f.refs
	}
	if m.flight == f {
		m.flight = nil
	}
	m.mu.Unlock()
	close(f.done)
}
