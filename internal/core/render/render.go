// Package render says what to render and remembers what a render read.
//
// In go a Request and a source.Tree; out comes a Result: the desired objects.
// Template tools stand behind the Renderer interface; the plain directory is
// rendered here because it needs none. The package opens nothing outside the
// Tree it was given.
package render

import (
	"context"

	"k8s.io/apimachinery/pkg/runtime"

	"github.com/plumbline-dev/plumbline/internal/core/object"
	"github.com/plumbline-dev/plumbline/internal/core/source"
)

// Tool names what turns files into objects.
type Tool string

// The tools. Detect chooses among them when a Request names none.
const (
	Directory Tool = "Directory"
	Kustomize Tool = "Kustomize"
	Helm      Tool = "Helm"
	Plugin    Tool = "Plugin" // a program of the installation's own
)

// A Renderer turns the files of a tree into objects. Implementations read
// nothing but tree, are safe for concurrent use, stop when ctx ends and return
// equal results for equal requests and equal reads unless Result.Impure says why not.
type Renderer interface {
	Render(ctx context.Context, req Request, tree source.Tree) (Result, error)
}

// Request is everything besides the files that decides what is rendered. It is
// plain data: comparable by its JSON form, which is what Key digests.
type Request struct {
	Tool Tool   `json:"tool,omitempty"` // empty: detected from the files at Path
	Path string `json:"path"`           // directory in the tree, slash-separated; "." is the root

	Directory *DirectoryOptions `json:"directory,omitempty"`
	Kustomize *KustomizeOptions `json:"kustomize,omitempty"`
	Helm      *HelmOptions      `json:"helm,omitempty"`
	Plugin    *PluginOptions    `json:"plugin,omitempty"`

	// Heeds names the files that had a say in this request, whether they are there
	// or not, relative to Path: what becomes of them is part of what a render reads.
	Heeds []string `json:"heeds,omitempty"`
	// Pinned says that the request was made for one revision and tells nothing
	// about others.
	Pinned bool `json:"-"`
	// Off are tools that are not detected: what calls for them is a plain directory.
	Off []Tool `json:"-"`
	// Rules are those by which plugins claim directories that no tool is named for.
	Rules []PluginRule `json:"-"`

	Namespace   string   `json:"namespace,omitempty"`   // destination namespace; Helm's .Release.Namespace
	KubeVersion string   `json:"kubeVersion,omitempty"` // version of the destination cluster, e.g. "v1.37.2"
	APIVersions []string `json:"apiVersions,omitempty"` // what the destination serves: "apps/v1", "apps/v1/Deployment"; sorted
}

// DirectoryOptions tune the plain YAML directory.
type DirectoryOptions struct {
	Recurse bool   `json:"recurse,omitempty"`
	Include string `json:"include,omitempty"` // glob on the path relative to the directory, "{a,b}" for alternatives; "*" crosses "/"
	Exclude string `json:"exclude,omitempty"` // same; wins over Include

	// AnyExtension reads every file as YAML, not only *.yaml, *.yml and *.json.
	AnyExtension bool `json:"anyExtension,omitempty"`
	// SkipMarker leaves out files that contain this text; empty skips none.
	SkipMarker string `json:"skipMarker,omitempty"`

	// WithoutJsonnet leaves out .jsonnet files.
	WithoutJsonnet bool           `json:"withoutJsonnet,omitempty"`
	Jsonnet        JsonnetOptions `json:"jsonnet,omitzero"`
}

// JsonnetOptions are what a Jsonnet program is told.
type JsonnetOptions struct {
	External []JsonnetValue `json:"external,omitempty"` // std.extVar
	TopLevel []JsonnetValue `json:"topLevel,omitempty"` // arguments of a file that is a function
	Libs     []string       `json:"libs,omitempty"`     // directories for imports, from the root of the tree
}

// JsonnetValue is one named value.
type JsonnetValue struct {
	Name  string `json:"name"`
	Value string `json:"value"`
	Code  bool   `json:"code,omitempty"` // the value is Jsonnet, not a string
}

// KustomizeOptions are laid over the kustomization file before it is built.
type KustomizeOptions struct {
	// Generate makes a kustomization of every manifest below the path when
	// there is no kustomization file.
	Generate bool `json:"generate,omitempty"`
	// Unrestricted lets files be loaded from anywhere in the tree rather than
	// only from below the kustomization that names them.
	Unrestricted bool `json:"unrestricted,omitempty"`

	// Charts lets kustomizations render charts: helmCharts.
	Charts bool `json:"charts,omitempty"`

	NamePrefix  string            `json:"namePrefix,omitempty"`
	NameSuffix  string            `json:"nameSuffix,omitempty"`
	Namespace   string            `json:"namespace,omitempty"`
	Images      []KustomizeImage  `json:"images,omitempty"`
	Replicas    []KustomizeCount  `json:"replicas,omitempty"`
	Patches     []KustomizePatch  `json:"patches,omitempty"`
	Components  []string          `json:"components,omitempty"`
	Labels      map[string]string `json:"labels,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`

	// KeepImageNames lets an image without NewName keep the one that the
	// kustomization file gives it; the tag and digest are replaced together.
	// Otherwise an image replaces the file's entry as a whole, where "*" keeps a part.
	KeepImageNames bool `json:"keepImageNames,omitempty"`

	IgnoreMissingComponents bool `json:"ignoreMissingComponents,omitempty"`
	LabelsInSelectors       bool `json:"labelsInSelectors,omitempty"` // also into selectors and templates, kustomize's commonLabels
	LabelsInTemplates       bool `json:"labelsInTemplates,omitempty"` // also into pod templates
	ForceLabels             bool `json:"forceLabels,omitempty"`       // replace labels that the kustomization already sets
	ForceAnnotations        bool `json:"forceAnnotations,omitempty"`  // replace annotations that the kustomization already sets
}

// KustomizeImage replaces an image's name, tag or digest.
type KustomizeImage struct {
	Name    string `json:"name"`
	NewName string `json:"newName,omitempty"`
	NewTag  string `json:"newTag,omitempty"`
	Digest  string `json:"digest,omitempty"`
}

// KustomizeCount sets the replicas of the workloads called Name.
type KustomizeCount struct {
	Name  string `json:"name"`
	Count int64  `json:"count"`
}

// KustomizePatch is a strategic merge or JSON 6902 patch, inline or from a file.
type KustomizePatch struct {
	Path    string           `json:"path,omitempty"`
	Patch   string           `json:"patch,omitempty"`
	Target  *KustomizeTarget `json:"target,omitempty"`
	Options map[string]bool  `json:"options,omitempty"` // allowNameChange, allowKindChange
}

// KustomizeTarget selects the objects that a patch changes; empty fields match all.
type KustomizeTarget struct {
	Group              string `json:"group,omitempty"`
	Version            string `json:"version,omitempty"`
	Kind               string `json:"kind,omitempty"`
	Name               string `json:"name,omitempty"`
	Namespace          string `json:"namespace,omitempty"`
	LabelSelector      string `json:"labelSelector,omitempty"`
	AnnotationSelector string `json:"annotationSelector,omitempty"`
}

// HelmOptions are what `helm template` is told. Precedence, lowest first: the
// chart's values.yaml, ValueFiles in order, Values, Parameters in order.
type HelmOptions struct {
	ReleaseName string `json:"releaseName,omitempty"`

	ValueFiles              []string              `json:"valueFiles,omitempty"` // relative to Path, or to the root when they begin with "/"; globs allowed
	IgnoreMissingValueFiles bool                  `json:"ignoreMissingValueFiles,omitempty"`
	Values                  *runtime.RawExtension `json:"values,omitempty"` // one JSON object
	Parameters              []HelmParameter       `json:"parameters,omitempty"`
	FileParameters          []HelmFileParameter   `json:"fileParameters,omitempty"`

	SkipCRDs             bool `json:"skipCrds,omitempty"`
	SkipTests            bool `json:"skipTests,omitempty"`
	SkipSchemaValidation bool `json:"skipSchemaValidation,omitempty"`
}

// HelmParameter is one --set (or --set-string when ForceString) option.
type HelmParameter struct {
	Name        string `json:"name"`
	Value       string `json:"value"`
	ForceString bool   `json:"forceString,omitempty"`
}

// HelmFileParameter is one --set-file option.
type HelmFileParameter struct {
	Name string `json:"name"`
	Path string `json:"path"` // resolved like a value file
}

// Result is what a render produced.
type Result struct {
	Tool      Tool
	Manifests []object.Manifest // in the order of the tool's output; keys as written, not defaulted
	Warnings  []string          // for the user, e.g. a file that was skipped and why
	Impure    string            // why equal inputs may render differently ("the chart uses now"); empty: they do not
	Digest    string            // of the objects, see Digest; equal digests mean equal output
}
