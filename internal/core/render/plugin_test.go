package render

import (
	"strings"
	"testing"
)

// Plugins claim directories before tools are detected, the first one first.
func TestDetectPlugin(t *testing.T) {
	f := files{
		"chart/Chart.yaml": "", "chart/deep/er/main.cue": "", "plain/a.yaml": "", "kust/kustomization.yaml": "", "tanka/environments/prod/main.jsonnet": "",
		"top.cue": "", "loop/self": "-> .",
	}
	rules := []PluginRule{{Name: "tanka", File: "./environments/*/main.jsonnet"}, {Name: "cue", Glob: "**/main.cue"}, {Name: "top", Glob: "*.cue"}, {Name: "none"}}
	for name, test := range map[string]struct {
		req    Request
		tool   Tool
		plugin string
		err    string
	}{
		"chart that is claimed":  {Request{Path: "chart"}, Plugin, "cue", ""},
		"deeper":                 {Request{Path: "chart/deep"}, Plugin, "cue", ""},
		"at the top":             {Request{Path: "chart/deep/er"}, Plugin, "cue", ""},
		"by a file":              {Request{Path: "tanka"}, Plugin, "tanka", ""},
		"not the parent's files": {Request{Path: "plain"}, Directory, "", ""},
		"kustomization":          {Request{Path: "kust"}, Kustomize, "", ""},
		"the root":               {Request{Path: "."}, Plugin, "cue", ""},
		"links are not followed": {Request{Path: "loop"}, Directory, "", ""},
		"a tool by name":         {Request{Path: "chart", Tool: Helm}, Helm, "", ""},
		"a plugin by name":       {Request{Path: "plain", Tool: Plugin, Plugin: &PluginOptions{Name: "x"}}, Plugin, "x", ""},
		"some plugin":            {Request{Path: "chart", Tool: Plugin, Plugin: &PluginOptions{Env: []Variable{{"a", "b"}}}}, Plugin, "cue", ""},
		"some plugin, no claim":  {Request{Path: "plain", Tool: Plugin, Plugin: &PluginOptions{}}, Plugin, "", `path "plain": no plugin claims`},
		"no directory":           {Request{Path: "nowhere"}, "", "", `no directory "nowhere"`},
	} {
		t.Run(name, func(t *testing.T) {
			test.req.Rules = rules
			got, err := test.req.Detect(f.tree())
			if (err != nil) != (test.err != "") || err != nil && !strings.Contains(err.Error(), test.err) {
				t.Fatalf("%v, want %q", err, test.err)
			}
			plugin := ""
			if got.Plugin != nil {
				plugin = got.Plugin.Name
			}
			if err == nil && (got.Tool != test.tool || plugin != test.plugin) {
				t.Errorf("%s %q", got.Tool, plugin)
			}
		})
	}
	for path, want := range map[string]Tool{"chart": Directory, "kust": Kustomize} {
		if got, err := (Request{Path: path, Off: []Tool{Helm}}).Detect(f.tree()); err != nil || got.Tool != want {
			t.Errorf("%s without Helm: %s %v", path, got.Tool, err)
		}
	}
	if _, err := (Request{Path: "plain", Rules: []PluginRule{{Name: "x", File: "[a"}}}).Detect(f.tree()); err == nil || !strings.Contains(err.Error(), `plugin "x": "[a" is no pattern`) {
		t.Errorf("%v", err)
	}
	if _, err := (Tools{}).Render(t.Context(), Request{Path: "plain", Tool: Plugin, Plugin: &PluginOptions{Name: "x"}}, f.tree()); err == nil || !strings.Contains(err.Error(), `there is no plugin "x"`) {
		t.Errorf("%v", err)
	}
}
