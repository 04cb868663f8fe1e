package kustomize

import (
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/plumbline-dev/plumbline/internal/core/chart"
	"github.com/plumbline-dev/plumbline/internal/core/render"
	"github.com/plumbline-dev/plumbline/internal/core/source"
	"github.com/plumbline-dev/plumbline/internal/driver/helm"
)

const webChart = `
-- Chart.yaml --
apiVersion: v2
name: web
version: 1.0.0
-- values.yaml --
text: chart
more: {a: chart, b: chart}
-- crds/boats.yaml --
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: boats.example.org}
-- templates/all.yaml --
apiVersion: v1
kind: ConfigMap
metadata: {name: {{ .Release.Name }}}
data:
  text: "{{ .Values.text }} {{ .Values.more.a }} {{ .Values.more.b }} in {{ .Release.Namespace }} on {{ .Capabilities.KubeVersion.Version }}"
---
apiVersion: batch/v1
kind: Job
metadata: {name: {{ .Release.Name }}-migrate, annotations: {helm.sh/hook: pre-install}}
`

// charts puts the chart below a directory.
func charts(dir string) []txtar.File {
	var out []txtar.File
	for _, f := range txtar.Parse([]byte(webChart)).Files {
		out = append(out, txtar.File{Name: dir + "/" + f.Name, Data: f.Data})
	}
	return out
}

func TestCharts(t *testing.T) {
	remote := chart.Dependency{Name: "web", Version: "1.0.0", Repository: "https://charts.example.org"}
	for name, test := range map[string]struct {
		kustomization string
		want          string // objects as kind name=text
		err           string
	}{
		"local":       {"helmCharts: [{name: web, releaseName: shop, skipHooks: true}]", "ConfigMap shop=chart chart chart in default on v1.36.1", ""},
		"with all":    {"helmCharts: [{name: web, releaseName: shop, includeCRDs: true, namespace: sea, kubeVersion: v1.30.0}]", "ConfigMap shop=chart chart chart in sea on v1.30.0, CustomResourceDefinition boats.example.org, Job shop-migrate", ""},
		"transformed": {"namePrefix: pre-\nhelmCharts: [{name: web, releaseName: shop, skipHooks: true}]\nresources: [other.yaml]", "ConfigMap pre-other, ConfigMap pre-shop=chart chart chart in default on v1.36.1", ""},
		"home":        {"helmGlobals: {chartHome: ../home}\nhelmCharts: [{name: web, releaseName: shop, skipHooks: true}]", "ConfigMap shop=chart chart chart in default on v1.36.1", ""},
		"fetched":     {"helmCharts: [{name: web, version: 1.0.0, repo: 'https://charts.example.org', releaseName: shop, skipHooks: true}]", "ConfigMap shop=chart chart chart in default on v1.36.1", ""},
		"by a base":   {"resources: [../base]", "ConfigMap of-base=chart chart chart in default on v1.36.1", ""},
		"inline":      {"helmCharts: [{name: web, releaseName: shop, skipHooks: true, valuesFile: v.yaml, valuesInline: {text: inline}}]", "ConfigMap shop=inline file chart in default on v1.36.1", ""},
		"merge":       {"helmCharts: [{name: web, releaseName: shop, skipHooks: true, valuesMerge: merge, valuesFile: v.yaml, valuesInline: {text: inline, more: {b: inline}}}]", "ConfigMap shop=file file inline in default on v1.36.1", ""},
		"merge own":   {"helmCharts: [{name: web, releaseName: shop, skipHooks: true, valuesMerge: merge, valuesInline: {text: inline}}]", "ConfigMap shop=chart chart chart in default on v1.36.1", ""},
		"replace":     {"helmCharts: [{name: web, releaseName: shop, skipHooks: true, valuesMerge: replace, valuesFile: v.yaml, valuesInline: {more: {a: inline}}}]", "ConfigMap shop=chart inline chart in default on v1.36.1", ""},
		"additional":  {"helmCharts: [{name: web, releaseName: shop, skipHooks: true, additionalValuesFiles: [v.yaml], valuesInline: {text: inline, more: {b: inline}}}]", "ConfigMap shop=file file inline in default on v1.36.1", ""},
		"missing":     {"helmCharts: [{name: api, releaseName: shop}]", "", `app/kustomization.yaml: helmCharts[0]: chart "api": there is none in "app/charts/api", and no repo`},
		"no name":     {"helmCharts: [{name: web}]", "", "helmCharts[0]: releaseName is required"},
		"climbs":      {"helmCharts: [{name: ../web, releaseName: x}]", "", "is no name of a chart"},
		"reads out":   {"helmCharts: [{name: web, releaseName: x, valuesFile: ../../etc/passwd}]", "", "helmCharts[0]: value file ../../etc/passwd: "},
		"odd merge":   {"helmCharts: [{name: web, releaseName: x, valuesMerge: mix}]", "", `valuesMerge "mix" is none of`},
		"old field":   {"helmChartInflationGenerator: [{chartName: web}]", "", "helmCharts: charts inside a kustomization"},
		"fails":       {"helmCharts: [{name: broken, releaseName: x}]", "", `app/kustomization.yaml: helmCharts[0]: chart "broken": `},
	} {
		t.Run(name, func(t *testing.T) {
			files := append(charts("app/charts/web"), charts("home/web")...)
			files = append(files, charts("base/charts/web")...)
			for name, text := range map[string]string{
				"app/kustomization.yaml": test.kustomization, "app/v.yaml": "text: file\nmore: {a: file}\n", "app/other.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: other}\n",
				"base/kustomization.yaml":            "helmCharts: [{name: web, releaseName: of-base, skipHooks: true}]",
				"app/charts/broken/Chart.yaml":       "apiVersion: v2\nname: broken\nversion: 1.0.0\n",
				"app/charts/broken/templates/a.yaml": "{{ fail \"no\" }}",
			} {
				files = append(files, txtar.File{Name: name, Data: []byte(text)})
			}
			tree := source.Mounted(treeOf(files), map[string]source.Tree{remote.Mount(): treeOf(txtar.Parse([]byte(webChart)).Files)})
			req := render.Request{Path: "app", KubeVersion: "v1.36.1", APIVersions: []string{"v1"}, Kustomize: &render.KustomizeOptions{Charts: true}}
			res, err := Renderer{Charts: helm.Renderer{}}.Render(t.Context(), req, tree)
			if (err != nil) != (test.err != "") || err != nil && !strings.Contains(err.Error(), test.err) {
				t.Fatalf("%v, want %q", err, test.err)
			}
			var got []string
			for _, m := range res.Manifests {
				text := m.Object.GetKind() + " " + m.Object.GetName()
				if data, ok := m.Object.Object["data"].(map[string]any); ok {
					text += "=" + data["text"].(string)
				}
				got = append(got, text)
				if !strings.HasPrefix(m.Origin.File, "app/") && !strings.HasPrefix(m.Origin.File, "base/") || strings.Contains(m.Origin.File, "helmCharts") {
					t.Errorf("%s comes from %s", text, m.Origin.File)
				}
			}
			if text := strings.Join(slices.Sorted(slices.Values(got)), ", "); err == nil && text != test.want {
				t.Errorf("%s, want %s", text, test.want)
			}
		})
	}
}
