// Package helm renders charts.
//
// In go a chart in a directory of a source.Tree, values and what the destination
// cluster can do; out come the objects that "helm template" would print, hooks
// and CRDs included. It reads nothing but the tree: dependencies must be vendored
// or lie in the same repository, nothing is looked up in a cluster, on a network
// or in the environment, and no release is made.
//
// Templates can loop and allocate without end, so a server runs this package in
// a worker process.
package helm

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/Masterminds/sprig/v3"
	"helm.sh/helm/v4/pkg/chart/common"
	commonutil "helm.sh/helm/v4/pkg/chart/common/util"
	chart "helm.sh/helm/v4/pkg/chart/v2"
	chartutil "helm.sh/helm/v4/pkg/chart/v2/util"
	"helm.sh/helm/v4/pkg/engine"

	"github.com/plumbline-dev/plumbline/internal/core/render"
	"github.com/plumbline-dev/plumbline/internal/core/render/impure"
	"github.com/plumbline-dev/plumbline/internal/core/source"
)

// What a chart is told when the request does not say.
const (
	DefaultKubeVersion = "v1.37.0"
	DefaultReleaseName = "release-name"
	DefaultNamespace   = "default"
)

// Renderer implements render.Renderer. The zero value is ready to use.
//
// A request without APIVersions is rendered for all versions that the linked
// client library knows, the way "helm template" does without a cluster.
type Renderer struct{}

// Render implements render.Renderer. ctx is looked at between steps; a template
// that runs cannot be stopped.
func (Renderer) Render(ctx context.Context, req render.Request, tree source.Tree) (render.Result, error) {
	dir, err := render.CleanPath(req.Path)
	if err != nil {
		return render.Result{}, err
	}
	if _, err := render.Detect(tree, dir); err != nil {
		return render.Result{}, err
	}
	j := &job{ctx: ctx, req: req, tree: tree, dir: dir}
	if req.Helm != nil {
		j.opts = *req.Helm
	}
	return j.render()
}

// job is one render of one chart.
type job struct {
	ctx  context.Context
	req  render.Request
	opts render.HelmOptions
	tree source.Tree
	dir  string

	warnings []string
}

func (j *job) render() (render.Result, error) {
	l := newLoader(j.tree)
	ch, err := l.chart(j.dir)
	if err != nil {
		return render.Result{}, err
	}
	if ch.Metadata.Type == "library" {
		return render.Result{}, fmt.Errorf("chart %q: is a library and renders nothing by itself", ch.Name())
	}
	values, err := j.values()
	if err != nil {
		return render.Result{}, err
	}
	top, err := j.prepare(ch, values)
	if err != nil {
		return render.Result{}, err
	}
	if err := j.ctx.Err(); err != nil {
		return render.Result{}, err
	}
	watch := impure.New()
	texts, err := engine.Engine{CustomTemplateFuncs: watch.Functions(sprig.TxtFuncMap())}.RenderWithContext(j.ctx, ch, top)
	if err != nil {
		return render.Result{}, fmt.Errorf("chart %q: %s", ch.Name(), oneLine(err))
	}
	if err := j.ctx.Err(); err != nil {
		return render.Result{}, err
	}
	manifests, err := j.manifests(ch, texts)
	if err != nil {
		return render.Result{}, err
	}
	return render.Result{Tool: render.Helm, Manifests: manifests, Warnings: j.warnings, Impure: watch.Reason(), Digest: render.Digest(manifests)}, nil
}

// prepare turns off what the values turn off and returns what templates see.
func (j *job) prepare(ch *chart.Chart, values map[string]any) (common.Values, error) {
	caps, err := j.capabilities()
	if err != nil {
		return nil, err
	}
	if want := ch.Metadata.KubeVersion; want != "" && !chartutil.IsCompatibleRange(want, caps.KubeVersion.String()) {
		return nil, fmt.Errorf("chart %q: requires Kubernetes %s, the destination has %s", ch.Name(), want, caps.KubeVersion.String())
	}
	if err := j.missing(ch); err != nil {
		return nil, err
	}
	if err := chartutil.ProcessDependencies(ch, values); err != nil {
		return nil, fmt.Errorf("chart %q: dependencies: %s", ch.Name(), oneLine(err))
	}
	release := common.ReleaseOptions{Name: j.opts.ReleaseName, Namespace: j.req.Namespace, Revision: 1, IsInstall: true}
	if release.Name == "" {
		release.Name = DefaultReleaseName
	}
	if release.Namespace == "" {
		release.Namespace = DefaultNamespace
	}
	if err := chartutil.ValidateReleaseName(release.Name); err != nil {
		return nil, fmt.Errorf("release name %q: %s", release.Name, oneLine(err))
	}
	top, err := commonutil.ToRenderValuesWithSchemaValidation(ch, values, release, caps, true)
	if err != nil {
		return nil, fmt.Errorf("chart %q: values: %s", ch.Name(), oneLine(err))
	}
	if j.opts.SkipSchemaValidation {
		return top, nil
	}
	merged, err := top.Table("Values")
	if err != nil {
		return nil, fmt.Errorf("chart %q: values: %s", ch.Name(), oneLine(err))
	}
	return top, checkSchemas(ch, merged)
}

func (j *job) capabilities() (*common.Capabilities, error) {
	version := j.req.KubeVersion
	if version == "" {
		version = DefaultKubeVersion
	}
	kube, err := common.ParseKubeVersion(version)
	if err != nil {
		return nil, fmt.Errorf("Kubernetes version %q: is not a version", version)
	}
	caps := common.DefaultCapabilities.Copy()
	caps.KubeVersion = *kube
	if j.req.APIVersions != nil {
		caps.APIVersions = j.req.APIVersions
	}
	return caps, nil
}

// missing reports dependencies that Chart.yaml lists and charts/ lacks.
func (j *job) missing(ch *chart.Chart) error {
	var names []string
	for _, want := range ch.Metadata.Dependencies {
		if want == nil {
			continue
		}
		if !slices.ContainsFunc(ch.Dependencies(), func(d *chart.Chart) bool { return d.Name() == want.Name }) {
			names = append(names, fmt.Sprintf("%q", want.Name))
		}
	}
	if len(names) == 0 {
		return nil
	}
	return fmt.Errorf("chart %q: dependencies %s are listed in Chart.yaml but not in %s, and they are not downloaded: run \"helm dependency update\" and commit the charts directory",
		ch.Name(), strings.Join(names, ", "), path.Join(j.dir, "charts"))
}

// lineLimit bounds messages of the library, which may quote whole templates.
const lineLimit = 600

// oneLine makes one line of an error of the library.
func oneLine(err error) string {
	text := strings.Join(strings.Fields(err.Error()), " ")
	if len(text) > lineLimit {
		text = text[:lineLimit/3] + " ... " + text[len(text)-lineLimit*2/3:]
	}
	return strings.ToValidUTF8(text, "")
}
