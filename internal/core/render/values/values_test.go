package values_test

import (
	"errors"
	"io/fs"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/plumbline-dev/plumbline/internal/core/render/values"
	"github.com/plumbline-dev/plumbline/internal/core/source"
)

func lookup(absent values.Absent) values.Lookup {
	tree := source.FromFS(fstest.MapFS{
		"chart/values.yaml": {}, "chart/b.yaml": {}, "chart/a.yaml": {}, "env/prod.yaml": {}, "env/test.yaml": {},
	}, source.Revision{Name: "main", ID: "1234567890123456789012345678901234567890"})
	return values.Lookup{Tree: tree, Dir: "chart", Absent: absent, Glob: func(pattern string) ([]string, error) {
		return fs.Glob(tree, pattern)
	}}
}

func TestFiles(t *testing.T) {
	tests := map[string]struct {
		reason string
		given  []string
		absent values.Absent
		want   []string
		err    string
	}{
		"order":           {"the last is the strongest", []string{"b.yaml", "a.yaml"}, "", []string{"chart/b.yaml", "chart/a.yaml"}, ""},
		"root":            {"", []string{"/env/prod.yaml", "../env/test.yaml"}, "", []string{"env/prod.yaml", "env/test.yaml"}, ""},
		"pattern":         {"", []string{"/env/*.yaml", "a.yaml"}, "", []string{"env/prod.yaml", "env/test.yaml", "chart/a.yaml"}, ""},
		"named too":       {"what is listed by name stands where it is listed", []string{"[ab].yaml", "a.yaml"}, "", []string{"chart/b.yaml", "chart/a.yaml"}, ""},
		"two patterns":    {"a file counts once", []string{"[ab].yaml", "?.yaml"}, "", []string{"chart/a.yaml", "chart/b.yaml"}, ""},
		"named twice":     {"as the tool does", []string{"a.yaml", "b.yaml", "a.yaml"}, "", []string{"chart/a.yaml", "chart/b.yaml", "chart/a.yaml"}, ""},
		"absent":          {"", []string{"c.yaml"}, "", nil, `value file: main@1234567 has no file "chart/c.yaml"`},
		"absent, ignored": {"", []string{"c.yaml", "/x/*.yaml", "a.yaml"}, values.Ignored, []string{"chart/a.yaml"}, ""},
		"no match":        {"", []string{"/x/*.yaml"}, "", nil, `value file: main@1234567 has no file that matches "x/*.yaml"`},
		"bad pattern":     {"", []string{"[.yaml"}, "", nil, `value file: pattern "chart/[.yaml": syntax error in pattern`},
		"remote":          {"", []string{"https://h/v.yaml"}, "", nil, `value file: "https://h/v.yaml" is remote, and remote files are not fetched: put the file in the repository`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := lookup(tt.absent).Files(tt.given)
			message := ""
			if err != nil {
				message = err.Error()
			}
			if diff := cmp.Diff(tt.want, got); diff != "" || message != tt.err {
				t.Errorf("%s: %q, want %q\n%s", tt.reason, message, tt.err, diff)
			}
		})
	}
	_, err := lookup("").Files([]string{"../../x"})
	if escape := (*source.EscapeError)(nil); !errors.As(err, &escape) {
		t.Errorf("outside the tree: %v", err)
	}
}

func TestAssignment(t *testing.T) {
	for value, want := range map[string]string{"": "a=", "1": "a=1", "1,2": `a=1\,2`, `1\,2`: `a=1\,2`, "{1,2}": "a={1,2}", ",": `a=\,`} {
		if got := values.Assignment("a", value); got != want {
			t.Errorf("%q: %q, want %q", value, got, want)
		}
	}
}
