package v1alpha1_test

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"sigs.k8s.io/yaml"

	argo "github.com/plumbline-dev/plumbline/api/argoproj/v1alpha1"
)

var update = flag.Bool("update", false, "rewrite the expected files in testdata")

// TestRoundTrip decodes the file "in" of each archive the way a client does and
// compares what is encoded again with the file "out", or with "in" if there is
// no "out".
func TestRoundTrip(t *testing.T) {
	scheme := runtime.NewScheme()
	if err := argo.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	decoder := serializer.NewCodecFactory(scheme, serializer.EnableStrict).UniversalDeserializer()
	archives, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(archives) == 0 {
		t.Fatalf("archives: %v, %v", archives, err)
	}
	for _, name := range archives {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			ar, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			obj, _, err := decoder.Decode(ar.Files[0].Data, nil, nil)
			if err != nil {
				t.Fatal(err)
			}
			text, err := yaml.Marshal(obj)
			if err != nil {
				t.Fatal(err)
			}
			viaConverter, err := runtime.DefaultUnstructuredConverter.ToUnstructured(obj)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(asJSON(t, text), viaConverter); diff != "" {
				t.Errorf("encoding differs from conversion (-encoded +converted):\n%s", diff)
			}
			want := &ar.Files[len(ar.Files)-1]
			diff := cmp.Diff(asJSON(t, want.Data), asJSON(t, text))
			if diff == "" {
				return
			}
			if !*update || len(ar.Files) < 2 {
				t.Fatalf("%s(-want +got):\n%s", ar.Comment, diff)
			}
			want.Data = text
			if err := os.WriteFile(name, txtar.Format(ar), 0o644); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func asJSON(t *testing.T, text []byte) map[string]any {
	t.Helper()
	text, err := yaml.YAMLToJSON(text)
	if err != nil {
		t.Fatal(err)
	}
	var out map[string]any
	if err := json.Unmarshal(text, &out); err != nil {
		t.Fatal(err)
	}
	var floats func(any) any // whole numbers, as the converter makes them
	floats = func(v any) any {
		switch v := v.(type) {
		case map[string]any:
			for k := range v {
				v[k] = floats(v[k])
			}
		case []any:
			for i := range v {
				v[i] = floats(v[i])
			}
		case float64:
			if v == float64(int64(v)) {
				return int64(v)
			}
		}
		return v
	}
	return floats(out).(map[string]any)
}

func TestListsAreRegistered(t *testing.T) {
	scheme := runtime.NewScheme()
	if err := argo.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	for _, kind := range []string{"Application", "ApplicationList", "AppProject", "AppProjectList"} {
		if !scheme.Recognizes(argo.GroupVersion.WithKind(kind)) {
			t.Errorf("the scheme does not know %s", kind)
		}
	}
}
