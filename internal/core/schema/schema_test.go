package schema

import (
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

const widgets = `{"openapi":"3.0.0","paths":{"/x":{"get":{"description":"not read"}}},"components":{"schemas":{
 "com.example.v1.Widget":{"type":"object","x-kubernetes-group-version-kind":[{"group":"example.com","version":"v1","kind":"Widget"}],
  "properties":{"apiVersion":{"type":"string"},"kind":{"type":"string"},"metadata":{"type":"object"},
   "spec":{"type":"object","properties":{"size":{"type":"integer"}}}}}}}}`

var (
	exampleV1 = schema.GroupVersion{Group: "example.com", Version: "v1"}
	widget    = exampleV1.WithKind("Widget")
)

func object(gvk schema.GroupVersionKind, spec map[string]any) *unstructured.Unstructured {
	obj := &unstructured.Unstructured{Object: map[string]any{"spec": spec}}
	obj.SetGroupVersionKind(gvk)
	obj.SetName("x")
	return obj
}

func TestConverter(t *testing.T) {
	set, err := (*Set)(nil).With(exampleV1, []byte(widgets))
	if err != nil {
		t.Fatal(err)
	}
	untyped := set.WithUntyped(exampleV1.WithKind("Loose"))
	cases := map[string]struct {
		reason string
		set    *Set
		obj    *unstructured.Unstructured
		want   string
	}{
		"known":        {"a declared field of the right type", set, object(widget, map[string]any{"size": int64(1)}), ""},
		"unknown":      {"a field the schema does not have", set, object(widget, map[string]any{"bogus": int64(1)}), ".spec.bogus: field not declared in schema"},
		"wrong type":   {"a field of another type", set, object(widget, map[string]any{"size": "big"}), ".spec.size: expected numeric (int or float), got string"},
		"no document":  {"nothing is known of the group", set, object(schema.GroupVersionKind{Group: "a.example", Version: "v1", Kind: "A"}, nil), `kind "A": no schema document for a.example/v1`},
		"not in it":    {"the group does not serve the kind", set, object(exampleV1.WithKind("Loose"), nil), `kind "Loose": not in the schema document of example.com/v1`},
		"untyped":      {"a kind that was declared untyped", untyped, object(exampleV1.WithKind("Loose"), map[string]any{"any": []any{"thing"}}), ""},
		"schema first": {"a described kind is not untyped", set.WithUntyped(widget), object(widget, map[string]any{"bogus": int64(1)}), ".spec.bogus: field not declared in schema"},
		"nil set":      {"an empty set knows nothing", nil, object(widget, nil), `kind "Widget": no schema document for example.com/v1`},
		"removed":      {"a document that was taken away", untyped.Without(exampleV1), object(exampleV1.WithKind("Loose"), nil), `kind "Loose": no schema document for example.com/v1`},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			converter, err := c.set.Converter(c.obj.GroupVersionKind())
			if err == nil {
				_, err = converter.ObjectToTyped(c.obj)
			}
			got := ""
			if err != nil {
				got = err.Error()
			}
			if d := cmp.Diff(c.want, got); d != "" {
				t.Errorf("%s: -want +got:\n%s", c.reason, d)
			}
		})
	}
}

func TestWith(t *testing.T) {
	first, err := (&Set{}).With(exampleV1, []byte(widgets))
	if err != nil {
		t.Fatal(err)
	}
	same, err := first.With(exampleV1, []byte(widgets))
	if err != nil || same != first {
		t.Errorf("the same bytes made another set: %v", err)
	}
	second, err := first.With(exampleV1, []byte(strings.ReplaceAll(widgets, `"size"`, `"weight"`)))
	if err != nil {
		t.Fatal(err)
	}
	if first.Hash(exampleV1) == second.Hash(exampleV1) || first.Hash(exampleV1) == "" {
		t.Error("the hash does not tell the documents apart")
	}
	for set, spec := range map[*Set]string{first: "size", second: "weight"} {
		converter, err := set.Converter(widget)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := converter.ObjectToTyped(object(widget, map[string]any{spec: int64(1)})); err != nil {
			t.Errorf("a set changed after it was made: %v", err)
		}
	}
	if d := cmp.Diff([]schema.GroupVersion{exampleV1}, second.GroupVersions()); d != "" {
		t.Error(d)
	}
}

func TestWithRefuses(t *testing.T) {
	for name, doc := range map[string]string{
		"not JSON":      `nope`,
		"empty":         ``,
		"null type":     `{"components":{"schemas":{"a":null}}}`,
		"array of any":  `{"components":{"schemas":{"a":{"type":"array"}}}}`,
		"bad list type": `{"components":{"schemas":{"a":{"type":"array","items":{"type":"string"},"x-kubernetes-list-type":7}}}}`,
		"too large":     strings.Repeat(" ", MaxDocument+1),
		"wrong schemas": `{"components":{"schemas":[]}}`,
		"unknown type":  `{"components":{"schemas":{"a":{"type":"strange"}}}}`,
	} {
		_, err := (&Set{}).With(exampleV1, []byte(doc))
		if err == nil || strings.Contains(err.Error(), "\n") || !strings.HasPrefix(err.Error(), "schema document of example.com/v1: ") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestBuiltin(t *testing.T) {
	if BuiltinVersion() != "v1.37.2" {
		t.Errorf("version %q", BuiltinVersion())
	}
	set := Builtin()
	if n := len(set.GroupVersions()); n < 30 {
		t.Errorf("only %d groups and versions", n)
	}
	var group sync.WaitGroup
	for _, gv := range set.GroupVersions() {
		group.Go(func() {
			d := set.document(gv)
			if _, kinds, err := d.types(); err != nil || len(kinds) == 0 {
				t.Errorf("%s: %d kinds, %v", gv, len(kinds), err)
			}
		})
	}
	group.Wait()
	deployment := schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"}
	converter, err := set.Converter(deployment)
	if err != nil {
		t.Fatal(err)
	}
	_, err = converter.ObjectToTyped(object(deployment, map[string]any{"replica": int64(1)}))
	if d := cmp.Diff(".spec.replica: field not declared in schema", errorText(err)); d != "" {
		t.Error(d)
	}
	var missing *MissingError
	if _, err := set.Converter(deployment.GroupKind().WithVersion("v1beta1")); !errors.As(err, &missing) || missing.Documented {
		t.Errorf("a version that is gone: %v", err)
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// FuzzWith feeds documents of any content; a set that accepts one can use it.
func FuzzWith(f *testing.F) {
	f.Add([]byte(widgets))
	f.Add([]byte(`{"components":{"schemas":{"a":{"$ref":"#/components/schemas/a"}}}}`))
	f.Fuzz(func(t *testing.T, doc []byte) {
		set, err := (&Set{}).With(exampleV1, doc)
		if err != nil {
			return
		}
		if converter, err := set.Converter(widget); err == nil {
			_, _ = converter.ObjectToTyped(object(widget, map[string]any{"size": int64(1)}))
		}
	})
}

func BenchmarkBuiltinApps(b *testing.B) {
	for b.Loop() {
		c, err := readCatalogue(builtinBytes)
		if err != nil {
			b.Fatal(err)
		}
		schemas, err := c.closure(c.roots()[schema.GroupVersion{Group: "apps", Version: "v1"}])
		if err != nil {
			b.Fatal(err)
		}
		if _, err := convert(schemas); err != nil {
			b.Fatal(err)
		}
	}
}
