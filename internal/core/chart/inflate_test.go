package chart_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/plumbline-dev/plumbline/internal/core/chart"
	"github.com/plumbline-dev/plumbline/internal/core/source"
)

// What a kustomization needs is found in all that it is made of, each chart once.
func TestInflated(t *testing.T) {
	const web = "helmCharts: [{name: web, version: 1.0.0, repo: 'https://r', releaseName: a}]\n"
	many := map[string]string{}
	var list strings.Builder
	for i := range 1001 {
		many[fmt.Sprintf("a/%d/kustomization.yaml", i)] = "{}"
		fmt.Fprintf(&list, "- %d\n", i)
	}
	many["a/kustomization.yaml"] = "resources:\n" + strings.ReplaceAll(list.String(), "- ", "- ./")
	for name, test := range map[string]struct {
		files     map[string]string
		want, err string
	}{
		"none":        {map[string]string{"a/kustomization.yaml": "resources: [x.yaml]", "a/x.yaml": "kind: X"}, "", ""},
		"nothing":     {map[string]string{"a/x.yaml": "kind: X"}, "", ""},
		"one":         {map[string]string{"a/kustomization.yaml": web}, "web 1.0.0 of https://r", ""},
		"newest":      {map[string]string{"a/kustomization.yml": "helmCharts: [{name: web, repo: 'https://r', releaseName: a}]"}, "web * of https://r", ""},
		"twice":       {map[string]string{"a/kustomization.yaml": web + "resources: [../b]\n", "b/Kustomization": web}, "web 1.0.0 of https://r", ""},
		"component":   {map[string]string{"a/kustomization.yaml": "components: [../b]", "b/kustomization.yaml": web}, "web 1.0.0 of https://r", ""},
		"circle":      {map[string]string{"a/kustomization.yaml": "resources: [../b]", "b/kustomization.yaml": "resources: [../a]"}, "", ""},
		"out":         {map[string]string{"a/kustomization.yaml": "resources: [../../b, /etc, 'https://x/y']"}, "", ""},
		"vendored":    {map[string]string{"a/kustomization.yaml": web, "a/charts/web-1.0.0/web/Chart.yaml": "name: web"}, "", ""},
		"of vendored": {map[string]string{"a/kustomization.yaml": web, "a/charts/web-1.0.0/web/Chart.yaml": "dependencies: [{name: db, version: 2.x, repository: https://s}]"}, "db 2.x of https://s", ""},
		"not there":   {map[string]string{"a/kustomization.yaml": "helmCharts: [{name: web, releaseName: a}]"}, "", `a/kustomization.yaml: chart "web": there is none in "a/charts/web"`},
		"broken":      {map[string]string{"a/kustomization.yaml": "resources: {"}, "", ""}, // the build says so
		"many":        {many, "", "made of more than 1000"},
	} {
		t.Run(name, func(t *testing.T) {
			files := map[string][]byte{}
			for name, text := range test.files {
				files[name] = []byte(text)
			}
			found, err := chart.Inflated(source.FromFiles(files, source.Revision{}), "a", []string{"kustomization.yaml", "kustomization.yml", "Kustomization"})
			if (err == nil) != (test.err == "") || err != nil && !strings.Contains(err.Error(), test.err) {
				t.Fatalf("%v, want %q", err, test.err)
			}
			var texts []string
			for _, m := range found {
				texts = append(texts, m.Fetch.Name+" "+m.Fetch.Version+" of "+m.Fetch.Repository)
			}
			if got := strings.Join(texts, ", "); got != test.want {
				t.Errorf("%s, want %s", got, test.want)
			}
		})
	}
}
