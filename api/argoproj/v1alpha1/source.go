package v1alpha1

import (
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// Source is a place that manifests come from and the tool that renders them. At
// most one of helm, kustomize, directory and plugin may be set; with none the
// tool is detected from the files.
type Source struct {
	// RepoURL is a Git, Helm or OCI repository.
	RepoURL string `json:"repoURL"`

	// Path is the directory within the repository.
	Path string `json:"path,omitempty"`

	// TargetRevision is a branch, tag, commit, version or version range; empty
	// means HEAD.
	TargetRevision string `json:"targetRevision,omitempty"`

	// Helm tunes Helm.
	Helm *HelmSource `json:"helm,omitempty"`

	// Kustomize tunes Kustomize.
	Kustomize *KustomizeSource `json:"kustomize,omitempty"`

	// Directory tunes plain manifests and Jsonnet.
	Directory *DirectorySource `json:"directory,omitempty"`

	// Plugin renders with a config management plugin.
	Plugin *PluginSource `json:"plugin,omitempty"`

	// Chart is the chart name in a Helm repository; excludes path.
	Chart string `json:"chart,omitempty"`

	// Ref names this source so that others can use its files as $ref/path.
	Ref string `json:"ref,omitempty"`

	// Name labels this source for people; unique when set.
	Name string `json:"name,omitempty"`

	// TagPrefix limits version ranges to tags with this prefix.
	TagPrefix string `json:"tagPrefix,omitempty"`
}

// DirectorySource tunes the reading of plain manifests.
type DirectorySource struct {
	// Recurse reads directories below path too.
	Recurse bool `json:"recurse,omitempty"`

	// Jsonnet tunes the evaluation of Jsonnet files.
	Jsonnet Jsonnet `json:"jsonnet,omitzero"`

	// Exclude is a glob on file paths; it wins over include.
	Exclude string `json:"exclude,omitempty"`

	// Include is a glob on file paths; empty means all.
	Include string `json:"include,omitempty"`

	// DisableExtensionFilter reads files of any extension.
	DisableExtensionFilter bool `json:"disableExtensionFilter,omitempty"`
}

// Jsonnet tunes the evaluation of Jsonnet files.
type Jsonnet struct {
	// ExtVars are external variables.
	ExtVars []JsonnetVar `json:"extVars,omitempty"`

	// TLAs are top-level arguments.
	TLAs []JsonnetVar `json:"tlas,omitempty"`

	// Libs are library directories relative to the repository root.
	Libs []string `json:"libs,omitempty"`
}

// JsonnetVar is a value passed to Jsonnet.
type JsonnetVar struct {
	Name  string `json:"name"`
	Value string `json:"value"`

	// Code evaluates the value as Jsonnet instead of taking it as a string.
	Code bool `json:"code,omitempty"`
}

// KustomizeSource changes a kustomization before it is built.
type KustomizeSource struct {
	// NamePrefix is put before the name of every object.
	NamePrefix string `json:"namePrefix,omitempty"`

	// NameSuffix is put after the name of every object.
	NameSuffix string `json:"nameSuffix,omitempty"`

	// Images are overrides such as name=new:tag, name:tag or name@digest.
	Images []string `json:"images,omitempty"`

	// CommonLabels are added to every object.
	CommonLabels map[string]string `json:"commonLabels,omitempty"`

	// Version selects a registered version of the tool.
	Version string `json:"version,omitempty"`

	// CommonAnnotations are added to every object.
	CommonAnnotations map[string]string `json:"commonAnnotations,omitempty"`

	// ForceCommonLabels overwrites labels that exist.
	ForceCommonLabels bool `json:"forceCommonLabels,omitempty"`

	// ForceCommonAnnotations overwrites annotations that exist.
	ForceCommonAnnotations bool `json:"forceCommonAnnotations,omitempty"`

	// Namespace is given to every object.
	Namespace string `json:"namespace,omitempty"`

	// CommonAnnotationsEnvsubst replaces $VAR in annotation values.
	CommonAnnotationsEnvsubst bool `json:"commonAnnotationsEnvsubst,omitempty"`

	// Replicas overrides replica counts by name.
	Replicas []KustomizeReplica `json:"replicas,omitempty"`

	// Patches are appended to the kustomization.
	Patches []KustomizePatch `json:"patches,omitempty"`

	// Components are appended to the kustomization.
	Components []string `json:"components,omitempty"`

	// IgnoreMissingComponents drops components that do not exist.
	IgnoreMissingComponents bool `json:"ignoreMissingComponents,omitempty"`

	// LabelWithoutSelector keeps common labels out of selectors.
	LabelWithoutSelector bool `json:"labelWithoutSelector,omitempty"`

	// KubeVersion is given to charts instead of the cluster's version.
	KubeVersion string `json:"kubeVersion,omitempty"`

	// APIVersions are given to charts instead of the cluster's.
	APIVersions []string `json:"apiVersions,omitempty"`

	// LabelIncludeTemplates adds common labels to pod templates.
	LabelIncludeTemplates bool `json:"labelIncludeTemplates,omitempty"`
}

// KustomizeReplica overrides one replica count.
type KustomizeReplica struct {
	// Name of the object.
	Name string `json:"name"`

	// Count is a number, or a string that holds one.
	Count intstr.IntOrString `json:"count"`
}

// KustomizePatch is a patch, inline or in a file, and what it applies to.
type KustomizePatch struct {
	Path    string           `json:"path,omitempty"`
	Patch   string           `json:"patch,omitempty"`
	Target  *KustomizeTarget `json:"target,omitempty"`
	Options map[string]bool  `json:"options,omitempty"`
}

// KustomizeTarget selects the objects of a patch.
type KustomizeTarget struct {
	Group              string `json:"group,omitempty"`
	Version            string `json:"version,omitempty"`
	Kind               string `json:"kind,omitempty"`
	Name               string `json:"name,omitempty"`
	Namespace          string `json:"namespace,omitempty"`
	AnnotationSelector string `json:"annotationSelector,omitempty"`
	LabelSelector      string `json:"labelSelector,omitempty"`
}

// HelmSource tunes the rendering of a chart.
type HelmSource struct {
	// ValueFiles are read in order; later files win.
	ValueFiles []string `json:"valueFiles,omitempty"`

	// Parameters win over every other value.
	Parameters []HelmParameter `json:"parameters,omitempty"`

	// ReleaseName defaults to the application's name.
	ReleaseName string `json:"releaseName,omitempty"`

	// Values is a YAML document that wins over value files.
	Values string `json:"values,omitempty"`

	// FileParameters are parameters whose value is a file's content.
	FileParameters []HelmFileParameter `json:"fileParameters,omitempty"`

	// Version is accepted and ignored.
	Version string `json:"version,omitempty"`

	// PassCredentials sends repository credentials to other domains too.
	PassCredentials bool `json:"passCredentials,omitempty"`

	// IgnoreMissingValueFiles skips value files that do not exist.
	IgnoreMissingValueFiles bool `json:"ignoreMissingValueFiles,omitempty"`

	// SkipCrds leaves out the chart's crds directory.
	SkipCrds bool `json:"skipCrds,omitempty"`

	// ValuesObject is the same as values as a map; when set, values is ignored.
	// +kubebuilder:validation:Type=object
	// +kubebuilder:pruning:PreserveUnknownFields
	ValuesObject *runtime.RawExtension `json:"valuesObject,omitempty"`

	// Namespace is the release namespace; empty means the destination's.
	Namespace string `json:"namespace,omitempty"`

	// KubeVersion is given to the chart instead of the cluster's version.
	KubeVersion string `json:"kubeVersion,omitempty"`

	// APIVersions are given to the chart instead of the cluster's.
	APIVersions []string `json:"apiVersions,omitempty"`

	// SkipTests leaves out test hooks.
	SkipTests bool `json:"skipTests,omitempty"`

	// SkipSchemaValidation does not check values against the chart's schema.
	SkipSchemaValidation bool `json:"skipSchemaValidation,omitempty"`
}

// HelmParameter is one value, set by path.
type HelmParameter struct {
	Name  string `json:"name,omitempty"`
	Value string `json:"value,omitempty"`

	// ForceString takes the value as a string whatever it looks like.
	ForceString bool `json:"forceString,omitempty"`
}

// HelmFileParameter is one value, set by path, whose text is in a file.
type HelmFileParameter struct {
	Name string `json:"name,omitempty"`
	Path string `json:"path,omitempty"`
}

// PluginSource renders with a config management plugin.
type PluginSource struct {
	// Name of the plugin; empty means the first that claims the directory.
	Name string `json:"name,omitempty"`

	// Env is given to the plugin with the prefix ARGOCD_ENV_.
	Env []EnvEntry `json:"env,omitempty"`

	// Parameters are announced by the plugin.
	Parameters []PluginParameter `json:"parameters,omitempty"`
}

// EnvEntry is an environment variable.
type EnvEntry struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// PluginParameter is a parameter with one of three shapes. An empty string, map
// or array differs from an absent one and is kept.
type PluginParameter struct {
	Name   string            `json:"name,omitempty"`
	String *string           `json:"string,omitempty"`
	Map    map[string]string `json:"map,omitzero"`
	Array  []string          `json:"array,omitzero"`
}
