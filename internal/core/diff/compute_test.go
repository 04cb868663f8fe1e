package diff

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"

	core "github.com/plumbline-dev/plumbline/internal/core/schema"
)

var update = flag.Bool("update", false, "rewrite the expectations in testdata")

// TestRules runs testdata/*.txtar. An archive holds desired.yaml, live.yaml
// unless the object does not exist, options.yaml with manager, takeover and
// ignore, schema.json with an OpenAPI document for the desired version, and in
// want what Compute says.
func TestRules(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no rules: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := say(Compute(readCase(t, archive)))
			compareWant(t, file, archive, got)
		})
	}
}

func compareWant(t *testing.T, file string, archive *txtar.Archive, got string) {
	t.Helper()
	for i, f := range archive.Files {
		if f.Name != "want" {
			continue
		}
		if *update {
			archive.Files[i].Data = []byte(got)
			if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
				t.Fatal(err)
			}
			return
		}
		if d := cmp.Diff(string(f.Data), got); d != "" {
			t.Errorf("%s-want +got:\n%s", archive.Comment, d)
		}
		return
	}
	t.Error("the archive has no want")
}

// say writes a change and all its fields, or the error.
func say(c Change, err error) string {
	var undecided *UndecidedError
	switch {
	case errors.As(err, &undecided):
		return "undecided: " + err.Error() + "\n"
	case err != nil:
		return "error: " + err.Error() + "\n"
	}
	var b strings.Builder
	b.WriteString(Change{Key: c.Key, Kind: c.Kind, Reason: c.Reason}.String() + "\n")
	for _, f := range c.Fields {
		b.WriteString("  " + f.String())
		if f.Owner != "" {
			b.WriteString("  (" + f.Owner + ")")
		}
		b.WriteString("\n")
	}
	return b.String()
}

type caseOptions struct {
	Manager  string   `json:"manager"`
	Takeover []string `json:"takeover"`
	Ignore   []string `json:"ignore"`

	IgnoreManagers []string `json:"ignoreManagers"`
	IgnoreQueries  []string `json:"ignoreQueries"`
	PlainStatus    bool     `json:"plainStatus"`
}

func readCase(t testing.TB, archive *txtar.Archive) Input {
	t.Helper()
	in := Input{Manager: "plumbline", Schemas: core.Builtin()}
	var doc []byte
	for _, f := range archive.Files {
		switch f.Name {
		case "desired.yaml":
			in.Desired = decode(t, f.Data)
		case "live.yaml":
			in.Live = decode(t, f.Data)
		case "schema.json":
			doc = f.Data
		case "options.yaml":
			var o caseOptions
			if err := yaml.UnmarshalStrict(f.Data, &o); err != nil {
				t.Fatal(err)
			}
			if o.Manager != "" {
				in.Manager = o.Manager
			}
			in.IgnoreQueries = o.IgnoreQueries
			in.Takeover, in.IgnoreFields, in.IgnoreManagers, in.PlainStatus = o.Takeover, o.Ignore, o.IgnoreManagers, o.PlainStatus
		}
	}
	if doc != nil {
		in.Schemas = withDocument(t, in.Schemas, in.Desired.GroupVersionKind().GroupVersion(), doc)
	}
	return in
}

func withDocument(t testing.TB, set *core.Set, gv schema.GroupVersion, doc []byte) *core.Set {
	t.Helper()
	set, err := set.With(gv, doc)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func decode(t testing.TB, raw []byte) *unstructured.Unstructured {
	t.Helper()
	text, err := yaml.YAMLToJSON(raw)
	if err != nil {
		t.Fatal(err)
	}
	obj := &unstructured.Unstructured{}
	if err := obj.UnmarshalJSON(text); err != nil {
		t.Fatal(err)
	}
	return obj
}
