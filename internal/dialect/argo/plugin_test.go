package argo_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plumbline-dev/plumbline/api/argoproj/v1alpha1"
	"github.com/plumbline-dev/plumbline/internal/core/plugin"
	"github.com/plumbline-dev/plumbline/internal/core/render"
	"github.com/plumbline-dev/plumbline/internal/dialect/argo"
)

func TestDecodePlugin(t *testing.T) {
	got, err := argo.DecodePlugin([]byte(`
apiVersion: argoproj.io/v1alpha1
kind: ConfigManagementPlugin
metadata:
  name: cue
  annotations: {plumbline.dev/pass-env: "VAULT_ADDR, VAULT_TOKEN"}
spec:
  version: v1.0
  init: {command: [cue], args: [mod, tidy]}
  generate: {command: [sh, -c], args: [cue export]}
  discover:
    fileName: "./cue.mod/module.cue"
    find: {glob: "**/main.cue"}
  parameters:
    static: [{name: colour, string: red}]
    dynamic: {command: [announce]}
  preserveFileMode: true
`))
	want := plugin.Definition{
		Name: "cue-v1.0", Init: plugin.Command{"cue", "mod", "tidy"}, Generate: plugin.Command{"sh", "-c", "cue export"},
		Rule:  render.PluginRule{Name: "cue-v1.0", File: "./cue.mod/module.cue", Glob: "**/main.cue"},
		Modes: true, Pass: []string{"VAULT_ADDR", "VAULT_TOKEN"},
	}
	if d := cmp.Diff(want, got); d != "" || err != nil {
		t.Errorf("%v -want +got:\n%s", err, d)
	}
	for text, want := range map[string]string{
		"kind: ConfigMap": `kind is "ConfigMap"`,
		"a: b: c":         "mapping values",
		"kind: ConfigManagementPlugin\nmetadata: {name: x}":                                                                     "generate has no command",
		"kind: ConfigManagementPlugin\nmetadata: {name: x}\nspec: {generate: {command: [a]}, discover: {find: {command: [b]}}}": "discover.find.command is not supported",
		"kind: ConfigManagementPlugin\nmetadata: {name: x}\nspec: {generate: {command: [a]}, provideGitCreds: true}":            "provideGitCreds is not supported",
	} {
		if _, err := argo.DecodePlugin([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

// A plugin is told of the application in variables.
func TestPluginOptions(t *testing.T) {
	a := application()
	text, empty := "red", ""
	a.Spec.Source.Plugin = &v1alpha1.PluginSource{
		Name: "cue", Env: []v1alpha1.EnvEntry{{Name: "WHO", Value: "$ARGOCD_APP_NAME of $ARGOCD_APP_PROJECT_NAME"}},
		Parameters: []v1alpha1.PluginParameter{
			{Name: "main-colour", String: &text}, {Name: "values", Array: []string{"a", "b"}}, {Name: "tags", Map: map[string]string{"x.y": "1", "a": "2"}}, {Name: "none", String: &empty},
		},
	}
	req := settings.Decode(a).Sources[0].Render
	if req.Tool != render.Plugin || req.Plugin.Name != "cue" {
		t.Fatalf("%+v", req)
	}
	got := map[string]string{}
	for _, v := range req.Plugin.Env {
		got[v.Name] = v.Value
	}
	for name, want := range map[string]string{
		"ARGOCD_APP_NAME": a.Name, "ARGOCD_APP_SOURCE_PATH": a.Spec.Source.Path, "ARGOCD_APP_SOURCE_REPO_URL": a.Spec.Source.RepoURL,
		"ARGOCD_ENV_WHO": a.Name + " of default", "PARAM_MAIN_COLOUR": "red", "PARAM_VALUES_0": "a", "PARAM_VALUES_1": "b",
		"PARAM_TAGS_X_Y": "1", "PARAM_TAGS_A": "2", "PARAM_NONE": "",
		"ARGOCD_APP_PARAMETERS": `[{"name":"main-colour","string":"red"},{"name":"values","array":["a","b"]},{"name":"tags","map":{"a":"2","x.y":"1"}},{"name":"none","string":""}]`,
	} {
		if value, has := got[name]; value != want || !has {
			t.Errorf("%s=%q, want %q", name, value, want)
		}
	}
	a.Spec.Source.Plugin = &v1alpha1.PluginSource{}
	if req := settings.Decode(a).Sources[0].Render; req.Tool != render.Plugin || req.Plugin.Name != "" {
		t.Errorf("%+v", req)
	}
}

// Where plugins claim directories, an application that names no tool is told of too.
func TestPluginRules(t *testing.T) {
	s := settings
	s.Plugins = []render.PluginRule{{Name: "cue", File: "main.cue"}}
	req := s.Decode(application()).Sources[0].Render
	if req.Tool != "" || len(req.Rules) != 1 || req.Plugin == nil || len(req.Plugin.Env) == 0 {
		t.Errorf("%+v", req)
	}
}
