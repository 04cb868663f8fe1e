package gitstore

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/plumbline-dev/plumbline/internal/core/gitobject"
	"github.com/plumbline-dev/plumbline/internal/core/gitref"
	"github.com/plumbline-dev/plumbline/internal/core/gittree"
	"github.com/plumbline-dev/plumbline/internal/core/packfile"
	"github.com/plumbline-dev/plumbline/internal/core/source"
)

// Local is a repository on this machine, such as the clone somebody works in. It
// is only read: neither its files nor its references ever change, and git is not
// run.
type Local struct {
	objects *objects
	limits  gittree.Limits
	gitDir  string // has HEAD; of a linked work tree, its own

	mu   sync.Mutex
	refs refReader
}

// OpenLocal returns the repository whose work tree or Git directory is dir;
// linked work trees and bare repositories will do. Options that concern fetching
// are not used.
func OpenLocal(dir string, opts Options) (*Local, error) {
	opts = opts.withDefaults()
	gitDir, err := findGitDir(dir)
	if err != nil {
		return nil, fmt.Errorf("git repository %q: %w", dir, err)
	}
	common := gitDir
	if text, err := os.ReadFile(filepath.Join(gitDir, "commondir")); err == nil {
		common = joinDir(gitDir, strings.TrimSpace(string(text)))
	}
	if err := checkFormat(filepath.Join(common, "config")); err != nil {
		return nil, fmt.Errorf("git repository %q: %w", dir, err)
	}
	db, err := openObjects(filepath.Join(common, "objects"), opts.packLimits(), packfile.NewCache(opts.CacheBytes))
	if err != nil {
		return nil, fmt.Errorf("git repository %q: %w", dir, err)
	}
	return &Local{objects: db, limits: opts.treeLimits(), gitDir: gitDir, refs: refReader{dir: common, objects: db}}, nil
}

var errNoRepository = errors.New("is not a Git repository: it has no .git")

func findGitDir(dir string) (string, error) {
	if isGitDir(dir) {
		return dir, nil
	}
	inner := filepath.Join(dir, ".git")
	info, err := os.Stat(inner)
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Stat(dir); err != nil {
			return "", err
		}
		return "", errNoRepository
	}
	if err != nil {
		return "", err
	}
	if info.Mode().IsRegular() {
		text, err := os.ReadFile(inner)
		if err != nil {
			return "", err
		}
		to, ok := strings.CutPrefix(strings.TrimSpace(string(text)), "gitdir: ")
		if !ok {
			return "", errNoRepository
		}
		inner = joinDir(dir, to)
	}
	if !isGitDir(inner) {
		return "", errNoRepository
	}
	return inner, nil
}

func isGitDir(dir string) bool {
	return exists(filepath.Join(dir, "HEAD")) &&
		(exists(filepath.Join(dir, "commondir")) || exists(filepath.Join(dir, "objects")) && exists(filepath.Join(dir, "refs")))
}

func joinDir(dir, to string) string {
	if filepath.IsAbs(to) {
		return to
	}
	return filepath.Join(dir, to)
}

// checkFormat refuses repositories of a format that cannot be read.
func checkFormat(config string) error {
	text, err := os.ReadFile(config)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return gitref.CheckFormat(text)
}

// Refs returns the repository's references, HEAD included.
func (l *Local) Refs() (source.Refs, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, err := l.objects.reload(); err != nil {
		return nil, err
	}
	onDisk, _, err := l.refs.read()
	if err != nil {
		return nil, err
	}
	head, err := os.ReadFile(filepath.Join(l.gitDir, "HEAD"))
	if err != nil {
		return nil, err
	}
	refs := make(source.Refs, len(onDisk)+1)
	for name, id := range onDisk {
		refs[name] = source.RefTarget{ID: id.String()}
	}
	if id, ok := gitref.Head(head, onDisk); ok {
		refs["HEAD"] = source.RefTarget{ID: id.String()}
	}
	return refs, nil
}

// Resolve returns the revision a reference stands for, abbreviated ids included.
func (l *Local) Resolve(ref source.Ref) (source.Revision, error) {
	refs, err := l.Refs()
	if err != nil {
		return source.Revision{}, err
	}
	rev, err := ref.Resolve(refs)
	if unresolved := (*source.UnresolvedError)(nil); errors.As(err, &unresolved) && unresolved.Abbreviated != "" {
		id, err := l.Complete(unresolved.Abbreviated)
		return source.Revision{ID: id}, err
	}
	return rev, err
}

// Tree returns the files of a commit.
func (l *Local) Tree(rev source.Revision) (source.Tree, error) {
	id, err := gitobject.ParseID(rev.ID)
	if err != nil {
		return nil, err
	}
	snap, err := gittree.New(l.objects, id, l.limits)
	if err != nil {
		return nil, err
	}
	return snap.Tree(rev), nil
}

// Commit returns a commit's metadata.
func (l *Local) Commit(id string) (gitobject.Commit, error) {
	commit, err := gitobject.ParseID(id)
	if err != nil {
		return gitobject.Commit{}, err
	}
	return gitobject.ReadCommit(l.objects, commit)
}

// Complete returns the id of the only commit that starts with an abbreviated id.
// It fails with *gitobject.AbbreviationError.
func (l *Local) Complete(abbreviated string) (string, error) {
	if _, err := l.objects.reload(); err != nil {
		return "", err
	}
	return l.objects.complete(abbreviated)
}
