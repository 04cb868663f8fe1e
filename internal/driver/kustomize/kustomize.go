// Package kustomize builds kustomizations.
//
// In go a directory of a source.Tree and the options to lay over its
// kustomization; out come the objects that "kustomize build" would print. It
// reads nothing but the tree, changes nothing, runs no plugin and follows no
// reference to another repository or server: those are refused by name.
//
// The library behind it cannot be cancelled and can be made to use much time and
// memory, so a server runs this package in a worker process.
package kustomize

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path"
	"strings"
	"sync"
	"sync/atomic"

	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/api/resmap"
	"sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/kustomize/kyaml/openapi"

	"github.com/plumbline-dev/plumbline/internal/core/object"
	"github.com/plumbline-dev/plumbline/internal/core/render"
	"github.com/plumbline-dev/plumbline/internal/core/source"
)

// Renderer implements render.Renderer. The zero value is ready to use.
type Renderer struct {
	Charts render.Renderer // renders the charts of a kustomization; nil: they are refused
}

// schema guards the schema that the library keeps for the whole process. A
// kustomization with an "openapi" field replaces it, for every other build too.
var (
	schema  sync.RWMutex
	tainted atomic.Bool
)

// Tainted reports whether a build of this process has replaced the library's
// schema. It was put back, but a process that can be spared had better end.
func (Renderer) Tainted() bool { return tainted.Load() }

// Render implements render.Renderer. ctx is looked at before the build, and before each
// chart in it.
func (r Renderer) Render(ctx context.Context, req render.Request, tree source.Tree) (render.Result, error) {
	dir, err := render.CleanPath(req.Path)
	if err != nil {
		return render.Result{}, err
	}
	opts := render.KustomizeOptions{}
	if req.Kustomize != nil {
		opts = *req.Kustomize
	}
	b := &build{ctx: ctx, req: req, charts: r.Charts, tree: tree, dir: dir, opts: opts}
	if err := b.findRoot(); err != nil {
		return render.Result{}, err
	}
	if b.root == "" {
		return render.Result{Tool: render.Kustomize, Digest: render.Digest(nil)}, nil
	}
	if err := ctx.Err(); err != nil {
		return render.Result{}, err
	}
	built, seen, err := b.run(shared)
	if errors.Is(err, errOwnSchema) {
		built, seen, err = b.run(alone)
	}
	if err != nil {
		return render.Result{}, err
	}
	manifests, err := b.manifests(built, seen)
	if err != nil {
		return render.Result{}, err
	}
	return render.Result{Tool: render.Kustomize, Manifests: manifests, Warnings: b.warnings, Impure: b.impure, Digest: render.Digest(manifests)}, nil
}

// errOwnSchema stops a build that brings its own schema and is not alone.
var errOwnSchema = errors.New("kustomization has an openapi field")

// company says whether other builds may run in the process at the same time.
type company int

const (
	shared company = iota
	alone
)

// build is one build of one kustomization.
type build struct {
	ctx    context.Context
	req    render.Request
	charts render.Renderer
	tree   source.Tree
	dir    string
	opts   render.KustomizeOptions

	warnings []string // of charts
	impure   string

	root     string // name of the kustomization file in dir; empty if there is nothing to build
	rootData []byte // with the options laid over it
}

// findRoot reads the kustomization file and lays the options over it.
func (b *build) findRoot() error {
	if _, err := render.Detect(b.tree, b.dir); err != nil {
		return err
	}
	for _, name := range render.KustomizationFiles {
		file := path.Join(b.dir, name)
		info, err := b.tree.Stat(file)
		if err != nil || info.IsDir() {
			continue
		}
		data, err := b.tree.ReadFile(file)
		if err != nil {
			return err
		}
		b.root = name
		b.rootData, err = b.overlay(file, data)
		return err
	}
	if !b.opts.Generate {
		return fmt.Errorf("path %q: has no kustomization.yaml", b.dir)
	}
	data, err := generate(b.tree, b.dir)
	if err != nil || data == nil && len(b.opts.Components) == 0 {
		return err
	}
	b.root = render.KustomizationFiles[0]
	b.rootData, err = b.overlay(path.Join(b.dir, b.root), data)
	return err
}

func (b *build) run(in company) (resmap.ResMap, *sightings, error) {
	if in == alone {
		schema.Lock()
		defer schema.Unlock()
		tainted.Store(true)
		openapi.ResetOpenAPI() // or what earlier builds parsed would shine through
		defer openapi.ResetOpenAPI()
	} else {
		schema.RLock()
		defer schema.RUnlock()
	}
	fsys := newFileSystem(b, in)
	options := krusty.MakeDefaultOptions()
	options.Reorder = krusty.ReorderOptionUnspecified
	if b.opts.Unrestricted {
		options.LoadRestrictions = types.LoadRestrictionsNone
	}
	built, err := krusty.MakeKustomizer(options).Run(fsys, abs(b.dir))
	if fault := fsys.failed(); fault != nil {
		return nil, nil, fault
	}
	if err != nil {
		return nil, nil, explain(b.dir, err)
	}
	return built, &fsys.seen, nil
}

// explainLimit bounds the library's messages, which repeat themselves.
const explainLimit = 600

// explain makes one line of an error of the library.
func explain(dir string, err error) error {
	text := strings.Join(strings.Fields(err.Error()), " ")
	if len(text) > explainLimit {
		text = text[:explainLimit/3] + " ... " + text[len(text)-explainLimit*2/3:]
	}
	return fmt.Errorf("kustomization in %q: %s", dir, strings.ToValidUTF8(text, ""))
}

func (b *build) manifests(built resmap.ResMap, seen *sightings) ([]object.Manifest, error) {
	var d object.Decoder
	var manifests []object.Manifest
	for _, res := range built.Resources() {
		file := cmp.Or(seen.declaring(res.GetKind(), res.GetName()), path.Join(b.dir, b.root))
		value, err := valueOf(res.YNode())
		if err != nil {
			return nil, fmt.Errorf("%s: %s: %w", file, res.CurId(), err)
		}
		each, err := d.Manifests(file, value)
		if err != nil {
			return nil, err
		}
		manifests = append(manifests, each...)
	}
	return manifests, nil
}
