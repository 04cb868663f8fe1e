package cli

import (
	"context"
	"errors"
	"io"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/plumbline-dev/plumbline/internal/core/action"
	"github.com/plumbline-dev/plumbline/internal/core/app"
	"github.com/plumbline-dev/plumbline/internal/core/condition"
	"github.com/plumbline-dev/plumbline/internal/core/health"
	"github.com/plumbline-dev/plumbline/internal/core/object"
	"github.com/plumbline-dev/plumbline/internal/core/plan"
	"github.com/plumbline-dev/plumbline/internal/core/rbac"
	"github.com/plumbline-dev/plumbline/internal/core/render"
	core "github.com/plumbline-dev/plumbline/internal/core/schema"
	"github.com/plumbline-dev/plumbline/internal/core/source"
)

// Ports are what the commands need of the outside.
type Ports struct {
	Version string // of this program

	In       io.Reader
	Out, Err io.Writer
	Getenv   func(string) string
	Now      func() time.Time

	Dialects       func(Marks) ([]Dialect, error) // the kinds of applications
	Renderer       render.Renderer
	OpenRepository func(dir string) (Repository, error)
	Connect        func(ctx context.Context, to ClusterFlags) (Cluster, error)

	// Access returns who may do what by the policies of a control plane, and what of
	// them cannot be read.
	Access func(ctx context.Context, from Objects, controlPlane string) (policy rbac.Policy, faults, err error)

	// Actions returns what can be done to an object, as a control plane is configured.
	Actions func(ctx context.Context, from Objects, controlPlane string) (action.Book, error)
}

// Marks are what a server was told about how objects show their Application.
type Marks struct {
	ControlPlane string // namespace of the control plane
	Tracking     string // annotation, label or annotation+label
}

var defaultMarks = Marks{ControlPlane: "argocd", Tracking: "annotation"}

// ClusterFlags say which cluster to talk to; empty fields mean the kubeconfig's choice.
type ClusterFlags struct {
	Kubeconfig, Context string
}

// Repository reads a Git repository on this machine.
type Repository interface {
	Resolve(ref source.Ref) (source.Revision, error)
	Tree(rev source.Revision) (source.Tree, error)
}

// A Dialect knows one kind of object in which users declare applications.
type Dialect interface {
	Kind() schema.GroupVersionKind
	Aliases() []string // what users may call the kind, in lower case

	// Declare reads an object of the kind; others are the objects given with it.
	Declare(obj *unstructured.Unstructured, others []*unstructured.Unstructured) (Declaration, error)
	Summary(obj *unstructured.Unstructured) Summary

	// Refresh returns the merge patch that asks for a look at the source.
	Refresh(obj *unstructured.Unstructured, now time.Time) (Request, error)
	// Sync returns the merge patch that asks for a sync. It fails when the
	// object cannot be asked for that, or not now.
	Sync(obj *unstructured.Unstructured, want SyncOptions, now time.Time) (Request, error)
	// History lists the complete syncs that are remembered, the oldest first.
	History(obj *unstructured.Unstructured) ([]Deployment, error)
	// Held reads which deletions the server holds back.
	Held(obj *unstructured.Unstructured) (Held, error)
}

// Held are the deletions that wait for a person.
type Held struct {
	Revision  string   // full id of the commit that asks for them
	Messages  []string // none: nothing is held
	Automatic bool     // they go on by themselves once confirmed
}

// A Request is a merge patch that asks for something, and how to tell the answer.
type Request struct {
	Patch  []byte
	Source *SourceRequest // to be patched before; nil: none
	// Answer reads how far the request is from the object as it stands.
	Answer func(obj *unstructured.Unstructured) Answer
}

// SourceRequest is a patch of the object that an application's source is.
type SourceRequest struct {
	Kind            schema.GroupVersionKind
	Namespace, Name string
	Patch           []byte
}

// Answer is how far a request got.
type Answer struct {
	Done    bool
	OK      bool // when done: it succeeded
	Phase   string
	Message string
	Results []app.Result
}

// SyncOptions are what a user asks of one sync.
type SyncOptions struct {
	Prune, DryRun bool
	Revision      string
	Only          []app.Selector
	WithSource    bool
	Back          *int64 // ID of the Deployment to deliver again; below 0: the one before the last
	User          string
}

// Declaration is one application as an object declares it.
type Declaration struct {
	App      app.Application
	Warnings []string // about the object itself, such as unknown fields
	Manager  string   // field manager of applies
	Takeover []string
	Order    plan.Order
	Strict   bool // repeated objects are an error

	Elsewhere string // which cluster its objects are in; empty: in that of the declaration

	// Request returns what to render of a source out of its files; nil: as the source says.
	Request       func(from app.Source, tree source.Tree) (render.Request, error)
	Prepare       func(manifests []object.Manifest, namespaced func(object.Key) bool) ([]plan.Item, []condition.Problem, error)
	Owner         func(live *unstructured.Unstructured) (app.ID, bool)
	KeepOnPrune   func(live *unstructured.Unstructured) string
	AsksOnPrune   func(live *unstructured.Unstructured) bool
	PruneWave     func(live *unstructured.Unstructured) (wave int, last bool)
	IgnoresExtra  func(live *unstructured.Unstructured) bool
	IgnoresHealth func(live *unstructured.Unstructured) bool
	IsHook        func(live *unstructured.Unstructured) bool // runs at a point of a sync, and is not compared
}

// Summary is one line about an application.
type Summary struct {
	Kind        string      `json:"kind"`
	Namespace   string      `json:"namespace"`
	Name        string      `json:"name"`
	From        string      `json:"from"` // project or source
	Sync        string      `json:"sync"`
	Health      health.Code `json:"health"`
	Revision    string      `json:"revision"`
	Message     string      `json:"message"`
	Repository  string      `json:"repository,omitempty"`
	Path        string      `json:"path,omitempty"`
	Destination string      `json:"destination,omitempty"`
}

// Errors of a Cluster that commands tell apart.
var (
	ErrNotFound = errors.New("not found")
	ErrNoKind   = errors.New("the cluster has no such kind")
	ErrConflict = errors.New("the object has changed meanwhile")
)

// A Cluster is read, and asked by patches of users' own objects.
type Cluster interface {
	Objects
	Live
	Host() string
}

// Objects are the users' objects that declare applications.
type Objects interface {
	List(ctx context.Context, kind schema.GroupVersionKind, namespace string) ([]*unstructured.Unstructured, error)
	Get(ctx context.Context, kind schema.GroupVersionKind, namespace, name string) (*unstructured.Unstructured, error)
	// Patch fails with ErrConflict when obj has a resource version that is not
	// the current one.
	Patch(ctx context.Context, obj *unstructured.Unstructured, mergePatch []byte) (*unstructured.Unstructured, error)
	// Watch calls visit with every object of a kind as it is and with each
	// change, until visit returns false or ctx ends.
	Watch(ctx context.Context, kind schema.GroupVersionKind, where Where, visit func(Event) bool) error
	// PatchStatus is Patch of the status of an object whose kind keeps that apart.
	PatchStatus(ctx context.Context, obj *unstructured.Unstructured, mergePatch []byte) error
	Create(ctx context.Context, obj *unstructured.Unstructured) (*unstructured.Unstructured, error)
}

// Where narrows a watch; empty fields mean any.
type Where struct{ Namespace, Name string }

// Event is one state of an object.
type Event struct {
	Object *unstructured.Unstructured
	Gone   bool
}

// Live is what a comparison asks a cluster.
type Live interface {
	KubeVersion() string
	APIVersions() []string
	// Namespaced reports whether a kind lives in namespaces; it fails with
	// ErrNoKind when the cluster definitely does not have the kind.
	Namespaced(ctx context.Context, kind schema.GroupVersionKind) (bool, error)
	Schemas(ctx context.Context, gv schema.GroupVersion) (*core.Set, error)
	// DryRun returns what an apply by manager would store.
	DryRun(ctx context.Context, obj *unstructured.Unstructured, manager string) (*unstructured.Unstructured, error)
}
