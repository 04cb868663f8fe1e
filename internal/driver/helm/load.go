package helm

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"helm.sh/helm/v4/pkg/chart/loader/archive"
	chart "helm.sh/helm/v4/pkg/chart/v2"
	chartloader "helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/ignore"

	corechart "github.com/plumbline-dev/plumbline/internal/core/chart"
	"github.com/plumbline-dev/plumbline/internal/core/source"
)

// Limits of one chart with all its dependencies.
const (
	bytesLimit = 64 << 20 // unpacked
	filesLimit = 10_000
	depthLimit = 16 // of charts in charts, and of links to directories
)

// loader reads charts from a tree.
type loader struct {
	tree      source.Tree
	bytesLeft int64
	filesLeft int
}

func newLoader(tree source.Tree) *loader {
	return &loader{tree: tree, bytesLeft: bytesLimit, filesLeft: filesLimit}
}

// chart loads the chart in a directory and the charts that it finds by path.
func (l *loader) chart(dir string) (*chart.Chart, error) { return l.nested(dir, 0) }

func (l *loader) nested(dir string, depth int) (*chart.Chart, error) {
	if depth > depthLimit {
		return nil, fmt.Errorf("chart %q: dependencies are nested more than %d deep", dir, depthLimit)
	}
	files, err := l.directory(dir)
	if err != nil {
		return nil, err
	}
	if !slices.ContainsFunc(files, func(f *archive.BufferedFile) bool { return f.Name == "Chart.yaml" }) {
		return nil, fmt.Errorf("path %q: has no Chart.yaml", dir)
	}
	ch, err := load(files)
	if err != nil {
		return nil, fmt.Errorf("chart in %q: %s", dir, oneLine(err))
	}
	for _, dep := range ch.Metadata.Dependencies {
		if dep == nil {
			continue
		}
		if slices.ContainsFunc(ch.Dependencies(), func(d *chart.Chart) bool { return d.Name() == dep.Name }) {
			continue
		}
		rel, isPath := strings.CutPrefix(dep.Repository, "file://")
		target := path.Join(dir, rel)
		if !isPath {
			target = source.MountPoint(corechart.Dependency{Name: dep.Name, Version: dep.Version, Repository: dep.Repository}.Mount())
			if _, err := l.tree.Stat(target); errors.Is(err, fs.ErrNotExist) {
				continue // it was not fetched
			}
			rel = "."
		}
		if err := source.CheckName("read", target); err != nil || path.IsAbs(rel) {
			return nil, fmt.Errorf("chart in %q: dependency %q: %w", dir, dep.Name, &source.EscapeError{Path: rel})
		}
		sub, err := l.nested(target, depth+1)
		if err != nil {
			return nil, fmt.Errorf("chart in %q: dependency %q: %w", dir, dep.Name, err)
		}
		ch.AddDependency(sub)
	}
	return ch, nil
}

// load keeps a panic of the library from being more than an error.
func load(files []*archive.BufferedFile) (ch *chart.Chart, err error) {
	defer func() {
		if r := recover(); r != nil {
			ch, err = nil, fmt.Errorf("cannot be loaded: %v", r)
		}
	}()
	return chartloader.LoadFiles(files)
}

// directory reads the files of a chart that .helmignore leaves.
func (l *loader) directory(dir string) ([]*archive.BufferedFile, error) {
	rules := ignore.Empty()
	file := path.Join(dir, ignore.HelmIgnore)
	data, err := l.tree.ReadFile(file)
	switch {
	case err == nil:
		if rules, err = ignore.Parse(bytes.NewReader(data)); err != nil {
			return nil, fmt.Errorf("%s: %s", file, oneLine(err))
		}
	case !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	rules.AddDefaults()
	w := &chartWalk{loader: l, root: dir, rules: rules}
	if err := w.dir(dir, 0); err != nil {
		return nil, err
	}
	return w.files, nil
}

type chartWalk struct {
	*loader
	root  string
	rules *ignore.Rules
	files []*archive.BufferedFile
}

func (w *chartWalk) dir(dir string, links int) error {
	entries, err := w.tree.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		name := path.Join(dir, e.Name())
		rel := name
		if w.root != "." {
			rel = strings.TrimPrefix(name, w.root+"/")
		}
		info, err := w.info(name, e)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if w.rules.Ignore(rel, info) {
			continue
		}
		if !info.IsDir() {
			if err := w.file(name, rel); err != nil {
				return err
			}
			continue
		}
		deeper := links
		if e.Type()&fs.ModeSymlink != 0 {
			deeper++
		}
		if deeper > depthLimit {
			return fmt.Errorf("%s: links to directories are nested more than %d deep", name, depthLimit)
		}
		if err := w.dir(name, deeper); err != nil {
			return err
		}
	}
	return nil
}

// info describes an entry, or what it links to.
func (w *chartWalk) info(name string, e fs.DirEntry) (fs.FileInfo, error) {
	if e.Type()&fs.ModeSymlink != 0 {
		return w.tree.Stat(name)
	}
	return e.Info()
}

var utf8BOM = []byte("\xef\xbb\xbf")

func (w *chartWalk) file(name, rel string) error {
	data, err := w.tree.ReadFile(name)
	if err != nil {
		return err
	}
	if strings.HasPrefix(rel, "charts/") && strings.Count(rel, "/") == 1 && path.Ext(rel) == ".tgz" {
		files, err := w.unpack(name, rel, data, 0)
		w.files = append(w.files, files...)
		return err
	}
	if err := w.spend(name, int64(len(data)), 1); err != nil {
		return err
	}
	w.files = append(w.files, &archive.BufferedFile{Name: rel, Data: bytes.TrimPrefix(data, utf8BOM)})
	return nil
}

func (l *loader) spend(name string, size int64, files int) error {
	if l.bytesLeft -= size; l.bytesLeft < 0 {
		return fmt.Errorf("%s: the chart is larger than %d bytes: leave out files with .helmignore", name, int64(bytesLimit))
	}
	if l.filesLeft -= files; l.filesLeft < 0 {
		return fmt.Errorf("%s: the chart has more than %d files: leave out files with .helmignore", name, filesLimit)
	}
	return nil
}

// unpack replaces an archive by the files in it, as if it had been committed
// unpacked, so that all archives of a chart share its limits.
func (l *loader) unpack(name, rel string, data []byte, depth int) ([]*archive.BufferedFile, error) {
	if depth > depthLimit {
		return nil, fmt.Errorf("%s: archives are nested more than %d deep", name, depthLimit)
	}
	if err := l.measure(name, data); err != nil {
		return nil, err
	}
	files, err := archive.LoadArchiveFiles(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("%s: %s", name, oneLine(err))
	}
	if err := l.spend(name, 0, len(files)); err != nil {
		return nil, err
	}
	base := strings.TrimSuffix(rel, ".tgz") + "-tgz"
	var out []*archive.BufferedFile
	for _, f := range files {
		inner := path.Join(base, f.Name)
		if strings.HasPrefix(f.Name, "charts/") && strings.Count(f.Name, "/") == 1 && path.Ext(f.Name) == ".tgz" {
			nested, err := l.unpack(name+":"+f.Name, inner, f.Data, depth+1)
			if err != nil {
				return nil, err
			}
			out = append(out, nested...)
			continue
		}
		out = append(out, &archive.BufferedFile{Name: inner, Data: f.Data})
	}
	return out, nil
}

// measure counts what an archive unpacks to, without keeping it.
func (l *loader) measure(name string, data []byte) error {
	unzipped, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return fmt.Errorf("%s: is not a chart archive: %s", name, oneLine(err))
	}
	n, err := io.Copy(io.Discard, io.LimitReader(unzipped, l.bytesLeft+1))
	if err != nil {
		return fmt.Errorf("%s: is damaged: %s", name, oneLine(err))
	}
	return l.spend(name, n, 0)
}
