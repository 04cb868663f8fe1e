package plugin

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	"github.com/plumbline-dev/plumbline/internal/core/source"
)

// Limits of what a run gets.
const (
	treeLimit  = 512 << 20 // bytes of all files
	filesLimit = 100_000
	warnLimit  = 5
)

// spill writes the files of a tree below dir. Links that stay in the tree are links;
// what cannot be read, such as a link that leaves it, is left out with a warning.
func spill(tree source.Tree, dir string, modes bool) ([]string, error) {
	whole, err := source.Whole(tree)
	if err != nil {
		return nil, err
	}
	s := &spiller{tree: whole, dir: dir, modes: modes, bytes: treeLimit, files: filesLimit}
	if err := s.walk("."); err != nil {
		return nil, err
	}
	if s.more > 0 {
		s.warnings = append(s.warnings, fmt.Sprintf("and %d more files are not there for the plugin", s.more))
	}
	return s.warnings, nil
}

type spiller struct {
	tree     source.Tree
	dir      string
	modes    bool
	bytes    int64
	files    int
	warnings []string
	more     int
}

func (s *spiller) walk(dir string) error {
	if err := os.Mkdir(filepath.Join(s.dir, filepath.FromSlash(dir)), 0o755); err != nil {
		return err
	}
	entries, err := s.tree.ReadDir(dir)
	if err != nil {
		return err
	}
	if s.files -= len(entries); s.files < 0 {
		return fmt.Errorf("the repository has more than %d files, which is too much to hand to a plugin", filesLimit)
	}
	for _, e := range entries {
		name := path.Join(dir, e.Name())
		at := filepath.Join(s.dir, filepath.FromSlash(name))
		switch {
		case e.Type()&fs.ModeSymlink != 0:
			err = s.link(name, at)
		case e.Type() == source.ModeSubmodule:
			err = os.Mkdir(at, 0o755) // empty, as where submodules are not fetched
		case e.IsDir():
			if err = s.walk(name); err != nil {
				return err
			}
		default:
			err = s.file(e, name, at)
		}
		if errors.Is(err, errTooMuch) {
			return err
		}
		if err != nil {
			s.warn(name, err)
		}
	}
	return nil
}

var errTooMuch = fmt.Errorf("the repository has more than %d MiB, which is too much to hand to a plugin", treeLimit>>20)

func (s *spiller) file(e fs.DirEntry, name, at string) error {
	data, err := s.tree.ReadFile(name)
	if err != nil {
		return err
	}
	if s.bytes -= int64(len(data)); s.bytes < 0 {
		return errTooMuch
	}
	mode := source.ModeFile
	if info, err := e.Info(); err == nil && s.modes {
		mode = info.Mode().Perm()
	}
	return os.WriteFile(at, data, mode)
}

func (s *spiller) link(name, at string) error {
	target, err := s.tree.Resolve(name)
	if err != nil {
		return err
	}
	rel, err := filepath.Rel(filepath.FromSlash(path.Dir(name)), filepath.FromSlash(target))
	if err != nil {
		return err
	}
	return os.Symlink(rel, at)
}

func (s *spiller) warn(name string, err error) {
	if len(s.warnings) >= warnLimit {
		s.more++
		return
	}
	s.warnings = append(s.warnings, fmt.Sprintf("%s is not there for the plugin: %v", name, err))
}
