package kustomize

import (
	"context"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/plumbline-dev/plumbline/internal/core/render"
	"github.com/plumbline-dev/plumbline/internal/core/source"
)

func TestOrigin(t *testing.T) {
	files := map[string]string{
		"base/kustomization.yaml": "resources: [web.yaml, more.yaml]",
		"base/web.yaml":           "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: web # the one\n",
		"base/more.yaml":          "{apiVersion: v1, kind: Service, metadata: {name: web}}\n---\napiVersion: v1\nkind: ServiceAccount\nmetadata:\n  name: \"web\"\n",
		"prod/kustomization.yaml": "resources: [../base]\nnamePrefix: prod-\npatches: [{path: patch.yaml}]\nconfigMapGenerator: [{name: settings, literals: [A=1]}]\n",
		"prod/patch.yaml":         "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: web\nspec:\n  replicas: 3\n",
	}
	fsys := fstest.MapFS{}
	for name, text := range files {
		fsys[name] = &fstest.MapFile{Data: []byte(text)}
	}
	tree := source.FromFS(fsys, source.Revision{ID: "0123456789"})
	res, err := Renderer{}.Render(context.Background(), render.Request{Tool: render.Kustomize, Path: "prod"}, tree)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, m := range res.Manifests {
		got[m.Object.GetKind()] = m.Origin.File
	}
	want := map[string]string{
		"Deployment": "base/web.yaml", "Service": "base/more.yaml", "ServiceAccount": "base/more.yaml",
		"ConfigMap": "prod/kustomization.yaml",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("files that objects come from (-want +got):\n%s", d)
	}
}
