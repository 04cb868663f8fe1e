package kustomize

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
	"sigs.k8s.io/yaml"

	"github.com/plumbline-dev/plumbline/internal/core/render"
)

const overlayFiles = `
-- app/kustomization.yaml --
resources: [d.yaml]
namePrefix: old-
images:
- {name: nginx, newName: mirror/nginx, newTag: "1"}
- {name: other, newTag: "9"}
replicas: [{name: d, count: 2}]
commonAnnotations: {owner: file}
labels: [{pairs: {tier: file}}]
-- app/d.yaml --
apiVersion: apps/v1
kind: Deployment
metadata: {name: d, namespace: was}
spec:
  selector: {matchLabels: {app: d}}
  template:
    metadata: {labels: {app: d}}
    spec: {containers: [{name: c, image: nginx}, {name: o, image: other}]}
-- comp/kustomization.yaml --
apiVersion: kustomize.config.k8s.io/v1alpha1
kind: Component
commonAnnotations: {comp: here}
`

func TestOverlay(t *testing.T) {
	files := txtar.Parse([]byte(overlayFiles)).Files
	cases := map[string]struct {
		reason string
		opts   render.KustomizeOptions
		want   map[string]any // dotted path: value
		err    string
	}{
		"Nothing": {
			reason: "no options, no change",
			want:   map[string]any{"metadata.name": "old-d", "metadata.namespace": "was", "spec.replicas": int64(2), "image": "mirror/nginx:1 other:9"},
		},
		"Names": {
			reason: "prefix, suffix and namespace replace those of the file",
			opts:   render.KustomizeOptions{NamePrefix: "a-", NameSuffix: "-z", Namespace: "now"},
			want:   map[string]any{"metadata.name": "a-d-z", "metadata.namespace": "now"},
		},
		"Images": {
			reason: "an image replaces the entry of its name as a whole",
			opts:   render.KustomizeOptions{Images: []render.KustomizeImage{{Name: "nginx", NewTag: "2"}}},
			want:   map[string]any{"image": "nginx:2 other:9"},
		},
		"ImagesStar": {
			reason: "a star keeps a part",
			opts:   render.KustomizeOptions{Images: []render.KustomizeImage{{Name: "nginx", NewName: "*", NewTag: "2"}}},
			want:   map[string]any{"image": "mirror/nginx:2 other:9"},
		},
		"ImagesKept": {
			reason: "or an empty name keeps the file's, and the digest takes the tag's place",
			opts:   render.KustomizeOptions{KeepImageNames: true, Images: []render.KustomizeImage{{Name: "nginx", Digest: "sha256:1"}, {Name: "other", NewName: "x"}}},
			want:   map[string]any{"image": "mirror/nginx@sha256:1 x:9"},
		},
		"Replicas": {
			reason: "a count replaces the one of its name",
			opts:   render.KustomizeOptions{Replicas: []render.KustomizeCount{{Name: "d", Count: 7}}},
			want:   map[string]any{"spec.replicas": int64(7)},
		},
		"Patches": {
			reason: "patches are appended",
			opts: render.KustomizeOptions{Patches: []render.KustomizePatch{
				{Patch: "- {op: add, path: /spec/paused, value: true}", Target: &render.KustomizeTarget{Kind: "Deployment"}},
				{Patch: "{apiVersion: apps/v1, kind: Deployment, metadata: {name: renamed}, spec: {x: y}}", Target: &render.KustomizeTarget{Kind: "Deployment"}, Options: map[string]bool{"allowNameChange": true}},
			}},
			want: map[string]any{"spec.paused": true, "metadata.name": "old-renamed"},
		},
		"Components": {
			reason: "missing components are left out only if asked for",
			opts:   render.KustomizeOptions{Components: []string{"../comp", "../nope"}, IgnoreMissingComponents: true},
			want:   map[string]any{"metadata.annotations.comp": "here"},
		},
		"ComponentsMissing": {
			reason: "else it is an error",
			opts:   render.KustomizeOptions{Components: []string{"../nope"}},
			err:    `app/kustomization.yaml: components[0]: main@4f1c2ab has no file or directory "nope"`,
		},
		"ComponentsRemote": {
			reason: "options are checked like the file",
			opts:   render.KustomizeOptions{Components: []string{"https://example.org/x"}, IgnoreMissingComponents: true},
			err:    `app/kustomization.yaml: components[0]: "https://example.org/x" is remote, and remote references are not fetched: put the files in the repository and name their path`,
		},
		"Labels": {
			reason: "labels leave selectors and templates alone",
			opts:   render.KustomizeOptions{Labels: map[string]string{"a": "b"}},
			want:   map[string]any{"metadata.labels.a": "b", "metadata.labels.tier": "file", "spec.selector.matchLabels.a": nil, "spec.template.metadata.labels.a": nil},
		},
		"LabelsTemplates": {
			reason: "unless templates are asked for",
			opts:   render.KustomizeOptions{Labels: map[string]string{"a": "b"}, LabelsInTemplates: true},
			want:   map[string]any{"metadata.labels.a": "b", "spec.selector.matchLabels.a": nil, "spec.template.metadata.labels.a": "b"},
		},
		"LabelsSelectors": {
			reason: "or selectors",
			opts:   render.KustomizeOptions{Labels: map[string]string{"a": "b"}, LabelsInSelectors: true},
			want:   map[string]any{"spec.selector.matchLabels.a": "b", "spec.template.metadata.labels.a": "b"},
		},
		"LabelTwice": {
			reason: "a label of the file is not replaced silently",
			opts:   render.KustomizeOptions{Labels: map[string]string{"tier": "x"}},
			err:    `app/kustomization.yaml: label "tier" is already in the kustomization file: remove it there or force it in the application`,
		},
		"LabelForced":     {reason: "but by force", opts: render.KustomizeOptions{Labels: map[string]string{"tier": "x"}, ForceLabels: true}, want: map[string]any{"metadata.labels.tier": "x"}},
		"AnnotationTwice": {reason: "same for annotations", opts: render.KustomizeOptions{Annotations: map[string]string{"owner": "x"}}, err: `app/kustomization.yaml: annotation "owner" is already in the kustomization file: remove it there or force it in the application`},
		"Annotation":      {reason: "and force", opts: render.KustomizeOptions{Annotations: map[string]string{"owner": "x", "n": "1"}, ForceAnnotations: true}, want: map[string]any{"metadata.annotations.owner": "x", "metadata.annotations.n": "1"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := Renderer{}.Render(t.Context(), render.Request{Path: "app", Kustomize: &tc.opts}, treeOf(files))
			if text := errorText(err); text != tc.err {
				t.Fatalf("%s: got %s, want %s", tc.reason, text, tc.err)
			}
			for path, want := range tc.want {
				if diff := cmp.Diff(want, lookup(got.Manifests[0].Object.Object, path)); diff != "" {
					t.Errorf("%s: %s:\n%s", tc.reason, path, diff)
				}
			}
		})
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func lookup(v any, path string) any {
	if path == "image" {
		var images []string
		for _, c := range lookup(v, "spec.template.spec.containers").([]any) {
			images = append(images, c.(map[string]any)["image"].(string))
		}
		return strings.Join(images, " ")
	}
	for step := range strings.SplitSeq(path, ".") {
		m, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = m[step]
	}
	return v
}

func TestGenerate(t *testing.T) {
	cm := "\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n"
	cases := map[string]struct {
		reason, files string
		want          []string
		err           string
	}{
		"Walk": {
			reason: "manifests at any depth; a directory with a kustomization is one resource",
			files:  "-- app/a.yaml --" + cm + "-- app/s/b.yml --" + cm + "-- app/k/kustomization.yaml --\nresources: [c.yaml]\n-- app/k/c.yaml --" + cm + "-- app/k/deep/d.yaml --" + cm + "-- app/README.md --\n-- app/empty.yaml --\n# nothing\n",
			want:   []string{"a.yaml", "k", "s/b.yml"},
		},
		"Empty":  {reason: "nothing declares nothing", files: "-- app/x.txt --\n"},
		"Broken": {reason: "every file must be a manifest", files: "-- app/values.yaml --\na: b\n", err: "app/values.yaml: document 1, line 1: has no apiVersion"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			data, err := generate(treeOf(txtar.Parse([]byte(tc.files)).Files), "app")
			if text := errorText(err); text != tc.err {
				t.Fatalf("%s: got %s, want %s", tc.reason, text, tc.err)
			}
			var k struct{ Resources []string }
			if err := yaml.Unmarshal(data, &k); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, k.Resources); diff != "" {
				t.Errorf("%s:\n%s", tc.reason, diff)
			}
		})
	}
}

func TestGenerateBuilds(t *testing.T) {
	req := render.Request{Path: ".", Kustomize: &render.KustomizeOptions{Generate: true, Namespace: "n"}}
	got, err := Renderer{}.Render(t.Context(), req, treeOf(txtar.Parse([]byte("-- a.yaml --\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n")).Files))
	if err != nil || len(got.Manifests) != 1 || got.Manifests[0].Key().String() != "ConfigMap n/x" {
		t.Errorf("%v %v", got.Manifests, err)
	}
	req.Kustomize.Namespace = ""
	got, err = Renderer{}.Render(t.Context(), req, treeOf(txtar.Parse([]byte("-- a.txt --\n")).Files))
	if err != nil || len(got.Manifests) != 0 {
		t.Errorf("empty directory: %v %v", got.Manifests, err)
	}
}
