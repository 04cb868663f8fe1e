package kustomize

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/yaml"

	"github.com/plumbline-dev/plumbline/internal/core/object"
	"github.com/plumbline-dev/plumbline/internal/core/render"
	"github.com/plumbline-dev/plumbline/internal/core/source"
)

// generate writes the kustomization of a directory that has none: every manifest
// below it, and every directory that has its own as one resource. It returns nil
// if there are none.
func generate(tree source.Tree, dir string) ([]byte, error) {
	g := generator{tree: tree, root: dir}
	if err := g.walk(dir); err != nil {
		return nil, err
	}
	if len(g.resources) == 0 {
		return nil, nil
	}
	k := types.Kustomization{Resources: g.resources}
	k.FixKustomization()
	return yaml.Marshal(k)
}

type generator struct {
	tree      source.Tree
	root      string
	resources []string
	seen      int
	decoder   object.Decoder
}

func (g *generator) add(name string) {
	if g.root != "." {
		name = strings.TrimPrefix(name, g.root+"/")
	}
	g.resources = append(g.resources, name)
}

func (g *generator) walk(dir string) error {
	entries, err := g.tree.ReadDir(dir)
	if err != nil {
		return err
	}
	if g.seen += len(entries); g.seen > render.DefaultFilesLimit {
		return fmt.Errorf("path %q: has more than %d files; add a kustomization.yaml", g.root, render.DefaultFilesLimit)
	}
	if dir != g.root {
		for _, e := range entries {
			if !e.IsDir() && slices.Contains(render.KustomizationFiles, e.Name()) {
				g.add(dir)
				return nil
			}
		}
	}
	for _, e := range entries {
		name := path.Join(dir, e.Name())
		if e.IsDir() {
			if err := g.walk(name); err != nil {
				return err
			}
			continue
		}
		if e.Type() == source.ModeSubmodule { // what it declares may be running, and would look as if it had left
			if _, err := g.tree.ReadDir(name); err != nil {
				return fmt.Errorf("%w; add a kustomization.yaml that names what is to be applied", err)
			}
		}
		if ext := path.Ext(name); ext != ".yaml" && ext != ".yml" {
			continue
		}
		info, err := g.tree.Stat(name)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if info.IsDir() {
			continue // a link to a directory
		}
		if err := g.file(name); err != nil {
			return err
		}
	}
	return nil
}

// file adds a manifest; what is not one is a mistake, not a file to leave out.
func (g *generator) file(name string) error {
	data, err := g.tree.ReadFile(name)
	if err != nil {
		return err
	}
	manifests, err := g.decoder.Decode(name, data)
	if err != nil {
		return err
	}
	if len(manifests) > 0 {
		g.add(name)
	}
	return nil
}
