package crds_test

import (
	"testing"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/pruning"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/plumbline-dev/plumbline/deploy/crds"
)

type definition struct {
	v1       apiextensionsv1.CustomResourceDefinition
	internal apiextensions.CustomResourceDefinition
}

func definitions(t *testing.T) map[string]definition {
	t.Helper()
	out := map[string]definition{}
	for _, f := range crds.Files() {
		var d definition
		if err := yaml.UnmarshalStrict(f.Data, &d.v1); err != nil {
			t.Fatalf("%s: %v", f.Name, err)
		}
		defaulted := d.v1.DeepCopy()
		apiextensionsv1.SetDefaults_CustomResourceDefinition(defaulted)
		apiextensionsv1.SetDefaults_CustomResourceDefinitionSpec(&defaulted.Spec)
		if err := apiextensionsv1.Convert_v1_CustomResourceDefinition_To_apiextensions_CustomResourceDefinition(defaulted, &d.internal, nil); err != nil {
			t.Fatalf("%s: %v", f.Name, err)
		}
		out[d.v1.Spec.Names.Kind] = d
	}
	return out
}

func (d definition) props(t *testing.T, version string) *apiextensions.JSONSchemaProps {
	t.Helper()
	if d.internal.Spec.Validation != nil { // all versions are equal
		return d.internal.Spec.Validation.OpenAPIV3Schema
	}
	for _, v := range d.internal.Spec.Versions {
		if v.Name == version {
			return v.Schema.OpenAPIV3Schema
		}
	}
	t.Fatalf("%s has no version %s", d.v1.Name, version)
	return nil
}

func (d definition) admit(t *testing.T, obj *unstructured.Unstructured) []string {
	t.Helper()
	props := d.props(t, obj.GroupVersionKind().Version)
	structural, err := schema.NewStructural(props)
	if err != nil {
		t.Fatal(err)
	}
	defaulting.Default(obj.Object, structural)
	pruned := pruning.PruneWithOptions(obj.Object, structural, true, schema.UnknownFieldPathOptions{TrackUnknownFieldPaths: true})
	validator, _, err := validation.NewSchemaValidator(props)
	if err != nil {
		t.Fatal(err)
	}
	if errs := validation.ValidateCustomResource(nil, obj.UnstructuredContent(), validator); len(errs) > 0 {
		t.Errorf("%s %s: %v", obj.GetKind(), obj.GetName(), errs.ToAggregate())
	}
	return pruned
}
