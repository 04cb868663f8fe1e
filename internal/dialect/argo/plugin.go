package argo

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/plumbline-dev/plumbline/api/argoproj/v1alpha1"
	"github.com/plumbline-dev/plumbline/internal/core/plugin"
	"github.com/plumbline-dev/plumbline/internal/core/render"
)

// passAnnotation of a plugin names variables of plumbd's environment, with commas
// between, that its commands get.
const passAnnotation = "plumbline.dev/pass-env"

// pluginFile is a plugin.yaml. What is for a user interface alone is read over.
type pluginFile struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Metadata   struct {
		Name        string            `json:"name"`
		Annotations map[string]string `json:"annotations"`
	} `json:"metadata"`
	Spec struct {
		Version  string        `json:"version"`
		Init     pluginCommand `json:"init"`
		Generate pluginCommand `json:"generate"`
		Discover struct {
			FileName string `json:"fileName"`
			Find     struct {
				pluginCommand `json:",inline"`

				Glob string `json:"glob"`
			} `json:"find"`
		} `json:"discover"`
		PreserveFileMode bool `json:"preserveFileMode"`
		ProvideGitCreds  bool `json:"provideGitCreds"`
	} `json:"spec"`
}

type pluginCommand struct {
	Command []string `json:"command"`
	Args    []string `json:"args"`
}

func (c pluginCommand) words() plugin.Command { return slices.Concat(c.Command, c.Args) }

// DecodePlugin reads a plugin.yaml, the definition of a config management plugin.
func DecodePlugin(data []byte) (plugin.Definition, error) {
	var f pluginFile
	if err := yaml.Unmarshal(data, &f); err != nil {
		return plugin.Definition{}, err
	}
	if f.Kind != "ConfigManagementPlugin" {
		return plugin.Definition{}, fmt.Errorf("kind is %q, want ConfigManagementPlugin", f.Kind)
	}
	d := plugin.Definition{
		Name: f.Metadata.Name, Init: f.Spec.Init.words(), Generate: f.Spec.Generate.words(),
		Modes: f.Spec.PreserveFileMode,
		Rule:  render.PluginRule{File: f.Spec.Discover.FileName, Glob: f.Spec.Discover.Find.Glob},
	}
	if f.Spec.Version != "" {
		d.Name += "-" + f.Spec.Version
	}
	d.Rule.Name = d.Name
	for name := range strings.SplitSeq(f.Metadata.Annotations[passAnnotation], ",") {
		if name = strings.TrimSpace(name); name != "" {
			d.Pass = append(d.Pass, name)
		}
	}
	switch {
	case len(f.Spec.Discover.Find.Command) > 0:
		return d, fmt.Errorf("plugin %q: discover.find.command is not supported: use discover.fileName or discover.find.glob, or name the plugin in its applications", d.Name)
	case f.Spec.ProvideGitCreds:
		return d, fmt.Errorf("plugin %q: provideGitCreds is not supported: plugins are shown no credentials", d.Name)
	}
	return d, d.Check()
}

// pluginOptions are what a plugin is told of an application.
func (s sourceSpec) pluginOptions(p v1alpha1.PluginSource, env *buildEnv) (*render.PluginOptions, error) {
	out := &render.PluginOptions{Name: p.Name}
	set := func(name, value string) { out.Env = append(out.Env, render.Variable{Name: name, Value: value}) }
	for _, name := range buildVariables {
		set(name, env.value(name))
	}
	for _, v := range p.Env {
		set("ARGOCD_ENV_"+v.Name, env.expand(v.Value))
	}
	if len(p.Parameters) == 0 {
		set("ARGOCD_APP_PARAMETERS", "[]")
		return out, nil
	}
	text, err := json.Marshal(p.Parameters)
	if err != nil {
		return nil, fmt.Errorf("%s.plugin.parameters: %w", s.at, err)
	}
	set("ARGOCD_APP_PARAMETERS", string(text))
	for _, param := range p.Parameters {
		name := "PARAM_" + variableName(param.Name)
		if param.String != nil {
			set(name, *param.String)
		}
		for i, value := range param.Array {
			set(name+"_"+strconv.Itoa(i), value)
		}
		for _, key := range slices.Sorted(maps.Keys(param.Map)) {
			set(name+"_"+variableName(key), param.Map[key])
		}
	}
	return out, nil
}

// variableName is how parameters are called in an environment.
func variableName(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z':
			return r - 'a' + 'A'
		case 'A' <= r && r <= 'Z', '0' <= r && r <= '9':
			return r
		}
		return '_'
	}, text)
}
