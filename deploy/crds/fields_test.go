package crds_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/yaml"

	argo "github.com/plumbline-dev/plumbline/api/argoproj/v1alpha1"
)

// A definition is one CRD, parsed, with the internal form of its validation.

// definitions returns every embedded definition by kind.

// props returns the internal schema of one version.

// admit does what the API server does to an object on its way in: default,

// prune, validate. It returns what was pruned.

// TestPopulatedSurvives fills every field of a type and sends it through what

// the API server does; nothing may be lost or rejected.

// TestFieldsExist walks the Go types; every JSON field must be in the schema.

// Flux's older types are held against the stored version, since versions are

// not converted. Older status fields may go: only the controller writes them.

// TestExamples sends manifests as users wrote them through the API server's

// rules and compares the result with what went in.

// TestUnknownStatusSurvives: what another controller or version wrote into

// status or operation is not pruned.

func roundTrip(t *testing.T, want *unstructured.Unstructured) {
	t.Helper()
	var typed runtime.Object = new(argo.Application)
	if want.GetKind() == argo.AppProjectKind {
		typed = new(argo.AppProject)
	}
	fromUnstructured(t, want, typed)
	if diff := cmp.Diff(want.Object, toUnstructured(t, typed).Object); diff != "" {
		t.Errorf("typed round trip (-want +got):\n%s", diff)
	}
}

func toUnstructured(t *testing.T, in runtime.Object) *unstructured.Unstructured {
	t.Helper()
	text, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	out := new(unstructured.Unstructured)
	if err := out.UnmarshalJSON(text); err != nil {
		t.Fatal(err)
	}
	return out
}

func fromUnstructured(t *testing.T, in *unstructured.Unstructured, out any) {
	t.Helper()
	text, err := in.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.UnmarshalStrict(text, out); err != nil {
		t.Fatal(err)
	}
}

// lost lists the paths of want that got lacks or holds differently.

func lost(want, got any, path string) []string {
	switch w := want.(type) {
	case map[string]any:
		g, _ := got.(map[string]any)
		var out []string
		for k, v := range w {
			out = append(out, lost(v, g[k], path+"."+k)...)
		}
		return out
	default:
		if !cmp.Equal(want, got) {
			return []string{path}
		}
		return nil
	}
}

// fill sets every field of v to a value that is not zero; name makes it unique.

func fill(t *testing.T, v reflect.Value, name string) {
	t.Helper()
	switch v.Addr().Interface().(type) {
	case *metav1.TypeMeta:
		return
	case *metav1.ObjectMeta:
		v.Set(reflect.ValueOf(metav1.ObjectMeta{Name: "populated", Namespace: "argocd", Labels: map[string]string{"a": "b"}}))
		return
	case *metav1.Time:
		v.Set(reflect.ValueOf(metav1.Time{Time: time.Unix(1700000000, 0)}))
		return
	case *intstr.IntOrString:
		v.Set(reflect.ValueOf(intstr.FromString("3")))
		return
	case *runtime.RawExtension:
		v.Set(reflect.ValueOf(runtime.RawExtension{Raw: []byte(`{"free":{"form":[1,"x",null,true]}}`)}))
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(t, v.Elem(), name)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range v.Len() {
			fill(t, v.Index(i), fmt.Sprint(name, i))
		}
	case reflect.Map:
		value := reflect.New(v.Type().Elem()).Elem()
		fill(t, value, name)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(reflect.ValueOf("key"), value)
	case reflect.Struct:
		for i := range v.NumField() {
			fill(t, v.Field(i), name+v.Type().Field(i).Name)
		}
	case reflect.String:
		v.SetString(name)
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int64:
		v.SetInt(7)
	default:
		t.Fatalf("%s: no way to fill a %s", name, v.Type())
	}
}

// walk reports the JSON fields of a type that a schema lacks.

func walk(typ reflect.Type, s *apiextensions.JSONSchemaProps, path string, missing func(string)) {
	for typ.Kind() == reflect.Pointer {
		typ = typ.Elem()
	}
	if s.XPreserveUnknownFields != nil && *s.XPreserveUnknownFields && len(s.Properties) == 0 {
		return
	}
	switch {
	case typ.Implements(reflect.TypeFor[json.Marshaler]()), reflect.PointerTo(typ).Implements(reflect.TypeFor[json.Marshaler]()):
		return
	case typ == reflect.TypeFor[metav1.ObjectMeta]():
		return
	case typ.Kind() == reflect.Slice && s.Items != nil:
		walk(typ.Elem(), s.Items.Schema, path+"[]", missing)
	case typ.Kind() == reflect.Map && s.AdditionalProperties != nil:
		walk(typ.Elem(), s.AdditionalProperties.Schema, path+"{}", missing)
	case typ.Kind() == reflect.Struct:
		for i := range typ.NumField() {
			name, options, _ := strings.Cut(typ.Field(i).Tag.Get("json"), ",")
			if name == "" && strings.Contains(options, "inline") {
				walk(typ.Field(i).Type, s, path, missing)
				continue
			}
			p, ok := s.Properties[name]
			if !ok {
				missing(path + "." + name)
				continue
			}
			walk(typ.Field(i).Type, &p, path+"."+name, missing)
		}
	}
}
