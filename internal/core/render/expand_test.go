package render_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plumbline-dev/plumbline/internal/core/render"
)

func TestExpand(t *testing.T) {
	values := map[string]string{"NAME": "api", "MONEY": "$NAME", "_x1": "under"}
	for text, want := range map[string]string{
		"":                 "",
		"plain":            "plain",
		"$NAME":            "api",
		"a-$NAME-b":        "a-api-b",
		"${NAME}b":         "apib",
		"$NAMEb":           "", // another name, which has no value
		"$_x1.":            "under.",
		"$$NAME":           "$NAME",
		"$$$NAME":          "$api",
		"$5 and $":         "$5 and $",
		"${NAME:-x}":       "${NAME:-x}",
		"${NAME":           "${NAME",
		"${}":              "${}",
		"$MONEY":           "$NAME", // not expanded again
		"$GONE|${GONE}":    "|",
		"$NAME$NAME/$\xff": "apiapi/$\xff",
	} {
		if got := render.Expand(text, func(name string) string { return values[name] }); got != want {
			t.Errorf("Expand(%q) = %q, want %q", text, got, want)
		}
	}
}

func TestParseImage(t *testing.T) {
	for text, want := range map[string]render.KustomizeImage{
		"nginx":                    {Name: "nginx"},
		"nginx:1.2":                {Name: "nginx", NewTag: "1.2"},
		"nginx@sha256:ab":          {Name: "nginx", Digest: "sha256:ab"},
		"nginx=reg:5000/web":       {Name: "nginx", NewName: "reg:5000/web"},
		"nginx=reg:5000/web:1":     {Name: "nginx", NewName: "reg:5000/web", NewTag: "1"},
		"reg:5000/nginx":           {Name: "reg:5000/nginx"},
		"nginx=reg/web@sha256:abc": {Name: "nginx", NewName: "reg/web", Digest: "sha256:abc"},
	} {
		if d := cmp.Diff(want, render.ParseImage(text)); d != "" {
			t.Errorf("ParseImage(%q): -want +got:\n%s", text, d)
		}
	}
}
