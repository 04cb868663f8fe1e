package kustomize

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"strings"

	"sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/yaml"

	"github.com/plumbline-dev/plumbline/internal/core/source"
)

// RemoteError reports a reference to something outside the repository.
type RemoteError struct {
	File      string // that holds the reference
	Field     string // "resources[2]"
	Reference string
}

func (e *RemoteError) Error() string {
	return fmt.Sprintf("%s: %s: %q is remote, and remote references are not fetched: put the files in the repository and name their path", e.File, e.Field, e.Reference)
}

// isRemote recognises whatever the library would fetch over HTTP or clone.
var isRemote = regexp.MustCompile(`(?i)^(git::|[a-z][a-z0-9+.-]*://|https?:|[a-z0-9._-]+@[^/]*[:/]|(www\.)?github\.com[:/])`).MatchString

// reference is one place where a kustomization names a file or a directory.
type reference struct {
	field  string
	value  string
	config bool // names the configuration of a generator or transformer
	inline bool // may be a YAML document instead of a path
}

// scan checks a kustomization before the library acts on it.
func (f *fileSystem) scan(file string, data []byte) error {
	var k types.Kustomization
	if err := k.Unmarshal(data); err != nil {
		return fmt.Errorf("%s: %s", file, strings.Join(strings.Fields(err.Error()), " "))
	}
	if len(k.HelmCharts) > 0 || len(k.HelmChartInflationGenerator) > 0 || k.HelmGlobals != nil { // what may be was taken out
		return fmt.Errorf("%s: helmCharts: charts inside a kustomization are not rendered unless kustomize.buildOptions has --enable-helm: deliver the chart as an application of its own or commit its output", file)
	}
	if len(k.OpenAPI) > 0 && f.in != alone {
		return errOwnSchema
	}
	dir := path.Dir(file)
	config := f.configs[dir]
	for _, r := range references(&k) {
		r.config = r.config || config && strings.HasPrefix(r.field, "resources")
		if err := f.check(file, dir, r); err != nil {
			return err
		}
	}
	return nil
}

func (f *fileSystem) check(file, dir string, r reference) error {
	if r.inline && isInline(r.value) {
		if r.config {
			return scanConfig(file, []byte(r.value))
		}
		return nil
	}
	if isRemote(r.value) {
		return &RemoteError{File: file, Field: r.field, Reference: r.value}
	}
	target := path.Join(dir, r.value)
	if path.IsAbs(r.value) {
		target = r.value
	}
	if err := source.CheckName("read", target); err != nil {
		return fmt.Errorf("%s: %s: %w", file, r.field, &source.EscapeError{Path: r.value})
	}
	if f.inflated[target] != nil {
		return nil
	}
	info, err := f.build.tree.Stat(target)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%s: %s: %s has no file or directory %q", file, r.field, f.build.tree.Revision(), target)
	case err != nil:
		return fmt.Errorf("%s: %s: %w", file, r.field, err)
	}
	if r.config {
		f.configs[target] = true
	}
	if info.IsDir() || f.build.opts.Unrestricted {
		return nil
	}
	return f.below(file, dir, r, target)
}

// below says in fewer words what the library says about load restrictions.
func (f *fileSystem) below(file, dir string, r reference, target string) error {
	home, err := f.build.tree.Resolve(dir)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	real, err := f.build.tree.Resolve(target)
	if err != nil {
		return fmt.Errorf("%s: %s: %w", file, r.field, err)
	}
	if home != "." && !strings.HasPrefix(real, home+"/") {
		return fmt.Errorf("%s: %s: %q is not below the kustomization's directory: move the file there, make a base of it or lift the load restriction", file, r.field, r.value)
	}
	return nil
}

// isInline tells a document from a path the way the library does in effect: a
// path holds neither a line break nor ": ".
func isInline(value string) bool {
	return strings.ContainsAny(value, "\n{") || strings.Contains(value, ": ")
}

// references lists the paths of a kustomization.
func references(k *types.Kustomization) []reference {
	var out []reference
	add := func(field string, value string) {
		if value != "" {
			out = append(out, reference{field: field, value: value})
		}
	}
	each := func(field string, values []string) {
		for i, v := range values {
			add(fmt.Sprintf("%s[%d]", field, i), v)
		}
	}
	each("resources", k.Resources)
	each("bases", k.Bases)
	each("components", k.Components)
	each("crds", k.Crds)
	each("configurations", k.Configurations)
	add("openapi.path", k.OpenAPI["path"])
	for i, p := range k.Patches {
		add(fmt.Sprintf("patches[%d].path", i), p.Path)
	}
	for i, p := range k.PatchesJson6902 {
		add(fmt.Sprintf("patchesJson6902[%d].path", i), p.Path)
	}
	for i, r := range k.Replacements {
		add(fmt.Sprintf("replacements[%d].path", i), r.Path)
	}
	for i, p := range k.PatchesStrategicMerge {
		out = append(out, reference{field: fmt.Sprintf("patchesStrategicMerge[%d]", i), value: string(p), inline: true})
	}
	for _, plugins := range []struct {
		field  string
		values []string
	}{{"generators", k.Generators}, {"transformers", k.Transformers}, {"validators", k.Validators}} {
		for i, v := range plugins.values {
			out = append(out, reference{field: fmt.Sprintf("%s[%d]", plugins.field, i), value: v, config: true, inline: true})
		}
	}
	for i, g := range k.ConfigMapGenerator {
		out = append(out, pairs(fmt.Sprintf("configMapGenerator[%d]", i), g.KvPairSources)...)
	}
	for i, g := range k.SecretGenerator {
		out = append(out, pairs(fmt.Sprintf("secretGenerator[%d]", i), g.KvPairSources)...)
	}
	return out
}

func pairs(field string, s types.KvPairSources) []reference {
	var out []reference
	for i, file := range s.FileSources {
		if _, value, named := strings.Cut(file, "="); named {
			file = value
		}
		out = append(out, reference{field: fmt.Sprintf("%s.files[%d]", field, i), value: file})
	}
	for i, file := range s.EnvSources {
		out = append(out, reference{field: fmt.Sprintf("%s.envs[%d]", field, i), value: file})
	}
	if s.EnvSource != "" {
		out = append(out, reference{field: field + ".env", value: s.EnvSource})
	}
	return out
}

// scanConfig checks the configuration of generators and transformers: the
// library runs only its own, but those read paths too.
func scanConfig(file string, data []byte) error {
	for _, doc := range strings.Split(string(data), "\n---") {
		var v any
		if err := yaml.Unmarshal([]byte(doc), &v); err != nil {
			continue // the library says what is wrong with it
		}
		if err := scanValue(file, "", v); err != nil {
			return err
		}
	}
	return nil
}

var pathFields = map[string]bool{"path": true, "paths": true, "files": true, "envs": true, "env": true, "repo": true}

func scanValue(file, field string, v any) error {
	switch v := v.(type) {
	case map[string]any:
		for key, item := range v {
			if key == "config.kubernetes.io/function" || key == "config.k8s.io/function" {
				return fmt.Errorf("%s: functions in containers and executables are not run; use a built-in transformer or a component", file)
			}
			if err := scanValue(file, key, item); err != nil {
				return err
			}
		}
	case []any:
		for _, item := range v {
			if err := scanValue(file, field, item); err != nil {
				return err
			}
		}
	case string:
		if !pathFields[field] {
			return nil
		}
		if _, value, named := strings.Cut(v, "="); named && field == "files" {
			v = value
		}
		if isRemote(v) {
			return &RemoteError{File: file, Field: field, Reference: v}
		}
	}
	return nil
}
