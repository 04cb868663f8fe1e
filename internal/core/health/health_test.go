package health_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/plumbline-dev/plumbline/internal/core/health"
)

var update = flag.Bool("update", false, "rewrite the expected verdicts in testdata")

// archive is one file of testdata: cases for one kind and their verdicts.
type archive struct {
	path  string
	txtar *txtar.Archive
}

// cases returns the objects by name, in order; every archive merges its file
// "base", if there is one, under each of them.
func (a archive) cases(t testing.TB) (names []string, objs map[string]*unstructured.Unstructured) {
	t.Helper()
	objs = map[string]*unstructured.Unstructured{}
	var base map[string]any
	for _, f := range a.txtar.Files {
		var fields map[string]any
		if err := yaml.Unmarshal(f.Data, &fields); err != nil && f.Name != "want" {
			t.Fatalf("%s: %s: %v", a.path, f.Name, err)
		}
		switch f.Name {
		case "base":
			base = fields
		case "want":
		default:
			names = append(names, f.Name)
			objs[f.Name] = &unstructured.Unstructured{Object: merged(base, fields)}
		}
	}
	return names, objs
}

func merged(under, over map[string]any) map[string]any {
	out := map[string]any{}
	for k, v := range under {
		out[k] = v
	}
	for k, v := range over {
		below, okBelow := out[k].(map[string]any)
		above, okAbove := v.(map[string]any)
		if okBelow && okAbove {
			v = merged(below, above)
		}
		out[k] = v
	}
	return out
}

func archives(t testing.TB) []archive {
	t.Helper()
	paths, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(paths) == 0 {
		t.Fatalf("archives: %v, %v", paths, err)
	}
	var out []archive
	for _, path := range paths {
		ar, err := txtar.ParseFile(path)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, archive{path, ar})
	}
	return out
}

// TestRules judges every object of testdata with Assess and Wait. Numbers reach
// the rules as floats here; TestNumberForms shows that integers do the same.
func TestRules(t *testing.T) {
	for _, a := range archives(t) {
		t.Run(strings.TrimSuffix(filepath.Base(a.path), ".txtar"), func(t *testing.T) {
			names, objs := a.cases(t)
			var got strings.Builder
			for _, name := range names {
				fmt.Fprintf(&got, "%s\n", verdict(name, objs[name]))
			}
			want := &a.txtar.Files[len(a.txtar.Files)-1]
			if want.Name != "want" {
				t.Fatalf("%s: the last file is %q instead of \"want\"", a.path, want.Name)
			}
			diff := cmp.Diff(strings.Split(string(want.Data), "\n"), strings.Split(got.String(), "\n"))
			if diff == "" {
				return
			}
			if !*update {
				t.Fatalf("%s(-want +got):\n%s", a.txtar.Comment, diff)
			}
			want.Data = []byte(got.String())
			if err := os.WriteFile(a.path, txtar.Format(a.txtar), 0o644); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// verdict prints "name: Code / Progress: message"; both messages when they differ.
func verdict(name string, obj *unstructured.Unstructured) string {
	code := "neutral"
	status, ok := health.Assess(obj)
	if ok {
		code = string(status.Code)
	}
	progress, message := health.Wait(obj)
	out := fmt.Sprintf("%-24s %-11s %-10s", name, code, progress)
	if status.Message != "" {
		out += "  " + status.Message
	}
	if message != status.Message && message != "" {
		out += "  | " + message
	}
	return strings.TrimRight(out, " ")
}

func TestNumberForms(t *testing.T) {
	for _, a := range archives(t) {
		names, objs := a.cases(t)
		for _, name := range names {
			text, err := json.Marshal(objs[name].Object)
			if err != nil {
				t.Fatal(err)
			}
			integers := new(unstructured.Unstructured)
			if err := integers.UnmarshalJSON(text); err != nil {
				continue // an object without a kind
			}
			if diff := cmp.Diff(verdict(name, objs[name]), verdict(name, integers)); diff != "" {
				t.Errorf("%s: %s: (-floats +integers):\n%s", a.path, name, diff)
			}
		}
	}
}

func TestNil(t *testing.T) {
	for reason, obj := range map[string]*unstructured.Unstructured{
		"an object that was deleted": nil,
		"an object without fields":   {},
	} {
		want := health.Status{Code: health.Missing, Message: "Not in the cluster"}
		got, ok := health.Assess(obj)
		if diff := cmp.Diff(want, got); diff != "" || !ok {
			t.Errorf("%s: Assess: %v (-want +got):\n%s", reason, ok, diff)
		}
		if progress, _ := health.Wait(obj); progress != health.InProgress {
			t.Errorf("%s: Wait: %s", reason, progress)
		}
	}
}

func TestWorse(t *testing.T) {
	order := []health.Code{health.Healthy, health.Suspended, health.Progressing, health.Missing, health.Degraded, health.Unknown}
	for i, a := range order {
		for j, b := range order {
			if got := health.Worse(a, b); got != (i > j) {
				t.Errorf("Worse(%s, %s) = %v", a, b, got)
			}
		}
	}
	if health.Worse("Fine", health.Unknown) || !health.Worse("Fine", health.Degraded) {
		t.Error("a verdict that is not known is not as bad as Unknown")
	}
}

func TestMessageIsOneBoundedLine(t *testing.T) {
	obj := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "example.com/v1", "kind": "Thing",
		"status": map[string]any{"conditions": []any{map[string]any{
			"type": "Ready", "status": "False", "message": "a\nb\xff" + strings.Repeat("é", 5000),
		}}},
	}}
	status, _ := health.Assess(obj)
	if len(status.Message) > 1100 || strings.ContainsAny(status.Message, "\n\xff") || !strings.HasSuffix(status.Message, "é…") {
		t.Errorf("message of %d bytes: %.40q…", len(status.Message), status.Message)
	}
}
