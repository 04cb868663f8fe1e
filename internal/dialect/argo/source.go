package argo

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"

	"github.com/plumbline-dev/plumbline/api/argoproj/v1alpha1"
	"github.com/plumbline-dev/plumbline/internal/core/app"
	"github.com/plumbline-dev/plumbline/internal/core/condition"
	"github.com/plumbline-dev/plumbline/internal/core/render"
	"github.com/plumbline-dev/plumbline/internal/core/source"
)

// skipMarker in a file keeps it from being rendered.
const skipMarker = "+argocd:skip-file-rendering"

// sourceSpec is one source as the user wrote it.
type sourceSpec struct {
	v1alpha1.Source

	at      string   // the field that it is, for messages
	aliases []string // of all sources of the application
	loose   bool     // see Config.Loose
	charts  bool     // see Config.Charts
	off     []string // see Config.Off
	rules   []render.PluginRule
}

// chartPattern is what a chart, or its path in a registry, may be called.
var chartPattern = regexp.MustCompile("^[a-zA-Z0-9][a-zA-Z0-9_.-]*(/[a-zA-Z0-9][a-zA-Z0-9_.-]*)*$")

func isOCI(url string) bool { return strings.HasPrefix(url, "oci://") }

var aliasPattern = regexp.MustCompile("^[a-zA-Z0-9_-]+$")

// sources reads those that an application, or an operation, has in the given field.
func (s Settings) sources(a app.Application, field string, list []v1alpha1.Source) ([]app.Source, error) {
	var aliases []string
	names := map[string]bool{}
	for _, src := range list {
		if src.Ref != "" && slices.Contains(aliases, src.Ref) {
			return nil, condition.Newf(condition.InvalidSpec, "%s: ref %q names two sources", field, src.Ref)
		}
		if src.Name != "" && names[src.Name] {
			return nil, condition.Newf(condition.InvalidSpec, "%s: name %q names two sources", field, src.Name)
		}
		names[src.Name] = true
		if src.Ref != "" {
			aliases = append(aliases, src.Ref)
		}
	}
	var out []app.Source
	for i, src := range list {
		spec := sourceSpec{Source: src, at: field, aliases: aliases, loose: s.Loose, charts: s.Charts, off: s.Off, rules: s.Plugins}
		if strings.HasSuffix(field, "s") {
			spec.at = fmt.Sprintf("%s[%d]", field, i)
		}
		from, err := s.sourceOf(a, spec)
		if err != nil {
			return nil, err
		}
		out = append(out, from)
	}
	return out, nil
}

// sourceOf reads one source.
func (s Settings) sourceOf(a app.Application, spec sourceSpec) (app.Source, error) {
	out := app.Source{
		URL: spec.RepoURL, Ref: source.Ref{Any: spec.TargetRevision, TagPrefix: spec.TagPrefix},
		Alias: spec.Ref, Lends: spec.Ref != "" && spec.Path == "", Written: spec,
	}
	switch {
	case spec.Chart != "":
		out.Ref = source.Ref{Chart: spec.Chart, Any: spec.TargetRevision, PassCredentials: spec.Helm != nil && spec.Helm.PassCredentials}
	case isOCI(spec.RepoURL):
		out.Ref = source.Ref{Artifact: true, Any: spec.TargetRevision}
	}
	err := spec.check()
	if err == nil {
		out.Render, err = spec.request(a, s.buildEnv(a, spec.Source, source.Revision{}))
	}
	return out, err
}

// request is what to render of a source.
func (s sourceSpec) request(a app.Application, env *buildEnv) (render.Request, error) {
	req := render.Request{Path: path.Clean(s.Path), Namespace: a.Target.Namespace, Directory: &render.DirectoryOptions{SkipMarker: skipMarker}}
	var err error
	switch {
	case s.Helm != nil:
		req.Tool = render.Helm
		req.Helm, err = s.helmOptions(*s.Helm, env)
		if s.Helm.Namespace != "" {
			req.Namespace = s.Helm.Namespace
		}
		req.KubeVersion, req.APIVersions = s.Helm.KubeVersion, s.Helm.APIVersions
	case s.Kustomize != nil:
		req.Tool = render.Kustomize
		req.Kustomize, err = s.kustomizeOptions(*s.Kustomize, env)
		req.KubeVersion, req.APIVersions = s.Kustomize.KubeVersion, s.Kustomize.APIVersions
	case s.Plugin != nil:
		req.Tool = render.Plugin
		req.Plugin, err = s.pluginOptions(*s.Plugin, env)
	case s.Directory != nil:
		d := s.Directory
		req.Tool = render.Directory
		req.Directory.Recurse, req.Directory.Include, req.Directory.Exclude = d.Recurse, d.Include, d.Exclude
		req.Directory.AnyExtension = d.DisableExtensionFilter
		req.Directory.Jsonnet = render.JsonnetOptions{
			External: jsonnetValues(d.Jsonnet.ExtVars, env), TopLevel: jsonnetValues(d.Jsonnet.TLAs, env), Libs: d.Jsonnet.Libs,
		}
	}
	if req.Rules = s.rules; req.Tool == "" && len(s.rules) > 0 && err == nil { // should one claim the directory
		req.Plugin, err = s.pluginOptions(v1alpha1.PluginSource{}, env)
	}
	s.switchOff(&req)
	if s.loose || s.charts {
		if req.Kustomize == nil {
			req.Kustomize = &render.KustomizeOptions{}
		}
		req.Kustomize.Unrestricted, req.Kustomize.Charts = s.loose, s.charts
	}
	if req.Helm == nil {
		req.Helm = &render.HelmOptions{}
	}
	if req.Helm.ReleaseName == "" {
		req.Helm.ReleaseName = a.ID.Name
	}
	req.Pinned = env.pinned
	return req, err
}

// switchOff makes a plain directory of what a tool is called for that is off.
func (s sourceSpec) switchOff(req *render.Request) {
	for name, tool := range map[string]render.Tool{"kustomize": render.Kustomize, "helm": render.Helm} {
		switch off := slices.Contains(s.off, name); {
		case off && req.Tool == tool:
			req.Tool = render.Directory
		case off:
			req.Off = append(req.Off, tool)
		}
	}
	slices.Sort(req.Off)
	req.Directory.WithoutJsonnet = slices.Contains(s.off, "jsonnet")
}

func jsonnetValues(vars []v1alpha1.JsonnetVar, env *buildEnv) []render.JsonnetValue {
	var out []render.JsonnetValue
	for _, v := range vars {
		out = append(out, render.JsonnetValue{Name: v.Name, Value: env.expand(v.Value), Code: v.Code})
	}
	return out
}

// check says what is wrong with a source, or not supported.
func (s sourceSpec) check() error {
	kinds := 0
	for _, set := range []bool{s.Helm != nil, s.Kustomize != nil, s.Directory != nil, s.Plugin != nil} {
		if set {
			kinds++
		}
	}
	switch {
	case s.RepoURL == "":
		return condition.Newf(condition.InvalidSpec, "%s.repoURL is required", s.at)
	case s.Ref != "" && !aliasPattern.MatchString(s.Ref):
		return condition.Newf(condition.InvalidSpec, "%s.ref: %q is no name of letters, digits, - and _", s.at, s.Ref)
	case s.Ref != "" && s.Chart != "":
		return condition.Newf(condition.InvalidSpec, "%s.ref: the files of a chart cannot be read by other sources", s.at)
	case s.Chart != "" && s.Path != "":
		return condition.Newf(condition.InvalidSpec, "%s: chart and path exclude each other: a chart lies in a repository of charts", s.at)
	case s.Chart != "" && s.TargetRevision == "":
		return condition.Newf(condition.InvalidSpec, "%s.targetRevision is required for a chart; use \"*\" for the newest version", s.at)
	case s.Chart != "" && !chartPattern.MatchString(s.Chart):
		return condition.Newf(condition.InvalidSpec, "%s.chart: %q is no name of a chart", s.at, s.Chart)
	case isOCI(s.RepoURL) && s.TargetRevision == "":
		return condition.Newf(condition.InvalidSpec, "%s.targetRevision is required for an OCI repository: a tag, a digest or a range of versions", s.at)
	case kinds > 1:
		return condition.Newf(condition.InvalidSpec, "%s: multiple application sources defined: set one of helm, kustomize, directory and plugin", s.at)
	case s.Path == "" && s.Ref == "" && s.Chart == "":
		return condition.Newf(condition.InvalidSpec, "%s.path is required; use \".\" for the root of the repository", s.at)
	}
	return nil
}

// file names a value file: one that begins with $ and the ref of a source lies in
// that source, from its root.
func (s sourceSpec) file(name string, env *buildEnv) string {
	if alias, rest, found := strings.Cut(strings.TrimPrefix(name, "$"), "/"); found && strings.HasPrefix(name, "$") && slices.Contains(s.aliases, alias) {
		return "/$" + alias + "/" + env.expand(rest)
	}
	return env.expand(name)
}

func (s sourceSpec) helmOptions(h v1alpha1.HelmSource, env *buildEnv) (*render.HelmOptions, error) {
	out := &render.HelmOptions{
		ReleaseName:             h.ReleaseName,
		IgnoreMissingValueFiles: h.IgnoreMissingValueFiles,
		Values:                  h.ValuesObject,
		SkipCRDs:                h.SkipCrds,
		SkipTests:               h.SkipTests,
		SkipSchemaValidation:    h.SkipSchemaValidation,
	}
	if out.Values == nil && h.Values != "" {
		text, err := yaml.YAMLToJSONStrict([]byte(h.Values))
		if err != nil {
			return nil, condition.Newf(condition.InvalidSpec, "%s.helm.values: %w", s.at, err)
		}
		out.Values = &runtime.RawExtension{Raw: text}
	}
	for _, name := range h.ValueFiles {
		out.ValueFiles = append(out.ValueFiles, s.file(name, env))
	}
	for _, p := range h.Parameters {
		out.Parameters = append(out.Parameters, render.HelmParameter{Name: p.Name, Value: env.expand(p.Value), ForceString: p.ForceString})
	}
	for _, p := range h.FileParameters {
		out.FileParameters = append(out.FileParameters, render.HelmFileParameter{Name: p.Name, Path: s.file(p.Path, env)})
	}
	return out, nil
}

func (s sourceSpec) kustomizeOptions(k v1alpha1.KustomizeSource, env *buildEnv) (*render.KustomizeOptions, error) {
	if k.Version != "" {
		return nil, condition.Newf(condition.NotSupported, "%s.kustomize.version: %q is not available; the built-in version renders everything, leave it out", s.at, k.Version)
	}
	out := &render.KustomizeOptions{
		NamePrefix: k.NamePrefix, NameSuffix: k.NameSuffix, Namespace: k.Namespace,
		Components: k.Components, IgnoreMissingComponents: k.IgnoreMissingComponents,
		Labels: env.expandAll(k.CommonLabels), Annotations: k.CommonAnnotations,
		LabelsInSelectors: !k.LabelWithoutSelector, LabelsInTemplates: k.LabelIncludeTemplates,
		ForceLabels: k.ForceCommonLabels, ForceAnnotations: k.ForceCommonAnnotations,
	}
	if k.CommonAnnotationsEnvsubst {
		out.Annotations = env.expandAll(k.CommonAnnotations)
	}
	for _, text := range k.Images {
		out.Images = append(out.Images, render.ParseImage(env.expand(text)))
	}
	for _, r := range k.Replicas {
		count, err := strconv.ParseInt(r.Count.String(), 10, 32)
		if err != nil {
			return nil, condition.Newf(condition.InvalidSpec, "%s.kustomize.replicas: count %q of %q is no number", s.at, r.Count.String(), r.Name)
		}
		out.Replicas = append(out.Replicas, render.KustomizeCount{Name: r.Name, Count: count})
	}
	for _, p := range k.Patches {
		patch := render.KustomizePatch{Path: p.Path, Patch: p.Patch, Options: p.Options}
		if t := p.Target; t != nil {
			patch.Target = &render.KustomizeTarget{
				Group: t.Group, Version: t.Version, Kind: t.Kind, Name: t.Name, Namespace: t.Namespace,
				LabelSelector: t.LabelSelector, AnnotationSelector: t.AnnotationSelector,
			}
		}
		out.Patches = append(out.Patches, patch)
	}
	return out, nil
}

// toolName is the sourceType of the wire format.
func toolName(tool render.Tool) v1alpha1.SourceType {
	switch tool {
	case render.Helm:
		return v1alpha1.SourceTypeHelm
	case render.Kustomize:
		return v1alpha1.SourceTypeKustomize
	case render.Directory:
		return v1alpha1.SourceTypeDirectory
	}
	return v1alpha1.SourceType(tool)
}
