package reconcile

import (
	"context"
	"errors"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/plumbline-dev/plumbline/internal/core/app"
	"github.com/plumbline-dev/plumbline/internal/core/chart"
	"github.com/plumbline-dev/plumbline/internal/core/condition"
	"github.com/plumbline-dev/plumbline/internal/core/gate"
	"github.com/plumbline-dev/plumbline/internal/core/health"
	core "github.com/plumbline-dev/plumbline/internal/core/schema"

	"github.com/plumbline-dev/plumbline/internal/core/object"
	"github.com/plumbline-dev/plumbline/internal/core/plan"
	"github.com/plumbline-dev/plumbline/internal/core/render"
	"github.com/plumbline-dev/plumbline/internal/core/signature"
	"github.com/plumbline-dev/plumbline/internal/core/source"
	"github.com/plumbline-dev/plumbline/internal/engine/apply"
	"github.com/plumbline-dev/plumbline/internal/engine/refresh"
)

// A Dialect loads the applications that users declare with one kind of object.
type Dialect interface {
	// Load reads an application with everything that its user declared about
	// it. It fails with app.ErrGone when there is none.
	Load(ctx context.Context, id app.ID) (Subject, error)
	// Arrivals lists the applications that came from another replica. It makes
	// sure that none of them is loaded as it was before that replica's last write.
	Arrivals(ctx context.Context, came func(app.ID) bool) ([]app.ID, error)
}

// Traits are what differs between dialects for all of their applications.
type Traits struct {
	Manager       string     // field manager of every apply
	Takeover      []string   // managers whose fields become ours
	Order         plan.Order // of objects
	Adopts        bool       // objects that stand as desired but belong to others are applied too
	Strict        bool       // repeated objects are an error
	Marked        bool       // a mark names its bearer and proves ownership even without an inventory
	Announce      bool       // what is about to be created is written to the inventory first
	HookFinalizer string     // kept on hooks until their end was seen; empty: there are no hooks

	Tracked func(gate.Neighbour) bool // whether an object has an application's mark; nil: that cannot be told

	Checks health.Checks // of health, before the built-in ones; nil: none
	Trails bool          // a revision that changes nothing of an application may be reported a little later
}

// A Subject is one application as it was loaded, and its dialect's judgement
// about the objects that belong to it.
type Subject interface {
	Traits() Traits
	Application() app.Application

	// Pinned returns the revision that the user's source object decided on, and
	// false when the engine resolves the reference itself.
	Pinned() (source.Revision, bool, error)
	// Admit checks the project's rules for the application as a whole.
	Admit() error
	// Permit checks the project's rules for one object.
	Permit(key object.Key) error
	// Blocked says which application has to become ready first; nil: none.
	Blocked(ctx context.Context) error

	// Trusts reports whether a repository that charts depend on may be shown the
	// credentials that are registered for it.
	Trusts(url string) bool
	// Request returns what to render of a source out of its files.
	Request(from app.Source, tree source.Tree) (render.Request, error)

	Prepare(manifests []object.Manifest, namespaced func(object.Key) bool) ([]plan.Item, []condition.Problem, error)
	Override(options []string) (app.Policy, error) // the policy under an operation's own options
	Owner(live *unstructured.Unstructured) (app.ID, bool)
	KeepOnPrune(live *unstructured.Unstructured) string
	KeepOnDelete(live *unstructured.Unstructured) string
	AsksOnPrune(live *unstructured.Unstructured) bool // a person has to agree first
	AsksOnDelete(live *unstructured.Unstructured) bool
	PruneWave(live *unstructured.Unstructured) (wave int, last bool)
	HandsOff(live *unstructured.Unstructured) bool // the live object asks not to be touched
	IgnoresExtra(live *unstructured.Unstructured) bool
	IgnoresHealth(obj *unstructured.Unstructured) bool

	// IsHook reports whether an object runs at a point of an operation instead of
	// being a part of the application.
	IsHook(obj *unstructured.Unstructured) bool
	// Arm returns a hook of Prepare as an attempt of an operation creates it, and
	// AttemptOf the attempt that an object was created for; see plan.Attempt.
	Arm(hook plan.Item, run app.Run) (plan.Item, error)
	AttemptOf(live *unstructured.Unstructured) string

	// Report writes the outcome to the user's object if it differs from what
	// stands there.
	Report(ctx context.Context, out app.Outcome, now time.Time) error
}

// Shares divides applications among replicas.
type Shares interface {
	// Begin starts work on an application. The context ends when the application
	// moves to another replica or nothing may be written any more; the function
	// is to be called when the work is done. It fails with shard.ErrElsewhere or
	// shard.ErrLapsed.
	Begin(ctx context.Context, id app.ID) (context.Context, func(), error)
}

// Moves says which applications come to this replica, and which leave it.
type Moves interface {
	Came(id app.ID) bool
	Left(id app.ID) bool
}

// Sources resolves and reads what applications come from.
type Sources interface {
	// Read and Now answer for each thing that is wanted, Tree reads one by its number.
	Read(reader app.ID, wants ...refresh.Want) []refresh.Seen
	Now(reader app.ID) []int64
	Forget(reader app.ID)
	Tree(ctx context.Context, reader app.ID, number int, rev source.Revision) (source.Tree, error)
	// History returns the commits and tags of one by its number; nil: it has none.
	History(ctx context.Context, reader app.ID, number int) (signature.History, error)
	// Chart reads a chart that another one depends on; a repository that trusts
	// denies is shown no credentials.
	Chart(ctx context.Context, d chart.Dependency, trusts func(url string) bool) (source.Tree, error)
}

// Renders turns a tree into manifests and remembers those it made.
type Renders interface {
	Render(ctx context.Context, req render.Request, tree source.Tree) (render.Result, error)
	// Mark returns what stands for a result, and the zero Mark if nothing does.
	Mark(req render.Request, res render.Result, tree source.Tree) render.Mark
	// Same reports whether it is known without rendering that the manifests are
	// those which mark stands for.
	Same(mark render.Mark, tree source.Tree) bool
}

// Clusters are the destinations. Implementations are safe for concurrent use.
type Clusters interface {
	// Of returns the cluster of an application's destination, without waiting. It
	// fails with ErrConnecting while it is not known yet whether the cluster answers.
	// Who is told so is looked at again when there is news.
	Of(id app.ID, to app.Destination) (Cluster, error)
	// Forget drops what every cluster keeps for an application.
	Forget(id app.ID)
}

// ErrConnecting says that a cluster is being connected to.
var ErrConnecting = errors.New("the cluster is being connected to")

// Only is the one destination of all applications.
func Only(c Cluster) Clusters { return only{c} }

type only struct{ Cluster }

func (o only) Of(app.ID, app.Destination) (Cluster, error) { return o.Cluster, nil }

func (o only) Forget(id app.ID) {
	o.Release(id)
	o.Claim(id, nil)
}

// Resource is how a cluster serves a kind.
type Resource struct {
	GVR        schema.GroupVersionResource
	GVK        schema.GroupVersionKind
	Namespaced bool
}

// A Cluster is one destination: its memory of live objects and its API server.
// All methods are safe for concurrent use.
type Cluster interface {
	// Resource finds how a kind is served. It fails with *UnknownKindError when
	// the cluster definitely has no such kind, and with another error when that
	// cannot be told at present.
	Resource(ctx context.Context, gk schema.GroupKind, version string) (Resource, error)
	Version() string
	APIVersions() []string
	// Schemas returns the structural types of the given group version and those
	// asked for before.
	Schemas(ctx context.Context, gv schema.GroupVersion) (*core.Set, error)

	// Require watches the kinds for user and waits until they are known. The
	// errors are per kind; kinds without one are ready.
	Require(ctx context.Context, user app.ID, resources []Resource) map[schema.GroupKind]error
	Release(user app.ID)
	Claim(user app.ID, keys []object.Key)
	Claimed(key object.Key) []app.ID // who claimed it
	Owned(user app.ID) []object.Key
	Meta(key object.Key) (Meta, bool)
	Live(key object.Key) (*unstructured.Unstructured, bool)

	// Inside lists what would go with a Namespace or with a
	// CustomResourceDefinition: all of it, or an error.
	Inside(ctx context.Context, live *unstructured.Unstructured) ([]gate.Neighbour, error)

	apply.Writer
}

// Meta identifies a state of a live object.
type Meta struct {
	UID, ResourceVersion string
	Going                bool // a deletion is under way
}

// UnknownKindError reports a kind that the cluster definitely does not serve.
type UnknownKindError struct {
	Kind schema.GroupKind
}

func (e *UnknownKindError) Error() string {
	return "the cluster has no kind " + e.Kind.String()
}

// Recorder counts what the engine does. Implementations are safe for
// concurrent use; nil values are not allowed, use NoRecorder.
type Recorder interface {
	// Begin is told that an application enters a stage: "reconcile" around all
	// others, or one of the pipeline's. What the stage does keeps to the returned
	// context, and the function ends it.
	Begin(ctx context.Context, id app.ID, stage string) (context.Context, func(error))
	// Drift counts objects that others changed and those that were put back.
	Drift(found, repaired int)
	Step(action plan.Action, err error)
}
