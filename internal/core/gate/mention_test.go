package gate_test

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/plumbline-dev/plumbline/internal/core/gate"
	"github.com/plumbline-dev/plumbline/internal/core/object"
	"github.com/plumbline-dev/plumbline/internal/core/source"
)

func TestMentions(t *testing.T) {
	ours := object.Key{Kind: "ConfigMap", Namespace: "shop", Name: "settings"}
	for name, test := range map[string]struct {
		file, text, namespace string
		want                  bool
	}{
		"beside what is broken":  {"app/b.yaml", "kind: ConfigMap\nmetadata:\n  name: settings\n---\nkind: [\n", "shop", true},
		"after what is broken":   {"app/b.yaml", "kind: [\n---\nkind: ConfigMap\nmetadata:\n  name: settings\n", "shop", true},
		"within what is broken":  {"app/b.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: settings\n data: {\n", "shop", true},
		"quoted, with a comment": {"app/b.yml", "kind: 'ConfigMap'\nmetadata:\n  name: \"settings\" # of the shop\n", "shop", true},
		"JSON in one line":       {"app/b.json", `{"kind":"ConfigMap","metadata":{"name":"settings"},}`, "shop", true},
		"a list":                 {"app/b.yaml", "kind: List\nitems:\n- kind: ConfigMap\n  metadata: {name: settings}\n", "shop", true},
		"below":                  {"app/deep/er/b.yaml", "kind: ConfigMap\nmetadata:\n  name: settings\n", "shop", true},
		"its own namespace":      {"app/b.yaml", "kind: ConfigMap\nmetadata:\n  name: settings\n  namespace: shop\n", "other", true},
		"no namespace at all":    {"app/b.yaml", "kind: ConfigMap\nmetadata:\n  name: settings\n", "", true},
		"another namespace":      {"app/b.yaml", "kind: ConfigMap\nmetadata:\n  name: settings\n", "other", false},
		"another kind":           {"app/b.yaml", "kind: Secret\nmetadata:\n  name: settings\n", "shop", false},
		"another document":       {"app/b.yaml", "kind: Secret\nmetadata:\n  name: settings\n---\nkind: ConfigMap\nmetadata:\n  name: x\n", "shop", false},
		"the start of a name":    {"app/b.yaml", "kind: ConfigMap\nmetadata:\n  name: settings-2\n", "shop", false},
		"a label":                {"app/b.yaml", "kind: ConfigMap\nmetadata:\n  labels:\n    app.kubernetes.io/name: settings\n", "shop", false},
		"another directory":      {"application/b.yaml", "kind: ConfigMap\nmetadata:\n  name: settings\n", "shop", false},
		"no manifest":            {"app/README.md", "kind: ConfigMap\nmetadata:\n  name: settings\n", "shop", false},
		"bytes that are no text": {"app/b.yaml", "\xff\xfe\nkind: ConfigMap\n\x00\xffname: x\nmetadata:\n  name: settings\n", "shop", true},
		"nothing":                {"app/b.yaml", "", "shop", false},
	} {
		t.Run(name, func(t *testing.T) {
			tree := source.FromFS(fstest.MapFS{test.file: {Data: []byte(test.text)}}, source.Revision{})
			file, got := gate.MentionsOf(tree, "./app/", test.namespace).Of(ours)
			if got != test.want || got && file != test.file {
				t.Errorf("got %q %v, want %v", file, got, test.want)
			}
		})
	}
	huge := fstest.MapFS{
		"app/a.yaml": {Data: []byte(strings.Repeat("# no end\n", 1<<20))},
		"app/b.yaml": {Data: []byte("kind: ConfigMap\nmetadata:\n  name: settings\n")},
	}
	if _, got := gate.MentionsOf(source.FromFS(huge, source.Revision{}), "app", "shop").Of(ours); got {
		t.Error("what is huge was read to its end")
	}
	if _, got := (gate.Mentions{}).Of(ours); got {
		t.Error("nothing mentions something")
	}
	if _, got := gate.MentionsOf(source.FromFS(fstest.MapFS{}, source.Revision{}), "gone", "shop").Of(ours); got {
		t.Error("a directory that is not there mentions something")
	}
}

func FuzzMentions(f *testing.F) {
	f.Add([]byte("kind: ConfigMap\nmetadata:\n  name: settings\n---\n"))
	f.Add([]byte("---\n---"))
	f.Fuzz(func(t *testing.T, data []byte) {
		text := append(data, "\n---\nkind: ConfigMap\nmetadata:\n  name: settings\n"...)
		tree := source.FromFS(fstest.MapFS{"b.yaml": {Data: text}}, source.Revision{})
		_, got := gate.MentionsOf(tree, ".", "shop").Of(object.Key{Kind: "ConfigMap", Namespace: "shop", Name: "settings"})
		if !got {
			t.Errorf("what comes before hides an object: %q", data)
		}
	})
}
