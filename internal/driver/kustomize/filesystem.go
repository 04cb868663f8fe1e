package kustomize

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"sigs.k8s.io/kustomize/kyaml/filesys"

	"github.com/plumbline-dev/plumbline/internal/core/render"
	"github.com/plumbline-dev/plumbline/internal/core/source"
)

// fileSystem shows a source.Tree to the library, rooted at "/". It returns the
// build's root kustomization with the options laid over it, and checks every
// kustomization that is read before the library acts on it.
type fileSystem struct {
	build *build
	in    company

	configs  map[string]bool      // files that configure generators and transformers
	inflated map[string]*inflated // files that are not in the tree
	seen     sightings
	fault    error // the first thing the build must not survive
}

var _ filesys.FileSystem = (*fileSystem)(nil)

func newFileSystem(b *build, in company) *fileSystem {
	return &fileSystem{build: b, in: in, configs: map[string]bool{}, inflated: map[string]*inflated{}}
}

func abs(name string) string { return path.Join("/", name) }

// rel returns a path as the tree names it.
func rel(p string) string {
	clean := strings.TrimPrefix(path.Clean("/"+filepath.ToSlash(p)), "/")
	if clean == "" {
		return "."
	}
	return clean
}

// failed returns what was wrong regardless of what the library made of it.
func (f *fileSystem) failed() error { return f.fault }

// note keeps errors that the library would swallow or blur: it takes any failed
// read for a file that is not there.
func (f *fileSystem) note(err error) error {
	if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, source.ErrIsDirectory) && !errors.Is(err, source.ErrNotDirectory) && f.fault == nil {
		f.fault = err
	}
	return err
}

func (f *fileSystem) isRoot(name string) bool {
	return name == path.Join(f.build.dir, f.build.root)
}

func (f *fileSystem) ReadFile(p string) ([]byte, error) {
	if f.fault != nil {
		return nil, f.fault
	}
	name := rel(p)
	if made := f.inflated[name]; made != nil {
		f.seen.note(made.file, made.text)
		return made.text, nil
	}
	data := f.build.rootData
	if !f.isRoot(name) {
		var err error
		if data, err = f.build.tree.ReadFile(name); err != nil {
			return nil, f.note(err)
		}
	}
	if slices.Contains(render.KustomizationFiles, path.Base(name)) {
		var err error
		if data, err = f.inflate(name, data); err != nil {
			return nil, f.note(err)
		}
		if err := f.scan(name, data); err != nil {
			return nil, f.note(err)
		}
	} else if f.configs[name] {
		if err := scanConfig(name, data); err != nil {
			return nil, f.note(err)
		}
	}
	f.seen.note(name, data)
	return data, nil
}

func (f *fileSystem) stat(p string) (fs.FileInfo, error) {
	if made := f.inflated[rel(p)]; made != nil {
		return source.NewInfo(path.Base(p), source.ModeFile, func() int64 { return int64(len(made.text)) }), nil
	}
	info, err := f.build.tree.Stat(rel(p))
	return info, f.note(err)
}

func (f *fileSystem) IsDir(p string) bool {
	info, err := f.stat(p)
	return err == nil && info.IsDir()
}

func (f *fileSystem) Exists(p string) bool {
	if f.isRoot(rel(p)) {
		return true
	}
	_, err := f.stat(p)
	return err == nil
}

func (f *fileSystem) ReadDir(p string) ([]string, error) {
	entries, err := f.build.tree.ReadDir(rel(p))
	if err != nil {
		return nil, f.note(err)
	}
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	return names, nil
}

// CleanedAbs resolves links: load restrictions are decided on its answer.
func (f *fileSystem) CleanedAbs(p string) (filesys.ConfirmedDir, string, error) {
	name := rel(p)
	if f.isRoot(name) {
		return filesys.ConfirmedDir(abs(f.build.dir)), f.build.root, nil
	}
	if f.inflated[name] != nil {
		home, err := f.build.tree.Resolve(path.Dir(name))
		return filesys.ConfirmedDir(abs(home)), path.Base(name), f.note(err)
	}
	real, err := f.build.tree.Resolve(name)
	if err != nil {
		return "", "", fmt.Errorf("%q: %w", p, f.note(err))
	}
	info, err := f.build.tree.Stat(real)
	if err != nil {
		return "", "", fmt.Errorf("%q: %w", p, f.note(err))
	}
	if info.IsDir() {
		return filesys.ConfirmedDir(abs(real)), "", nil
	}
	return filesys.ConfirmedDir(abs(path.Dir(real))), path.Base(real), nil
}

func (f *fileSystem) Glob(pattern string) ([]string, error) {
	names, err := fs.Glob(f.build.tree, rel(pattern))
	if err != nil {
		return nil, f.note(err)
	}
	for i, name := range names {
		names[i] = abs(name)
	}
	if filesys.IsHiddenFilePath(pattern) {
		return names, nil
	}
	return filesys.RemoveHiddenFiles(names), nil
}

func (f *fileSystem) Walk(p string, walk filepath.WalkFunc) error {
	return fs.WalkDir(f.build.tree, rel(p), func(name string, d fs.DirEntry, err error) error {
		var info fs.FileInfo
		if err == nil {
			info, err = d.Info()
		}
		return walk(abs(name), info, f.note(err))
	})
}

func (f *fileSystem) Open(p string) (filesys.File, error) {
	file, err := f.build.tree.Open(rel(p))
	if err != nil {
		return nil, f.note(err)
	}
	return readOnlyFile{file}, nil
}

type readOnlyFile struct{ fs.File }

func (readOnlyFile) Write([]byte) (int, error) { return 0, fs.ErrPermission }

// The rest of filesys.FileSystem writes, which a revision does not allow.

func (f *fileSystem) Create(p string) (filesys.File, error) { return nil, readOnly(p) }
func (f *fileSystem) Mkdir(p string) error                  { return readOnly(p) }
func (f *fileSystem) MkdirAll(p string) error               { return readOnly(p) }
func (f *fileSystem) RemoveAll(p string) error              { return readOnly(p) }
func (f *fileSystem) WriteFile(p string, _ []byte) error    { return readOnly(p) }

func readOnly(p string) error {
	return &fs.PathError{Op: "write", Path: p, Err: fs.ErrPermission}
}
