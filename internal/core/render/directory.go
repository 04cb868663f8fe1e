package render

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"strings"

	"github.com/plumbline-dev/plumbline/internal/core/object"
	"github.com/plumbline-dev/plumbline/internal/core/source"
)

// Limits of one plain directory.
const (
	DefaultCombinedLimit = 10 << 20 // bytes of all manifest files together
	DefaultFilesLimit    = 50_000   // files and directories looked at
)

// DirectoryRenderer renders plain YAML and JSON files. The zero value is ready
// to use.
//
// Files are taken in lexical order, those of a subdirectory where its name
// stands. A file that is no Kubernetes manifest at all is left out with a
// warning; one that looks like a manifest and cannot be decoded fails the
// render. A directory without manifests renders to nothing, without an error.
//
// A file ending in .jsonnet declares what Evaluate makes of it: an object or a list
// of objects. It may loop and allocate without end, so a server has a worker
// process evaluate, and hands directories with such files over by Elsewhere.
type DirectoryRenderer struct {
	CombinedLimit int64 // bytes; 0 means DefaultCombinedLimit
	FilesLimit    int   // 0 means DefaultFilesLimit

	Evaluate  Evaluator // of .jsonnet files; nil: there are none, or Elsewhere has one
	Elsewhere Renderer  // renders directories with .jsonnet files if Evaluate is nil
}

// An Evaluator returns the JSON text that a Jsonnet program makes. It reads nothing
// but the tree: file is where the program is, and imports are looked for beside the
// file that has them, then in the directories of paths, first to last.
type Evaluator func(ctx context.Context, tree source.Tree, file string, paths []string, options JsonnetOptions) (string, error)

// errElsewhere ends the walk of a directory that another renderer is for.
var errElsewhere = errors.New("has Jsonnet, which is evaluated elsewhere")

// Render implements Renderer.
func (d DirectoryRenderer) Render(ctx context.Context, req Request, tree source.Tree) (Result, error) {
	w, err := d.newWalk(req, tree)
	if err != nil {
		return Result{}, err
	}
	if err := w.dir(ctx, w.root); err != nil {
		if errors.Is(err, errElsewhere) {
			req.Tool = Directory
			return d.Elsewhere.Render(ctx, req, tree)
		}
		return Result{}, err
	}
	return Result{Tool: Directory, Manifests: w.manifests, Warnings: w.warnings.list(), Digest: Digest(w.manifests)}, nil
}

// walk is one render of a directory.
type walk struct {
	tree             source.Tree
	root             string
	opts             DirectoryOptions
	include, exclude *regexp.Regexp
	bytesLeft        int64
	bytesLimit       int64
	filesLeft        int
	filesLimit       int
	evaluate         Evaluator
	elsewhere        bool
	imports          []string // directories

	decoder   object.Decoder
	manifests []object.Manifest
	warnings  warnings
}

func (d DirectoryRenderer) newWalk(req Request, tree source.Tree) (*walk, error) {
	w := &walk{tree: tree, bytesLimit: d.CombinedLimit, filesLimit: d.FilesLimit, evaluate: d.Evaluate, elsewhere: d.Elsewhere != nil}
	if w.bytesLimit == 0 {
		w.bytesLimit = DefaultCombinedLimit
	}
	if w.filesLimit == 0 {
		w.filesLimit = DefaultFilesLimit
	}
	w.bytesLeft, w.filesLeft = w.bytesLimit, w.filesLimit
	if req.Directory != nil {
		w.opts = *req.Directory
	}
	var err error
	if w.root, err = CleanPath(req.Path); err != nil {
		return nil, err
	}
	if w.include, err = optionalGlob("include", w.opts.Include); err != nil {
		return nil, err
	}
	if w.exclude, err = optionalGlob("exclude", w.opts.Exclude); err != nil {
		return nil, err
	}
	w.imports, err = w.opts.Jsonnet.paths(w.root)
	return w, err
}

func optionalGlob(field, pattern string) (*regexp.Regexp, error) {
	if pattern == "" {
		return nil, nil
	}
	re, err := glob(pattern)
	if err != nil {
		return nil, fmt.Errorf("directory %s: %w", field, err)
	}
	return re, nil
}

func (w *walk) dir(ctx context.Context, dir string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	entries, err := w.tree.ReadDir(dir)
	if err != nil {
		return explainPath(w.tree, dir, err)
	}
	if w.filesLeft -= len(entries); w.filesLeft < 0 {
		return fmt.Errorf("path %q: has more than %d files; split it or set directory.exclude", w.root, w.filesLimit)
	}
	for _, e := range entries {
		name := path.Join(dir, e.Name())
		if e.IsDir() {
			if !w.opts.Recurse {
				continue
			}
			if err := w.dir(ctx, name); err != nil {
				return err
			}
			continue
		}
		if e.Type() == source.ModeSubmodule {
			if err := w.submodule(name); err != nil {
				return err
			}
			continue
		}
		if !w.wanted(name) {
			continue
		}
		if e.Type()&fs.ModeSymlink != 0 {
			if skip, err := w.isDirLink(name); err != nil || skip {
				if err != nil {
					return err
				}
				continue
			}
		}
		if err := w.file(ctx, name); err != nil {
			return err
		}
	}
	return nil
}

// submodule refuses to pass over a submodule that would have been descended
// into: what it declares may be running, and would look as if it had left.
func (w *walk) submodule(name string) error {
	if !w.opts.Recurse || w.excluded(name) {
		return nil
	}
	_, err := w.tree.ReadDir(name)
	if err == nil {
		err = fmt.Errorf("path %q: %w", name, source.ErrSpecialFile)
	}
	return fmt.Errorf("%w; or leave it out with directory.exclude %q", err, w.relative(name))
}

// relative returns a name as the patterns see it.
func (w *walk) relative(name string) string {
	if w.root == "." {
		return name
	}
	return strings.TrimPrefix(name, w.root+"/")
}

func (w *walk) excluded(name string) bool {
	return w.exclude != nil && w.exclude.MatchString(w.relative(name))
}

// wanted decides by name alone.
func (w *walk) wanted(name string) bool {
	if w.excluded(name) {
		return false
	}
	rel := w.relative(name)
	if w.include != nil && !w.include.MatchString(rel) {
		return false
	}
	switch path.Ext(name) {
	case ".yaml", ".yml", ".json":
		return true
	case ".jsonnet":
		return !w.opts.WithoutJsonnet
	}
	return w.opts.AnyExtension
}

// isDirLink reports links to directories; they are not followed, which also
// keeps the walk finite. A link to nothing is an error rather than an absence:
// what it should have declared may be running.
func (w *walk) isDirLink(name string) (bool, error) {
	info, err := w.tree.Stat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, fmt.Errorf("%s: is a symbolic link to a file that does not exist", name)
	}
	if err != nil {
		return false, err
	}
	if info.IsDir() {
		w.warnings.add("%s: is a link to a directory and was not followed", name)
	}
	return info.IsDir(), nil
}

func (w *walk) file(ctx context.Context, name string) error {
	data, err := w.tree.ReadFile(name)
	if err != nil {
		return err
	}
	if w.bytesLeft -= int64(len(data)); w.bytesLeft < 0 {
		return fmt.Errorf("path %q: manifests have more than %d bytes together, reached at %s; split it or set directory.exclude", w.root, w.bytesLimit, name)
	}
	if w.opts.SkipMarker != "" && bytes.Contains(data, []byte(w.opts.SkipMarker)) {
		return nil
	}
	if path.Ext(name) == ".jsonnet" {
		return w.program(ctx, name)
	}
	manifests, err := w.decode(name, data)
	if err == nil {
		w.manifests = append(w.manifests, manifests...)
		return nil
	}
	bad, ok := errors.AsType[*object.DecodeError](err)
	if ok && bad.Document == 0 && bad.Problem != object.ProblemLimit && !looksLikeManifest(data) {
		w.warnings.add("%s: was left out because it is not a Kubernetes manifest", name)
		return nil
	}
	return err
}

func (w *walk) decode(name string, data []byte) ([]object.Manifest, error) {
	if path.Ext(name) == ".json" {
		return w.decoder.DecodeJSON(name, data)
	}
	return w.decoder.Decode(name, data)
}

var manifestKeys = []*regexp.Regexp{
	regexp.MustCompile(`apiVersion"?\s*:`),
	regexp.MustCompile(`kind"?\s*:`),
	regexp.MustCompile(`metadata"?\s*:`),
}

// looksLikeManifest tells a manifest with a mistake from another kind of file.
func looksLikeManifest(data []byte) bool {
	for _, key := range manifestKeys {
		if !key.Match(data) {
			return false
		}
	}
	return true
}

// warnings collects what a user should know, up to a point.
type warnings struct {
	texts []string
	more  int
}

const warningsLimit = 20

func (w *warnings) add(format string, args ...any) {
	if len(w.texts) == warningsLimit {
		w.more++
		return
	}
	w.texts = append(w.texts, fmt.Sprintf(format, args...))
}

func (w *warnings) list() []string {
	if w.more == 0 {
		return w.texts
	}
	return append(w.texts, fmt.Sprintf("and %d more warnings", w.more))
}
