package chart

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/plumbline-dev/plumbline/internal/core/source"
)

// Inflation is a chart that a kustomization renders in place: an entry of helmCharts.
type Inflation struct {
	Name         string `json:"name"`
	Version      string `json:"version"`
	Repo         string `json:"repo"`
	ReleaseName  string `json:"releaseName"`
	NameTemplate string `json:"nameTemplate"`
	Namespace    string `json:"namespace"`

	ValuesFile            string         `json:"valuesFile"` // relative to the kustomization; empty: that of the chart
	ValuesInline          map[string]any `json:"valuesInline"`
	ValuesMerge           string         `json:"valuesMerge"` // override, merge or replace; empty: override
	AdditionalValuesFiles []string       `json:"additionalValuesFiles"`

	IncludeCRDs bool     `json:"includeCRDs"`
	SkipHooks   bool     `json:"skipHooks"`
	SkipTests   bool     `json:"skipTests"`
	APIVersions []string `json:"apiVersions"`
	KubeVersion string   `json:"kubeVersion"`
}

// Inflations are those of one kustomization.
type Inflations struct {
	Charts  []Inflation `json:"helmCharts"`
	Globals struct {
		Home string `json:"chartHome"`
	} `json:"helmGlobals"`
}

// ReadInflations reads those of a kustomization file.
func ReadInflations(file string, data []byte) (Inflations, error) {
	var out Inflations
	if err := yaml.Unmarshal(data, &out); err != nil {
		return out, fmt.Errorf("%s: %w", file, err)
	}
	for i, c := range out.Charts {
		at := func(format string, args ...any) error {
			return fmt.Errorf("%s: helmCharts[%d]: "+format, append([]any{file, i}, args...)...)
		}
		switch {
		case c.Name == "" || strings.ContainsAny(c.Name, `/\`) || strings.HasPrefix(c.Name, "."):
			return out, at("%q is no name of a chart", c.Name)
		case c.NameTemplate != "":
			return out, at("nameTemplate is not supported: give releaseName")
		case c.ReleaseName == "":
			return out, at("releaseName is required: without it every build would make other names")
		case c.ValuesMerge != "" && c.ValuesMerge != "override" && c.ValuesMerge != "merge" && c.ValuesMerge != "replace":
			return out, at("valuesMerge %q is none of override, merge, replace", c.ValuesMerge)
		}
	}
	return out, nil
}

// Local is where a chart lies in the repository, if it does, of a kustomization in dir.
func (l Inflations) Local(dir string, c Inflation) string {
	home := l.Globals.Home
	if home == "" {
		home = "charts"
	}
	if c.Version != "" && c.Repo != "" {
		home = path.Join(home, c.Name+"-"+c.Version)
	}
	return path.Join(dir, home, c.Name)
}

// Fetched is the chart that has to be fetched where none lies in the repository.
func (c Inflation) Fetched() Dependency {
	version := c.Version
	if version == "" {
		version = "*"
	}
	return Dependency{Name: c.Name, Version: version, Repository: c.Repo}
}

// At returns the directory of the chart in a tree: where it lies, or where it is
// mounted once it was fetched.
func (l Inflations) At(tree source.Tree, dir string, c Inflation) (string, error) {
	local := l.Local(dir, c)
	info, err := tree.Stat(local)
	switch {
	case err == nil && info.IsDir():
		return local, nil
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return "", err
	case c.Repo == "":
		return "", fmt.Errorf("chart %q: there is none in %q, and no repo to fetch it from", c.Name, local)
	}
	return source.MountPoint(c.Fetched().Mount()), nil
}

// Values merges what the chart is rendered with. read returns the content of a value
// file by its name relative to the kustomization, own the chart's own values.
func (c Inflation) Values(read func(name string) ([]byte, error), own func() ([]byte, error)) (map[string]any, error) {
	parse := func(name string, data []byte, err error) (map[string]any, error) {
		var m map[string]any
		if err == nil {
			err = yaml.Unmarshal(data, &m)
		}
		if err != nil {
			return nil, fmt.Errorf("value file %s: %w", name, err)
		}
		return m, nil
	}
	file := map[string]any{}
	var err error
	switch {
	case c.ValuesMerge == "replace" && len(c.ValuesInline) > 0:
	case c.ValuesFile != "":
		data, readErr := read(c.ValuesFile)
		file, err = parse(c.ValuesFile, data, readErr)
	case c.ValuesMerge == "merge":
		data, readErr := own()
		if errors.Is(readErr, fs.ErrNotExist) {
			readErr = nil
		}
		file, err = parse("values.yaml", data, readErr)
	}
	if err != nil {
		return nil, err
	}
	weak, strong := file, c.ValuesInline
	if c.ValuesMerge == "merge" {
		weak, strong = strong, weak
	}
	out := merged(weak, strong)
	for _, name := range c.AdditionalValuesFiles {
		data, readErr := read(name)
		more, err := parse(name, data, readErr)
		if err != nil {
			return nil, err
		}
		out = merged(out, more)
	}
	return out, nil
}

// merged lays maps over one another; neither is changed.
func merged(weak, strong map[string]any) map[string]any {
	out := maps.Clone(weak)
	if out == nil {
		out = map[string]any{}
	}
	for key, value := range strong {
		below, isMap := out[key].(map[string]any)
		if above, both := value.(map[string]any); isMap && both {
			value = merged(below, above)
		}
		out[key] = value
	}
	return out
}

// kustomization is what is read of a kustomization file to find the next.
type kustomization struct {
	Resources  []string `json:"resources"`
	Bases      []string `json:"bases"`
	Components []string `json:"components"`
}

// maxKustomizations bounds how many one application is made of.
const maxKustomizations = 1000

// Inflated lists the charts that the kustomization in a directory, and those that it is
// made of, render and that do not lie in the repository; and what charts that do lie
// there depend on. It is empty for what is no kustomization.
func Inflated(tree source.Tree, dir string, names []string) ([]Missing, error) {
	var found []Missing
	seen := map[string]bool{}
	fetched := map[string]bool{}
	for next := []string{path.Clean(dir)}; len(next) > 0; {
		at := next[0]
		next = next[1:]
		if seen[at] || !fs.ValidPath(at) {
			continue
		}
		if seen[at] = true; len(seen) > maxKustomizations {
			return nil, fmt.Errorf("kustomization in %q: it is made of more than %d", dir, maxKustomizations)
		}
		file, data, err := readAny(tree, at, names)
		if err != nil {
			return nil, err
		}
		var k kustomization
		if data == nil || yaml.Unmarshal(data, &k) != nil {
			continue // the build says what is wrong with it
		}
		charts, err := ReadInflations(file, data)
		if err != nil {
			return nil, err
		}
		for _, c := range charts.Charts {
			place, err := charts.At(tree, at, c)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", file, err)
			}
			if place != charts.Local(at, c) {
				if !fetched[place] {
					found = append(found, Missing{Listed: c.Fetched(), Fetch: c.Fetched()})
				}
				fetched[place] = true
				continue
			}
			more, err := Dependencies(tree, place)
			if err != nil {
				return nil, err
			}
			found = append(found, more...)
		}
		for _, list := range [][]string{k.Resources, k.Bases, k.Components} {
			for _, ref := range list {
				if !strings.Contains(ref, "://") && !strings.HasPrefix(ref, "/") {
					next = append(next, path.Join(at, ref))
				}
			}
		}
	}
	return found, nil
}

// readAny reads the first of some files that a directory has; no data: none, or it is
// no directory.
func readAny(tree source.Tree, dir string, names []string) (file string, data []byte, err error) {
	for _, name := range names {
		file = path.Join(dir, name)
		data, err = tree.ReadFile(file)
		if err == nil {
			return file, data, nil
		}
		if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, source.ErrNotDirectory) && !errors.Is(err, source.ErrIsDirectory) {
			return "", nil, nil //nolint:nilerr // the build says what is wrong with it
		}
	}
	return "", nil, nil
}
