package crds_test

import (
	"context"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	kustomizev1beta1 "github.com/fluxcd/kustomize-controller/api/v1beta1"
	kustomizev1beta2 "github.com/fluxcd/kustomize-controller/api/v1beta2"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	sourcev1beta1 "github.com/fluxcd/source-controller/api/v1beta1"
	sourcev1beta2 "github.com/fluxcd/source-controller/api/v1beta2"
	"github.com/google/go-cmp/cmp"
	crdvalidation "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/validation"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"

	argo "github.com/plumbline-dev/plumbline/api/argoproj/v1alpha1"
	"github.com/plumbline-dev/plumbline/deploy/crds"
)

func TestFiles(t *testing.T) {
	want := []string{
		"argoproj.io_applications.yaml",
		"argoproj.io_appprojects.yaml",
		"kustomize.toolkit.fluxcd.io_kustomizations.yaml",
		"source.toolkit.fluxcd.io_gitrepositories.yaml",
	}
	var got []string
	for _, f := range crds.Files() {
		got = append(got, f.Name)
		if len(f.Data) >= 256<<10 {
			t.Errorf("%s has %d bytes: too large for the annotation of kubectl apply", f.Name, len(f.Data))
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Files() (-want +got):\n%s", diff)
	}
}

func TestDefinitionsAreAccepted(t *testing.T) {
	for kind, d := range definitions(t) {
		if errs := crdvalidation.ValidateCustomResourceDefinition(context.Background(), &d.internal); len(errs) > 0 {
			t.Errorf("%s: %v", kind, errs.ToAggregate())
		}
	}
}

func TestNamesAndVersions(t *testing.T) {
	type facts struct {
		Plural, Short, Versions, Stored string
		StatusSubresource               bool
		Columns                         string
	}
	want := map[string]facts{
		"Application":   {"applications", "app apps", "v1alpha1", "v1alpha1", false, "Sync Status,Health Status,Revision,Project"},
		"AppProject":    {"appprojects", "appproj appprojs", "v1alpha1", "v1alpha1", false, ""},
		"GitRepository": {"gitrepositories", "gitrepo", "v1 v1beta1 v1beta2", "v1", true, "URL,Age,Ready,Status"},
		"Kustomization": {"kustomizations", "ks", "v1 v1beta1 v1beta2", "v1", true, "Age,Ready,Status"},
	}
	got := map[string]facts{}
	for kind, d := range definitions(t) {
		f := facts{Plural: d.v1.Spec.Names.Plural, Short: strings.Join(d.v1.Spec.Names.ShortNames, " ")}
		var versions, columns []string
		for _, v := range d.v1.Spec.Versions {
			if !v.Served {
				t.Errorf("%s: version %s is not served", kind, v.Name)
			}
			versions = append(versions, v.Name)
			if !v.Storage {
				continue
			}
			f.Stored = v.Name
			f.StatusSubresource = v.Subresources != nil && v.Subresources.Status != nil
			for _, c := range v.AdditionalPrinterColumns {
				columns = append(columns, c.Name)
			}
		}
		f.Versions, f.Columns = strings.Join(versions, " "), strings.Join(columns, ",")
		got[kind] = f
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("definitions (-want +got):\n%s", diff)
	}
}

func TestPopulatedSurvives(t *testing.T) {
	for name, empty := range map[string]func() runtime.Object{
		"Application": func() runtime.Object { return new(argo.Application) },
		"AppProject":  func() runtime.Object { return new(argo.AppProject) },
	} {
		t.Run(name, func(t *testing.T) {
			in := empty()
			fill(t, reflect.ValueOf(in).Elem(), name)
			gvk := argo.GroupVersion.WithKind(name)
			in.GetObjectKind().SetGroupVersionKind(gvk)
			obj := toUnstructured(t, in)
			if pruned := definitions(t)[name].admit(t, obj); len(pruned) > 0 {
				t.Errorf("fields missing in the definition: %v", pruned)
			}
			out := empty()
			fromUnstructured(t, obj, out)
			if diff := cmp.Diff(in, out); diff != "" {
				t.Errorf("round trip (-want +got):\n%s", diff)
			}
		})
	}
}

func TestFieldsExist(t *testing.T) {
	for name, tc := range map[string]struct {
		reason, kind, version string
		typ                   any
		optional              string // prefix of fields that may be missing
	}{
		"Application":           {"our own type", "Application", "v1alpha1", argo.Application{}, ""},
		"AppProject":            {"our own type", "AppProject", "v1alpha1", argo.AppProject{}, ""},
		"GitRepository":         {"current", "GitRepository", "v1", sourcev1.GitRepository{}, ""},
		"GitRepository v1beta2": {"older manifests are stored as v1", "GitRepository", "v1", sourcev1beta2.GitRepository{}, ".status"},
		"GitRepository v1beta1": {"older manifests are stored as v1", "GitRepository", "v1", sourcev1beta1.GitRepository{}, ".status"},
		"Kustomization":         {"current", "Kustomization", "v1", kustomizev1.Kustomization{}, ""},
		"Kustomization v1beta2": {"older manifests are stored as v1", "Kustomization", "v1", kustomizev1beta2.Kustomization{}, ".status"},
		"Kustomization v1beta1": {"older manifests are stored as v1", "Kustomization", "v1", kustomizev1beta1.Kustomization{}, ".status"},
		"v1 read as v1beta2":    {"an old manifest applied again keeps newer fields", "GitRepository", "v1beta2", sourcev1.GitRepository{}, ""},
		"v1 read as v1beta1":    {"the inventory survives an old manifest", "Kustomization", "v1beta1", kustomizev1.Kustomization{}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			var missing []string
			walk(reflect.TypeOf(tc.typ), definitions(t)[tc.kind].props(t, tc.version), "", func(path string) {
				if tc.optional == "" || !strings.HasPrefix(path, tc.optional) {
					missing = append(missing, path)
				}
			})
			if len(missing) > 0 {
				t.Errorf("%s: missing in the definition: %v", tc.reason, missing)
			}
		})
	}
}

func TestExamples(t *testing.T) {
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("examples: %v, %v", files, err)
	}
	defs := definitions(t)
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, doc := range strings.Split(string(text), "\n---\n") {
				want, got := new(unstructured.Unstructured), new(unstructured.Unstructured)
				if err := yaml.Unmarshal([]byte(doc), want); err != nil {
					t.Fatal(err)
				}
				d, ok := defs[want.GetKind()]
				if !ok {
					t.Fatalf("no definition of %s", want.GetKind())
				}
				got.Object = runtime.DeepCopyJSON(want.Object)
				if pruned := d.admit(t, got); len(pruned) > 0 {
					t.Errorf("pruned: %v", pruned)
				}
				if diff := lost(want.Object, got.Object, ""); len(diff) > 0 {
					t.Errorf("lost on the way in: %v", diff)
				}
				if want.GroupVersionKind().Group == argo.Group {
					roundTrip(t, want)
				}
			}
		})
	}
}

func TestUnknownStatusSurvives(t *testing.T) {
	obj := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "argoproj.io/v1alpha1", "kind": "Application", "metadata": map[string]any{"name": "a"},
		"spec":      map[string]any{"project": "", "destination": map[string]any{}, "typo": "x"},
		"status":    map[string]any{"later": map[string]any{"version": "2"}},
		"operation": map[string]any{"later": true},
	}}
	pruned := definitions(t)["Application"].admit(t, obj)
	if diff := cmp.Diff([]string{"spec.typo"}, pruned); diff != "" {
		t.Errorf("pruned (-want +got):\n%s", diff)
	}
}
