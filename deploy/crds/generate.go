//go:build ignore

// Command generate writes the custom resource definitions of this directory,
// from the Go types of Argo CD's kinds in api/ and of Flux's kinds in Flux's
// published modules. Run it with "go generate ./deploy/crds".
package main

import (
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	apiextensions "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"
)

const (
	controllerGen = "sigs.k8s.io/controller-tools/cmd/controller-gen@v0.23.0"
	argoTypes     = "github.com/plumbline-dev/plumbline/api/argoproj/v1alpha1"
)

// A fluxKind is one kind of a published module. Its older versions are marked
// there as no longer generated; here they are served still.
type fluxKind struct {
	module, source, crd string
}

var fluxKinds = []fluxKind{
	{"github.com/fluxcd/source-controller/api", "gitrepository_types.go", "source.toolkit.fluxcd.io_gitrepositories.yaml"},
	{"github.com/fluxcd/kustomize-controller/api", "kustomization_types.go", "kustomize.toolkit.fluxcd.io_kustomizations.yaml"},
}

func main() {
	log.SetFlags(0)
	if err := generate(); err != nil {
		log.Fatal(err)
	}
}

func generate() error {
	tmp, err := os.MkdirTemp("", "crds")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	if err := run(".", "go", "run", controllerGen, "crd", "paths="+argoTypes, "output:crd:dir="+tmp); err != nil {
		return err
	}
	names := []string{"argoproj.io_applications.yaml", "argoproj.io_appprojects.yaml"}
	for _, k := range fluxKinds {
		if err := k.generate(tmp); err != nil {
			return fmt.Errorf("%s: %w", k.crd, err)
		}
		names = append(names, k.crd)
	}
	for _, name := range names {
		if err := finish(filepath.Join(tmp, name), name); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

func (k fluxKind) generate(out string) error {
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", k.module).Output()
	if err != nil {
		return fmt.Errorf("go list %s: %w", k.module, err)
	}
	module := filepath.Join(out, filepath.Base(filepath.Dir(k.module)))
	if err := os.CopyFS(module, os.DirFS(strings.TrimSpace(string(dir)))); err != nil {
		return err
	}
	paths := []string{"run", controllerGen, "crd", "output:crd:dir=" + out}
	for _, version := range []string{"v1", "v1beta2", "v1beta1"} {
		types := filepath.Join(module, version, k.source)
		text, err := os.ReadFile(types)
		if err != nil {
			return err
		}
		served := strings.ReplaceAll(string(text), "// +kubebuilder:skipversion\n", "")
		if err := os.Chmod(types, 0o600); err != nil {
			return err
		}
		if err := os.WriteFile(types, []byte(served), 0o600); err != nil {
			return err
		}
		paths = append(paths, "paths=./"+version)
	}
	return run(module, "go", paths...)
}

func run(dir, name string, args ...string) error {
	cmd := exec.Command(name, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, os.Stdout, os.Stderr
	return cmd.Run()
}

// finish adjusts one generated definition and writes it to this directory.
func finish(from, to string) error {
	text, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	var crd apiextensions.CustomResourceDefinition
	if err := yaml.UnmarshalStrict(text, &crd); err != nil {
		return err
	}
	for i := range crd.Spec.Versions {
		v := &crd.Spec.Versions[i]
		// Users do not write status and operation, and they repeat the
		// schema of sources a dozen times.
		for _, top := range []string{"status", "operation"} {
			if p, ok := v.Schema.OpenAPIV3Schema.Properties[top]; ok {
				undescribe(&p, 2)
				v.Schema.OpenAPIV3Schema.Properties[top] = p
			}
		}
	}
	unify(crd.Spec.Versions)
	crd.Spec.Conversion = &apiextensions.CustomResourceConversion{Strategy: apiextensions.NoneConverter}
	return write(to, crd)
}

// undescribe removes the descriptions below the given depth.
func undescribe(s *apiextensions.JSONSchemaProps, depth int) {
	if depth <= 0 {
		s.Description = ""
	}
	for name, p := range s.Properties {
		undescribe(&p, depth-1)
		s.Properties[name] = p
	}
	if s.Items != nil && s.Items.Schema != nil {
		undescribe(s.Items.Schema, depth-1)
	}
	if s.AdditionalProperties != nil && s.AdditionalProperties.Schema != nil {
		undescribe(s.AdditionalProperties.Schema, depth-1)
	}
}

// unify gives every version the schema of the stored version, and that schema
// the spec fields that only older versions have. Versions are not converted, so
// with differing schemas the API server would silently drop what one version
// lacks: patches of an old manifest when it is stored, or the inventory in the
// status when an old manifest is applied again.
func unify(versions []apiextensions.CustomResourceDefinitionVersion) {
	stored := &versions[0]
	for i := range versions {
		if versions[i].Storage {
			stored = &versions[i]
		}
	}
	spec := stored.Schema.OpenAPIV3Schema.Properties["spec"]
	for _, v := range versions {
		older := v.Schema.OpenAPIV3Schema.Properties["spec"]
		merge(&spec, &older)
	}
	stored.Schema.OpenAPIV3Schema.Properties["spec"] = spec
	for i := range versions {
		versions[i].Schema = stored.Schema
		versions[i].Subresources = stored.Subresources
		versions[i].AdditionalPrinterColumns = stored.AdditionalPrinterColumns
	}
}

// merge adds to one schema the properties that only the other has.
func merge(into, from *apiextensions.JSONSchemaProps) {
	for name, p := range from.Properties {
		have, ok := into.Properties[name]
		switch {
		case ok:
			merge(&have, &p)
		case into.Properties == nil: // free-form or a map: keeps everything
			continue
		default:
			have = *p.DeepCopy()
			have.Default = nil
			have.Description = "Older versions only. " + have.Description
		}
		into.Properties[name] = have
	}
	if into.Items != nil && from.Items != nil {
		merge(into.Items.Schema, from.Items.Schema)
	}
}

func write(to string, crd apiextensions.CustomResourceDefinition) error {
	text, err := yaml.Marshal(map[string]any{
		"apiVersion": "apiextensions.k8s.io/v1",
		"kind":       "CustomResourceDefinition",
		"metadata":   map[string]any{"name": crd.Name},
		"spec":       crd.Spec,
	})
	if err != nil {
		return err
	}
	return os.WriteFile(to, append([]byte("# Generated by generate.go; do not edit.\n"), text...), 0o644)
}
