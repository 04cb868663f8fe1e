package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/plumbline-dev/plumbline/internal/core/source"
)

// workdir is the revision of files that are read as they are on disk.
var workdir = source.Revision{ID: "workdir"}

// workspace is a directory to render from, which may be a Git repository.
// Close it after use.
type workspace struct {
	dir  string // without symbolic links
	open func(dir string) (Repository, error)
	root *os.Root
	repo Repository

	clones map[string]*workspace // of further repositories, by normalised URL
}

// openWorkspace opens a directory.
func (c *command) openWorkspace(dir string) (*workspace, error) {
	real, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return nil, wrapInput(dir, err)
	}
	if real, err = filepath.Abs(real); err != nil {
		return nil, wrapInput(dir, err)
	}
	info, err := os.Stat(real)
	if err != nil {
		return nil, wrapInput(dir, err)
	}
	if !info.IsDir() {
		return nil, fmt.Errorf("%s: is a file, want a directory", dir)
	}
	return &workspace{dir: real, open: c.OpenRepository}, nil
}

// Close lets go of the directory.
func (w *workspace) Close() {
	if w.root != nil {
		w.root.Close()
	}
	for _, clone := range w.clones {
		clone.Close()
	}
}

// tree returns the files of a revision; "" are those on disk.
func (w *workspace) tree(revision string) (source.Tree, error) {
	if revision == "" {
		if w.root == nil {
			root, err := os.OpenRoot(w.dir)
			if err != nil {
				return nil, wrapInput(w.dir, err)
			}
			w.root = root
		}
		return source.FromFS(w.root.FS(), workdir), nil
	}
	return w.at(source.Ref{Any: revision})
}

// at returns the files that a reference of the repository stands for.
func (w *workspace) at(ref source.Ref) (source.Tree, error) {
	if w.repo == nil {
		repo, err := w.open(w.dir)
		if err != nil {
			return nil, fmt.Errorf("%w; revisions can only be read from a repository: give it with --repo", err)
		}
		w.repo = repo
	}
	rev, err := w.repo.Resolve(ref)
	if err != nil {
		return nil, fmt.Errorf("repository %s: %w", w.dir, err)
	}
	tree, err := w.repo.Tree(rev)
	if err != nil {
		return nil, fmt.Errorf("repository %s: %s: %w", w.dir, rev, err)
	}
	return tree, nil
}

// file returns where a path of the workspace is on disk.
func (w *workspace) file(path string) string { return filepath.Join(w.dir, filepath.FromSlash(path)) }

// enclosing returns the repository that a directory is in, and false for none.
func enclosing(dir string) (string, bool) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", false
	}
	for {
		if _, err := os.Lstat(filepath.Join(dir, ".git")); err == nil {
			return dir, true
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", false
		}
		dir = parent
	}
}

// locate opens the workspace of a directory to render and returns the
// directory's path in it. Without repo, the workspace is the repository that
// the directory is in, or else the directory itself.
func (c *command) locate(dir, repo string) (*workspace, string, error) {
	if repo != "" {
		return c.locateIn(dir, repo)
	}
	real, err := realDir(dir)
	if err != nil {
		return nil, "", err
	}
	root, found := enclosing(real)
	if !found {
		root = real
	}
	w, err := c.openWorkspace(root)
	if err != nil {
		return nil, "", err
	}
	path, _ := within(w.dir, real)
	return w, path, nil
}

// locateIn reads dir as a path on disk if that is inside repo, and else as a
// path in it.
func (c *command) locateIn(dir, repo string) (*workspace, string, error) {
	w, err := c.openWorkspace(repo)
	if err != nil {
		return nil, "", err
	}
	if real, err := realDir(dir); err == nil {
		if path, inside := within(w.dir, real); inside {
			return w, path, nil
		}
	}
	if filepath.IsAbs(dir) {
		w.Close()
		return nil, "", fmt.Errorf("%s: is not in the repository %s", dir, repo)
	}
	return w, filepath.ToSlash(filepath.Clean(dir)), nil
}

// realDir returns where a directory is. One that is not there is returned by
// name if it is in a repository: another revision may have it.
func realDir(dir string) (string, error) {
	real, err := filepath.EvalSymlinks(dir)
	if errors.Is(err, fs.ErrNotExist) {
		abs, absErr := filepath.Abs(dir)
		if _, found := enclosing(abs); found && absErr == nil {
			return abs, nil
		}
	}
	if err != nil {
		return "", wrapInput(dir, err)
	}
	return filepath.Abs(real)
}

// within returns the slash-separated path of dir in root, and false when it is
// elsewhere.
func within(root, dir string) (string, bool) {
	rel, err := filepath.Rel(root, dir)
	if err != nil || rel == ".." || strings.HasPrefix(rel, ".."+string(filepath.Separator)) {
		return "", false
	}
	return filepath.ToSlash(rel), true
}
