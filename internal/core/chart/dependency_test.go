package chart_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plumbline-dev/plumbline/internal/core/chart"
	"github.com/plumbline-dev/plumbline/internal/core/source"
)

func TestDependencies(t *testing.T) {
	const db = "dependencies: [{name: db, version: 1.x, repository: https://r}]\n"
	many := strings.Builder{}
	many.WriteString("dependencies:\n")
	for i := range 101 {
		fmt.Fprintf(&many, "- {name: d%d, version: 1.0.0, repository: https://r}\n", i)
	}
	for name, test := range map[string]struct {
		files     map[string]string
		want, err string
	}{
		"no chart":           {map[string]string{"a/x.yaml": "x"}, "", ""},
		"none":               {map[string]string{"a/Chart.yaml": "name: a"}, "", ""},
		"one":                {map[string]string{"a/Chart.yaml": db}, "db 1.x", ""},
		"of another chart":   {map[string]string{"a/Chart.yaml": "name: a", "b/Chart.yaml": db}, "", ""},
		"locked":             {map[string]string{"a/Chart.yaml": db, "a/Chart.lock": "dependencies: [{name: db, version: 1.2.3}]"}, "db 1.2.3", ""},
		"locked before":      {map[string]string{"a/Chart.yaml": db, "a/Chart.lock": "dependencies: [{name: db, version: 0.9.0}]"}, "db 1.x", ""},
		"old style":          {map[string]string{"a/Chart.yaml": "name: a", "a/requirements.yaml": db, "a/requirements.lock": "dependencies: [{name: db, version: 1.0.0}]"}, "db 1.0.0", ""},
		"vendored archive":   {map[string]string{"a/Chart.yaml": db, "a/charts/db-1.2.3.tgz": "x"}, "", ""},
		"vendored directory": {map[string]string{"a/Chart.yaml": db, "a/charts/db/Chart.yaml": "x"}, "", ""},
		"another vendored":   {map[string]string{"a/Chart.yaml": db, "a/charts/db-admin-1.2.3.tgz": "x"}, "db 1.x", ""},
		"by path":            {map[string]string{"a/Chart.yaml": "dependencies: [{name: b, version: 1.0.0, repository: file://../b}]", "b/Chart.yaml": db}, "db 1.x", ""},
		"in a circle":        {map[string]string{"a/Chart.yaml": "dependencies: [{name: a, version: 1.0.0, repository: file://../a}]"}, "", "nested more than 16 deep"},
		"out":                {map[string]string{"a/Chart.yaml": "dependencies: [{name: b, version: 1.0.0, repository: file://../../b}]"}, "", ""}, // rendering says so
		"without repository": {map[string]string{"a/Chart.yaml": "dependencies: [{name: b, version: 1.0.0}]"}, "", ""},
		"broken":             {map[string]string{"a/Chart.yaml": "dependencies: {"}, "", "a/Chart.yaml: "},
		"broken lock":        {map[string]string{"a/Chart.yaml": db, "a/Chart.lock": "{"}, "", "a/Chart.lock: "},
		"many":               {map[string]string{"a/Chart.yaml": many.String()}, "", "lists 101 dependencies, more than 100"},
	} {
		t.Run(name, func(t *testing.T) {
			files := map[string][]byte{}
			for name, text := range test.files {
				files[name] = []byte(text)
			}
			found, err := chart.Dependencies(source.FromFiles(files, source.Revision{}), "a")
			if (err == nil) != (test.err == "") || err != nil && !strings.Contains(err.Error(), test.err) {
				t.Fatalf("%v, want %q", err, test.err)
			}
			var texts []string
			for _, m := range found {
				texts = append(texts, m.Fetch.Name+" "+m.Fetch.Version)
			}
			if d := cmp.Diff(test.want, strings.Join(texts, ", ")); d != "" {
				t.Errorf("-want +got:\n%s", d)
			}
		})
	}
	one, other := chart.Dependency{Name: "db", Version: "1", Repository: "https://r"}, chart.Dependency{Name: "db", Version: "1", Repository: "https://s"}
	if one.Mount() == other.Mount() || one.Mount() != one.Mount() {
		t.Error("each dependency has a place of its own")
	}
	for version, want := range map[string]bool{"1.2.3": true, "v1.2.3": true, "1.2": false, "1.x": false, "^1.2.3": false, "": false, "1.2.3-rc.1": true} {
		if got := (chart.Dependency{Version: version}).Exact(); got != want {
			t.Errorf("%q exact: %t", version, got)
		}
	}
}
