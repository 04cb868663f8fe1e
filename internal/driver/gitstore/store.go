package gitstore

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"github.com/plumbline-dev/plumbline/internal/core/gitobject"
	"github.com/plumbline-dev/plumbline/internal/core/gitref"
	"github.com/plumbline-dev/plumbline/internal/core/gitremote"
	"github.com/plumbline-dev/plumbline/internal/core/gittree"
	"github.com/plumbline-dev/plumbline/internal/core/packfile"
	"github.com/plumbline-dev/plumbline/internal/core/source"
)

// Store keeps one bare repository per remote below a directory. All methods are
// safe for concurrent use.
type Store struct {
	dir    string
	opts   Options
	cache  *packfile.Cache
	secret []byte // for telling credentials apart; kept on disk
	unlock func()

	maxPacks int // per repository, before they are merged

	life  context.Context // ends with Close
	end   context.CancelFunc
	tasks sync.WaitGroup // fetches and maintenance under way

	mu     sync.Mutex
	closed bool
	repos  map[string]*repo // by normalized URL
}

// Open returns the store in a directory, which it creates if need be. It takes
// the directory for itself until Close: a second Open fails, also from another
// process. What a crash left half-done there is removed.
func Open(dir string, opts Options) (*Store, error) {
	opts = opts.withDefaults()
	var err error
	if opts.Git, err = findProgram(opts.Git, "git"); err != nil {
		return nil, fmt.Errorf("git store: git program: %w: install git or set its path", err)
	}
	if program, err := findProgram(opts.SSH, "ssh"); err == nil {
		opts.SSH = program
	} else {
		opts.SSH = "" // only ssh remotes need it: they will say so
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return nil, fmt.Errorf("git store: %w", err)
	}
	for _, sub := range []string{"repos", "tmp"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o700); err != nil {
			return nil, fmt.Errorf("git store: %w", err)
		}
	}
	unlock, err := lockFile(filepath.Join(dir, "lock"))
	if err != nil {
		return nil, fmt.Errorf("git store %q: is in use by another process: %w", dir, err)
	}
	s := &Store{dir: dir, opts: opts, cache: packfile.NewCache(opts.CacheBytes), unlock: unlock, maxPacks: standardPacks, repos: map[string]*repo{}}
	s.life, s.end = context.WithCancel(context.Background())
	if err := emptyDir(filepath.Join(dir, "tmp")); err != nil { // credentials of fetches that a crash cut short
		s.Close()
		return nil, fmt.Errorf("git store: %w", err)
	}
	if s.secret, err = loadSecret(filepath.Join(dir, "secret")); err != nil {
		s.Close()
		return nil, fmt.Errorf("git store: %w", err)
	}
	return s, nil
}

func emptyDir(dir string) error {
	entries, err := os.ReadDir(dir)
	for _, entry := range entries {
		err = errors.Join(err, os.RemoveAll(filepath.Join(dir, entry.Name())))
	}
	return err
}

// Close ends fetches under way and releases the directory. Trees that were
// handed out stay readable.
func (s *Store) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	s.mu.Unlock()
	s.end()
	s.tasks.Wait()
	s.unlock()
	return nil
}

var errClosed = errors.New("git store: is closed")

// begin registers a task that Close waits for.
func (s *Store) begin() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return errClosed
	}
	s.tasks.Add(1)
	return nil
}

// repo returns the repository that all remotes of one URL share.
func (s *Store) repo(r gitremote.Remote) (*repo, gitremote.Address, error) {
	a, err := gitremote.Check(r, s.opts.AllowFile)
	if err != nil {
		return nil, gitremote.Address{}, err
	}
	if a.Scheme == "ssh" && s.opts.SSH == "" {
		return nil, gitremote.Address{}, gitremote.Failed(r, gitremote.FailedSetup, "there is no ssh program: install openssh-client", nil)
	}
	key := source.NormalizeURL(a.URL)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, gitremote.Address{}, errClosed
	}
	if known, ok := s.repos[key]; ok {
		return known, a, nil
	}
	sum := sha256.Sum256([]byte(key))
	dir := filepath.Join(s.dir, "repos", hex.EncodeToString(sum[:16]))
	if err := initBare(dir, key); err != nil {
		return nil, gitremote.Address{}, gitremote.Failed(r, gitremote.FailedDisk, err.Error(), err)
	}
	db, err := openObjects(filepath.Join(dir, "objects"), s.opts.packLimits(), s.cache)
	if corrupt := (*gitobject.CorruptError)(nil); errors.As(err, &corrupt) {
		// What is here is only a copy: begin anew.
		s.opts.Logger.Warn("removed damaged git store", "url", key, "err", err)
		if err = errors.Join(os.RemoveAll(dir), initBare(dir, key)); err == nil {
			db, err = openObjects(filepath.Join(dir, "objects"), s.opts.packLimits(), s.cache)
		}
	}
	if err != nil {
		return nil, gitremote.Address{}, gitremote.Failed(r, gitremote.FailedDisk, err.Error(), err)
	}
	created := &repo{
		store: s, url: key, dir: dir, objects: db, turn: make(chan struct{}, 1), members: map[string]*member{}, trees: map[gitobject.ID]*gittree.Snapshot{},
		refs: refReader{dir: dir, objects: db},
	}
	s.repos[key] = created
	return created, a, nil
}

// initBare makes dir an empty bare repository unless it is one. The files are
// what git init writes, without templates and hooks.
func initBare(dir, url string) error {
	for _, sub := range []string{"objects/info", "objects/pack", "refs/heads", "refs/tags"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o700); err != nil {
			return err
		}
	}
	for _, file := range []struct{ name, text string }{
		{"config", "[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = true\n"},
		{"HEAD", "ref: refs/heads/main\n"},
		{"description", url + "\n"},
	} {
		if err := os.WriteFile(filepath.Join(dir, file.name), []byte(file.text), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// Fetch brings the store up to date with the remote and returns the references it
// now offers: HEAD, branches, tags, and those of extra, full names such as
// "refs/pull/7/head", that exist. The map is shared and must not be changed.
//
// It is cheap when nothing changed, and calls for one remote that overlap share
// one fetch. An empty repository has no references, which is no error. Failures
// are *gitremote.FetchError or *gitremote.URLError; what was fetched before stays as it was.
func (s *Store) Fetch(ctx context.Context, r gitremote.Remote, extra ...string) (source.Refs, error) {
	p, a, err := s.repo(r)
	if err != nil {
		return nil, err
	}
	for _, name := range extra {
		if err := gitref.Check(name); err != nil {
			return nil, gitremote.Failed(r, gitremote.FailedNotFound, err.Error(), err)
		}
	}
	return p.member(r, a).fetch(ctx, extra)
}

// Refs returns what the last successful Fetch of the remote returned, with the
// same credentials; ok is false if there was none. After a restart it is false
// until Fetch was called; if that fails because the server cannot be reached, the
// references of before the restart are there again.
func (s *Store) Refs(r gitremote.Remote) (refs source.Refs, ok bool) {
	p, a, err := s.repo(r)
	if err != nil {
		return nil, false
	}
	return p.member(r, a).last()
}

// Tree returns the files of a commit. If the store does not have it yet it is
// fetched by its id. The first use of a remote's credentials is a Fetch, so that
// nobody reads what their own credentials did not open; while the server cannot be
// reached, it is enough that they opened it before a restart.
//
// The Tree's errors are those of source, *gitobject.CorruptError, *source.LFSPointerError
// for LFS files and *source.SubmoduleError below submodules.
func (s *Store) Tree(ctx context.Context, r gitremote.Remote, rev source.Revision) (source.Tree, error) {
	p, id, err := s.ensure(ctx, r, rev.ID)
	if err != nil {
		return nil, err
	}
	snap, err := p.snapshot(id)
	if err != nil {
		return nil, err
	}
	return snap.Tree(rev), nil
}

// Commit returns the metadata of a commit, which is fetched if need be.
func (s *Store) Commit(ctx context.Context, r gitremote.Remote, id string) (gitobject.Commit, error) {
	p, commit, err := s.ensure(ctx, r, id)
	if err != nil {
		return gitobject.Commit{}, err
	}
	return gitobject.ReadCommit(p.objects, commit)
}

// Tag returns the annotated tag with a short name, as the last Fetch left it.
// It fails with fs.ErrNotExist if there is none or it is not annotated.
func (s *Store) Tag(ctx context.Context, r gitremote.Remote, name string) (gitobject.Tag, error) {
	p, a, err := s.repo(r)
	if err != nil {
		return gitobject.Tag{}, err
	}
	if err := p.member(r, a).proven(ctx); err != nil {
		return gitobject.Tag{}, err
	}
	return p.tag(name)
}

// Complete returns the id of the only commit that starts with an abbreviated id.
// It fails with *gitobject.AbbreviationError.
func (s *Store) Complete(ctx context.Context, r gitremote.Remote, abbreviated string) (string, error) {
	p, a, err := s.repo(r)
	if err != nil {
		return "", err
	}
	m := p.member(r, a)
	if err := m.proven(ctx); err != nil {
		return "", err
	}
	id, err := p.objects.complete(abbreviated)
	if none := (*gitobject.AbbreviationError)(nil); errors.As(err, &none) && len(none.Candidates) == 0 {
		if _, err := m.fetch(ctx, nil); err != nil {
			return "", err
		}
		return p.objects.complete(abbreviated)
	}
	return id, err
}

// ensure makes a commit available to whoever has r's credentials.
func (s *Store) ensure(ctx context.Context, r gitremote.Remote, hexID string) (*repo, gitobject.ID, error) {
	p, a, err := s.repo(r)
	if err != nil {
		return nil, gitobject.ID{}, err
	}
	id, err := gitobject.ParseID(hexID)
	if err != nil {
		return nil, gitobject.ID{}, err
	}
	m := p.member(r, a)
	if err := m.proven(ctx); err != nil {
		return nil, gitobject.ID{}, err
	}
	if p.objects.has(id) {
		return p, id, nil
	}
	return p, id, m.fetchCommit(ctx, id)
}
