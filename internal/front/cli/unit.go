package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/plumbline-dev/plumbline/internal/core/app"
	"github.com/plumbline-dev/plumbline/internal/core/object"
	"github.com/plumbline-dev/plumbline/internal/core/plan"
	"github.com/plumbline-dev/plumbline/internal/core/render"
	core "github.com/plumbline-dev/plumbline/internal/core/schema"
	"github.com/plumbline-dev/plumbline/internal/core/source"
)

// sourceFlags say what to render.
type sourceFlags struct {
	files    []string
	repo     string
	clones   []string
	revision string
	marks    Marks

	release     string
	valueFiles  []string
	set         []string
	recurse     bool
	kubeVersion string
}

func (m *Marks) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&m.ControlPlane, "argocd-namespace", defaultMarks.ControlPlane, "namespace of the control plane, as the server was told; marks of other namespaces' Applications carry their namespace")
	flags.StringVar(&m.Tracking, "resource-tracking", defaultMarks.Tracking, "how objects show their Application, as the server was told: annotation, label or annotation+label")
}

func (f *sourceFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringArrayVarP(&f.files, "filename", "f", nil, "file with Application or Kustomization objects, - for the standard input; may be repeated")
	flags.StringVar(&f.repo, "repo", "", "local repository; by default the one that DIR or the working directory is in")
	flags.StringArrayVar(&f.clones, "clone", nil, "URL=DIR: a local clone of a further repository that sources of the applications are in, or URL/CHART=DIR: an unpacked chart; may be repeated")
	flags.StringVar(&f.revision, "revision", "", "branch, tag or commit to read; by default the files as they are on disk")
	f.marks.add(cmd)
	flags.StringVar(&f.kubeVersion, "kube-version", "", "Kubernetes version that charts are told of; by default the one whose kinds are built in, or the cluster's")
}

// addDirectory adds the flags for rendering a directory without an application.
func (f *sourceFlags) addDirectory(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.release, "release", "", "release name of a chart; by default the name of DIR")
	flags.StringArrayVar(&f.valueFiles, "values", nil, "values file of a chart, relative to DIR; may be repeated")
	flags.StringArrayVar(&f.set, "set", nil, "value of a chart as name=value; may be repeated")
	flags.BoolVar(&f.recurse, "recurse", false, "read the directories below DIR too, if it holds plain manifests")
}

// unit is one thing to render: an application, or a directory by itself.
type unit struct {
	title   string
	sources []app.Source
	decl    *Declaration // nil for a directory
	from    *workspace

	kubeVersion string // that charts are told of; empty: the destination's
}

// units opens the workspace and lists what is to be rendered from it.
func (c *command) units(f sourceFlags, args []string) (*workspace, []unit, error) {
	switch {
	case len(f.files) > 0 && len(args) > 0:
		return nil, nil, fmt.Errorf("%q and -f: give a directory or files with applications, not both", args[0])
	case len(f.files) > 0:
		return c.applicationUnits(f)
	case len(args) == 0:
		return nil, nil, errors.New("nothing to read: give a directory, or a file with applications with -f")
	}
	w, path, err := c.locate(args[0], f.repo)
	if err != nil {
		return nil, nil, err
	}
	req, err := c.directoryRequest(f, path, filepath.Base(w.file(path)))
	if err != nil {
		w.Close()
		return nil, nil, err
	}
	return w, []unit{{title: filepath.ToSlash(filepath.Clean(args[0])), sources: []app.Source{{Render: req}}, from: w}}, nil
}

func (c *command) directoryRequest(f sourceFlags, path, base string) (render.Request, error) {
	req := render.Request{Path: path, Namespace: c.namespace, KubeVersion: f.kubeVersion}
	req.Directory = &render.DirectoryOptions{Recurse: f.recurse}
	req.Kustomize = &render.KustomizeOptions{}
	req.Helm = &render.HelmOptions{ReleaseName: f.release, ValueFiles: f.valueFiles}
	if req.Helm.ReleaseName == "" {
		req.Helm.ReleaseName = base
	}
	if req.Namespace == "" {
		req.Namespace = "default"
	}
	for _, text := range f.set {
		name, value, ok := strings.Cut(text, "=")
		if !ok || name == "" {
			return req, fmt.Errorf("--set %q: want name=value", text)
		}
		req.Helm.Parameters = append(req.Helm.Parameters, render.HelmParameter{Name: name, Value: value})
	}
	return req, nil
}

func (c *command) applicationUnits(f sourceFlags) (*workspace, []unit, error) {
	decls, err := c.declared(f.files, f.marks)
	if err != nil {
		return nil, nil, err
	}
	for _, d := range decls {
		if err := refused(d); err != nil {
			return nil, nil, err
		}
	}
	w, err := c.applicationWorkspace(f, decls...)
	if err != nil {
		return nil, nil, err
	}
	units := make([]unit, len(decls))
	for i := range decls {
		units[i] = applicationUnit(&decls[i], w, f.kubeVersion)
	}
	return w, units, nil
}

func applicationUnit(d *Declaration, w *workspace, kubeVersion string) unit {
	return unit{title: d.App.ID.String(), sources: d.App.Sources, decl: d, from: w, kubeVersion: kubeVersion}
}

// applicationWorkspace opens the repositories that the sources of applications are in.
func (c *command) applicationWorkspace(f sourceFlags, decls ...Declaration) (*workspace, error) {
	w, err := c.repository(f.repo)
	if err != nil && f.repo == "" && len(f.clones) > 0 {
		w, err = c.openWorkspace(f.clones[0][strings.LastIndex(f.clones[0], "=")+1:]) // it may be all that there is to read
	}
	if err != nil {
		return nil, err
	}
	err = c.openClones(w, f.clones)
	for _, d := range decls {
		if err == nil {
			err = w.holds(d.App)
		}
	}
	if err != nil {
		w.Close()
		return nil, err
	}
	return w, nil
}

// repository opens the repository given, or the one that the working directory is in.
func (c *command) repository(dir string) (*workspace, error) {
	if dir == "" {
		found, ok := enclosing(".")
		if !ok {
			return nil, errors.New("no repository: the working directory is in none: give a clone of the application's repository with --repo")
		}
		dir = found
	}
	return c.openWorkspace(dir)
}

// renderUnit returns what a unit applies: objects marked and ordered as the server
// does it. tree is the files of its workspace to read, live may be nil.
func (c *command) renderUnit(ctx context.Context, u unit, tree source.Tree, live Live) ([]plan.Item, error) {
	trees, err := u.from.trees(u.sources, tree)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", u.title, err)
	}
	var manifests []object.Manifest
	for i, from := range u.sources {
		if from.Lends {
			continue
		}
		req := from.Render
		if u.decl != nil && u.decl.Request != nil {
			if req, err = u.decl.Request(from, trees[i]); err != nil {
				return nil, fmt.Errorf("%s: %w", u.title, err)
			}
		}
		req.KubeVersion = cmp.Or(u.kubeVersion, req.KubeVersion)
		result, err := c.Renderer.Render(ctx, withVersions(req, live), trees[i])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", u.title, err)
		}
		for _, text := range result.Warnings {
			c.say("warning: %s: %s", u.title, text)
		}
		manifests = append(manifests, result.Manifests...)
	}
	if u.decl != nil {
		return c.prepare(ctx, u, manifests, live)
	}
	items := make([]plan.Item, len(manifests))
	for i, m := range manifests {
		items[i].Manifest = m
	}
	return items, nil
}

func (c *command) prepare(ctx context.Context, u unit, manifests []object.Manifest, live Live) ([]plan.Item, error) {
	known, err := scopesOf(ctx, objectsOf(manifests), live)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", u.title, err)
	}
	items, problems, err := u.decl.Prepare(manifests, known.Namespaced)
	for _, p := range problems {
		c.say("warning: %s: %s", u.title, p.Message)
	}
	if err == nil && u.decl.Strict {
		_, err = plan.Build(plan.Input{Order: u.decl.Order, Items: items})
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", u.title, err)
	}
	return items, nil
}

func objectsOf(manifests []object.Manifest) []*unstructured.Unstructured {
	objects := make([]*unstructured.Unstructured, len(manifests))
	for i, m := range manifests {
		objects[i] = m.Object
	}
	return objects
}

// withVersions completes a request with what the destination serves: the
// cluster's kinds, or the built-in ones.
func withVersions(req render.Request, live Live) render.Request {
	version, apis := core.BuiltinVersion(), []string(nil)
	if live != nil {
		version, apis = live.KubeVersion(), live.APIVersions()
	}
	if req.KubeVersion == "" {
		req.KubeVersion = version
	}
	if len(req.APIVersions) > 0 {
		return req
	}
	if live == nil {
		for _, gv := range core.Builtin().GroupVersions() {
			apis = append(apis, gv.String())
		}
	}
	req.APIVersions = apis
	return req
}
