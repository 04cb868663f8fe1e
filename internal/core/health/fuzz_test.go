package health

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/rogpeppe/go-internal/txtar"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// FuzzAssess sends any JSON object through every rule; a rule may never panic
// and always answers with a known verdict and a bounded line.
func FuzzAssess(f *testing.F) {
	paths, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, path := range paths {
		ar, err := txtar.ParseFile(path)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range ar.Files {
			if text, err := yaml.YAMLToJSON(file.Data); err == nil {
				f.Add(text)
			}
		}
	}
	f.Add([]byte(`{"metadata":"x","spec":[],"status":{"conditions":{"type":1}}}`))
	f.Add([]byte(`{"metadata":{"generation":"7","finalizers":[1],"deletionTimestamp":true},"status":{"observedGeneration":1e300,"phase":[],"containerStatuses":[null,{"state":{"waiting":{"reason":"Err"}}}]}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var fields map[string]any
		if json.Unmarshal(text, &fields) != nil || fields == nil {
			return
		}
		obj := &unstructured.Unstructured{Object: fields}
		check(t, obj)
		for gk, r := range rules {
			for _, v := range append([]string{"v0"}, r.versions...) {
				fields["apiVersion"], fields["kind"] = strings.TrimPrefix(gk.Group+"/"+v, "/"), gk.Kind
				check(t, obj)
			}
		}
	})
}

func check(t *testing.T, obj *unstructured.Unstructured) {
	t.Helper()
	status, ok := Assess(obj)
	if ok && !slices.Contains(order, status.Code) {
		t.Errorf("%s %s: verdict %q", obj.Object["apiVersion"], obj.Object["kind"], status.Code)
	}
	progress, message := Wait(obj)
	if !slices.Contains([]Progress{Current, InProgress, Failed}, progress) {
		t.Errorf("%s %s: progress %q", obj.Object["apiVersion"], obj.Object["kind"], progress)
	}
	for _, m := range []string{status.Message, message} {
		if len(m) > maxMessage+len("…") || !utf8.ValidString(m) || strings.ContainsAny(m, "\r\n") {
			t.Errorf("%s %s: message %q", obj.Object["apiVersion"], obj.Object["kind"], m)
		}
	}
}
