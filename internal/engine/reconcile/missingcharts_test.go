package reconcile

import (
	"testing"

	"github.com/plumbline-dev/plumbline/internal/core/render"
	"github.com/plumbline-dev/plumbline/internal/core/source"
)

// What a chart depends on is fetched for whom the chart is rendered as one, and for
// nobody else.
func TestMissingCharts(t *testing.T) {
	const web = "dependencies: [{name: db, version: 1.x, repository: https://r}]"
	const kust = "helmCharts: [{name: web, repo: https://r, releaseName: a}]"
	tree := source.FromFiles(map[string][]byte{"chart/Chart.yaml": []byte(web), "kust/kustomization.yaml": []byte(kust), "odd/kustomization.yaml": []byte("helmCharts: [{name: web}]")}, source.Revision{})
	charts := &render.KustomizeOptions{Charts: true}
	for name, test := range map[string]struct {
		req  render.Request
		want int
		err  bool
	}{
		"chart":                {render.Request{Path: "chart"}, 1, false},
		"chart by name":        {render.Request{Path: "chart", Tool: render.Helm}, 1, false},
		"as a plain directory": {render.Request{Path: "chart", Tool: render.Directory}, 0, false},
		"claimed by a plugin":  {render.Request{Path: "chart", Rules: []render.PluginRule{{Name: "p", File: "Chart.yaml"}}}, 0, false},
		"not claimed":          {render.Request{Path: "chart", Rules: []render.PluginRule{{Name: "p", File: "main.cue"}}}, 1, false},
		"Helm is off":          {render.Request{Path: "chart", Off: []render.Tool{render.Helm}}, 0, false},
		"kustomization":        {render.Request{Path: "kust", Kustomize: charts}, 1, false},
		"charts are off":       {render.Request{Path: "kust"}, 0, false},
		"cannot be read":       {render.Request{Path: "odd", Kustomize: charts}, 0, true},
		"no directory":         {render.Request{Path: "nowhere", Rules: []render.PluginRule{{Name: "p", File: "x"}}}, 0, false},
	} {
		missing, err := missingCharts(test.req, tree)
		if len(missing) != test.want || (err != nil) != test.err {
			t.Errorf("%s: %d missing, %v", name, len(missing), err)
		}
	}
}
