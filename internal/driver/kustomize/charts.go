package kustomize

import (
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/yaml"

	"github.com/plumbline-dev/plumbline/internal/core/chart"
	"github.com/plumbline-dev/plumbline/internal/core/object"
	"github.com/plumbline-dev/plumbline/internal/core/render"
	"github.com/plumbline-dev/plumbline/internal/core/source"
)

// inflated is what a chart rendered to, and the kustomization that has it.
type inflated struct {
	text []byte
	file string
}

// inflate renders the charts of a kustomization and returns it with what they rendered
// to in their place: a further resource for each.
func (f *fileSystem) inflate(file string, data []byte) ([]byte, error) {
	b := f.build
	if !b.opts.Charts || b.charts == nil || !strings.Contains(string(data), "helmCharts") && !strings.Contains(string(data), "helmGlobals") {
		return data, nil
	}
	charts, err := chart.ReadInflations(file, data)
	if err != nil {
		return nil, err
	}
	var k types.Kustomization
	if err := k.Unmarshal(data); err != nil {
		return nil, fmt.Errorf("%s: %s", file, strings.Join(strings.Fields(err.Error()), " "))
	}
	k.HelmCharts, k.HelmGlobals = nil, nil
	for i, c := range charts.Charts {
		text, err := b.chart(path.Dir(file), charts, c)
		if err != nil {
			return nil, fmt.Errorf("%s: helmCharts[%d]: %w", file, i, err)
		}
		name := fmt.Sprintf(".helmCharts.%d.%s.yaml", i, c.Name)
		f.inflated[path.Join(path.Dir(file), name)] = &inflated{text, file}
		k.Resources = append(k.Resources, name)
	}
	return yaml.Marshal(k)
}

// chart renders one chart of a kustomization in dir.
func (b *build) chart(dir string, charts chart.Inflations, c chart.Inflation) ([]byte, error) {
	if err := b.ctx.Err(); err != nil {
		return nil, err
	}
	at, err := charts.At(b.tree, dir, c)
	if err != nil {
		return nil, err
	}
	values, err := c.Values(func(name string) ([]byte, error) {
		name = path.Join(dir, name)
		if err := source.CheckName("read", name); err != nil {
			return nil, err
		}
		return b.tree.ReadFile(name)
	}, func() ([]byte, error) { return b.tree.ReadFile(path.Join(at, "values.yaml")) })
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(values)
	if err != nil {
		return nil, err
	}
	req := render.Request{
		Tool: render.Helm, Path: at, Namespace: c.Namespace, KubeVersion: b.req.KubeVersion, APIVersions: b.req.APIVersions,
		Helm: &render.HelmOptions{
			ReleaseName: c.ReleaseName, Values: &runtime.RawExtension{Raw: text}, SkipCRDs: !c.IncludeCRDs, SkipTests: c.SkipTests,
		},
	}
	if c.KubeVersion != "" {
		req.KubeVersion = c.KubeVersion
	}
	if len(c.APIVersions) > 0 {
		req.APIVersions = slices.Concat(req.APIVersions, c.APIVersions)
	}
	res, err := b.charts.Render(b.ctx, req, b.tree)
	if err != nil {
		return nil, err
	}
	b.warnings = append(b.warnings, res.Warnings...)
	if res.Impure != "" {
		b.impure = res.Impure
	}
	return documents(res.Manifests, c.SkipHooks)
}

// documents writes manifests as YAML, without hooks if they are not wanted.
func documents(manifests []object.Manifest, withoutHooks bool) ([]byte, error) {
	out := []byte("# rendered\n")
	for _, m := range manifests {
		if _, hook := m.Object.GetAnnotations()["helm.sh/hook"]; hook && withoutHooks {
			continue
		}
		text, err := yaml.Marshal(m.Object.Object)
		if err != nil {
			return nil, err
		}
		out = append(append(out, "---\n"...), text...)
	}
	return out, nil
}
