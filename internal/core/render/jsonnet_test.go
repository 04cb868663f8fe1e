package render

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plumbline-dev/plumbline/internal/core/source"
)

// What an evaluator returns is decoded, where the file stands among the others.
func TestJsonnet(t *testing.T) {
	object := func(name string) string {
		return `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"` + name + `"}}`
	}
	for name, test := range map[string]struct {
		makes string
		fails error
		libs  []string
		want  []string
		err   string
	}{
		"object":     {makes: object("x"), want: []string{"ConfigMap a from r/a.yaml", "ConfigMap x from r/b.jsonnet", "ConfigMap c from r/c.yaml"}},
		"list":       {makes: "[" + object("x") + "," + object("z") + "]", want: []string{"ConfigMap a from r/a.yaml", "ConfigMap x from r/b.jsonnet", "ConfigMap z from r/b.jsonnet", "ConfigMap c from r/c.yaml"}},
		"nothing":    {makes: "[null]", want: []string{"ConfigMap a from r/a.yaml", "ConfigMap c from r/c.yaml"}},
		"null":       {makes: "null", want: []string{"ConfigMap a from r/a.yaml", "ConfigMap c from r/c.yaml"}},
		"text":       {makes: `"x"`, err: "r/b.jsonnet: document 1, line 1: is plain text, not a Kubernetes object: a Jsonnet file makes"},
		"nested":     {makes: "[[" + object("x") + "]]", err: "r/b.jsonnet: document 1, line 1: is a list, not a Kubernetes object: a Jsonnet file makes"},
		"no kind":    {makes: `{"a.json": ` + object("x") + `}`, err: "r/b.jsonnet: "},
		"fails":      {fails: errors.New("r/b.jsonnet: Jsonnet: too deep"), err: "r/b.jsonnet: Jsonnet: too deep"},
		"too much":   {makes: `"` + strings.Repeat("x", DefaultCombinedLimit) + `"`, err: `path "r": manifests have more than 10485760 bytes together, reached at what r/b.jsonnet makes`},
		"lib beside": {makes: "null", libs: []string{"../lib"}, err: `directory jsonnet library "../lib": `},
	} {
		t.Run(name, func(t *testing.T) {
			f := files{"r/a.yaml": configMap("a"), "r/b.jsonnet": "program", "r/c.yaml": configMap("c")}
			evaluate := func(_ context.Context, _ source.Tree, file string, paths []string, _ JsonnetOptions) (string, error) {
				if file != "r/b.jsonnet" || !cmp.Equal(paths, []string{"r", "vendor/lib"}) {
					t.Errorf("evaluates %s with %q", file, paths)
				}
				return test.makes, test.fails
			}
			if test.libs == nil {
				test.libs = []string{"/vendor/lib/"}
			}
			req := Request{Path: "r", Directory: &DirectoryOptions{Jsonnet: JsonnetOptions{Libs: test.libs}}}
			worker := DirectoryRenderer{Evaluate: evaluate}
			got, err := DirectoryRenderer{Elsewhere: Tools{Directory: worker}}.Render(t.Context(), req, f.tree())
			if (err != nil) != (test.err != "") || err != nil && !strings.HasPrefix(err.Error(), test.err) {
				t.Fatalf("%v, want %q", err, test.err)
			}
			if d := cmp.Diff(test.want, describe(got.Manifests)); d != "" {
				t.Errorf("-want +got:\n%s", d)
			}
		})
	}
}
