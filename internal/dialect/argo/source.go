package argo

import (
	"path"
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

// sourceOf reads one source. appName is the default release name, namespace the
// destination's.
func sourceOf(src v1alpha1.Source, appName, namespace string) (app.Source, error) {
	out := app.Source{
		URL:    src.RepoURL,
		Ref:    source.Ref{Any: src.TargetRevision, TagPrefix: src.TagPrefix},
		Digest: sourceDigest(src),
	}
	if err := supported(src); err != nil {
		return out, err
	}
	req := render.Request{Path: path.Clean(src.Path), Namespace: namespace, Directory: &render.DirectoryOptions{SkipMarker: skipMarker}}
	var err error
	switch {
	case src.Helm != nil:
		req.Tool = render.Helm
		req.Helm, err = helmOptions(*src.Helm)
		if src.Helm.Namespace != "" {
			req.Namespace = src.Helm.Namespace
		}
		req.KubeVersion, req.APIVersions = src.Helm.KubeVersion, src.Helm.APIVersions
	case src.Kustomize != nil:
		req.Tool = render.Kustomize
		req.Kustomize, err = kustomizeOptions(*src.Kustomize)
	case src.Directory != nil:
		d := src.Directory
		req.Tool = render.Directory
		req.Directory.Recurse, req.Directory.Include, req.Directory.Exclude = d.Recurse, d.Include, d.Exclude
		req.Directory.AnyExtension = d.DisableExtensionFilter
	}
	if req.Helm == nil {
		req.Helm = &render.HelmOptions{}
	}
	if req.Helm.ReleaseName == "" {
		req.Helm.ReleaseName = appName
	}
	out.Render = req
	return out, err
}

func supported(src v1alpha1.Source) error {
	kinds := 0
	for _, set := range []bool{src.Helm != nil, src.Kustomize != nil, src.Directory != nil, src.Plugin != nil} {
		if set {
			kinds++
		}
	}
	switch {
	case src.RepoURL == "":
		return condition.Newf(condition.InvalidSpec, "spec.source.repoURL is required")
	case strings.HasPrefix(src.RepoURL, "oci://"):
		return condition.Newf(condition.NotSupported, "spec.source: OCI repositories are not supported by this version; use a Git repository")
	case src.Chart != "":
		return condition.Newf(condition.NotSupported, "spec.source.chart: charts from Helm repositories are not supported by this version; keep the chart in the Git repository")
	case src.Ref != "":
		return condition.Newf(condition.NotSupported, "spec.source.ref: references between sources are not supported by this version")
	case src.Plugin != nil:
		return condition.Newf(condition.NotSupported, "spec.source.plugin: config management plugins are not supported by this version")
	case kinds > 1:
		return condition.Newf(condition.InvalidSpec, "multiple application sources defined: set one of helm, kustomize and directory")
	case src.Path == "":
		return condition.Newf(condition.InvalidSpec, "spec.source.path is required for a Git repository; use \".\" for its root")
	case src.Directory != nil && (len(src.Directory.Jsonnet.ExtVars)+len(src.Directory.Jsonnet.TLAs)+len(src.Directory.Jsonnet.Libs) > 0):
		return condition.Newf(condition.NotSupported, "spec.source.directory.jsonnet is not supported by this version")
	}
	return nil
}

func helmOptions(h v1alpha1.HelmSource) (*render.HelmOptions, error) {
	out := &render.HelmOptions{
		ReleaseName:             h.ReleaseName,
		ValueFiles:              h.ValueFiles,
		IgnoreMissingValueFiles: h.IgnoreMissingValueFiles,
		Values:                  h.ValuesObject,
		SkipCRDs:                h.SkipCrds,
		SkipTests:               h.SkipTests,
		SkipSchemaValidation:    h.SkipSchemaValidation,
	}
	if out.Values == nil && h.Values != "" {
		text, err := yaml.YAMLToJSONStrict([]byte(h.Values))
		if err != nil {
			return nil, condition.Newf(condition.InvalidSpec, "spec.source.helm.values: %w", err)
		}
		out.Values = &runtime.RawExtension{Raw: text}
	}
	for _, p := range h.Parameters {
		out.Parameters = append(out.Parameters, render.HelmParameter{Name: p.Name, Value: p.Value, ForceString: p.ForceString})
	}
	for _, p := range h.FileParameters {
		out.FileParameters = append(out.FileParameters, render.HelmFileParameter{Name: p.Name, Path: p.Path})
	}
	return out, nil
}

func kustomizeOptions(k v1alpha1.KustomizeSource) (*render.KustomizeOptions, error) {
	if k.Version != "" {
		return nil, condition.Newf(condition.NotSupported, "spec.source.kustomize.version: %q is not available; the built-in version renders everything, leave it out", k.Version)
	}
	if k.CommonAnnotationsEnvsubst {
		return nil, condition.Newf(condition.NotSupported, "spec.source.kustomize.commonAnnotationsEnvsubst is not supported by this version: write the annotations out")
	}
	out := &render.KustomizeOptions{
		NamePrefix: k.NamePrefix, NameSuffix: k.NameSuffix, Namespace: k.Namespace,
		Components: k.Components, IgnoreMissingComponents: k.IgnoreMissingComponents,
		Labels: k.CommonLabels, Annotations: k.CommonAnnotations,
		LabelsInSelectors: !k.LabelWithoutSelector, LabelsInTemplates: k.LabelIncludeTemplates,
		ForceLabels: k.ForceCommonLabels, ForceAnnotations: k.ForceCommonAnnotations,
	}
	for _, text := range k.Images {
		out.Images = append(out.Images, imageOf(text))
	}
	for _, r := range k.Replicas {
		count, err := strconv.ParseInt(r.Count.String(), 10, 32)
		if err != nil {
			return nil, condition.Newf(condition.InvalidSpec, "spec.source.kustomize.replicas: count %q of %q is no number", r.Count.String(), r.Name)
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

// imageOf reads "name=new:tag", "name:tag" and "name@sha256:…".
func imageOf(text string) render.KustomizeImage {
	name, replacement, renamed := strings.Cut(text, "=")
	if !renamed {
		replacement = name
	}
	repository, tag, digest := splitImage(replacement)
	img := render.KustomizeImage{Name: name, NewTag: tag, Digest: digest}
	if !renamed {
		img.Name = repository
		return img
	}
	img.NewName = repository
	return img
}

func splitImage(text string) (repository, tag, digest string) {
	if repository, digest, found := strings.Cut(text, "@"); found {
		return repository, "", digest
	}
	if i := strings.LastIndex(text, ":"); i > strings.LastIndex(text, "/") {
		return text[:i], text[i+1:], ""
	}
	return text, "", ""
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
