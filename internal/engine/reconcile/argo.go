package reconcile

import (
	"context"
	"fmt"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/plumbline-dev/plumbline/api/argoproj/v1alpha1"
	"github.com/plumbline-dev/plumbline/internal/core/app"
	"github.com/plumbline-dev/plumbline/internal/core/condition"
	"github.com/plumbline-dev/plumbline/internal/core/gate"
	"github.com/plumbline-dev/plumbline/internal/core/health"
	"github.com/plumbline-dev/plumbline/internal/core/object"
	"github.com/plumbline-dev/plumbline/internal/core/plan"
	"github.com/plumbline-dev/plumbline/internal/core/render"
	"github.com/plumbline-dev/plumbline/internal/core/source"
	"github.com/plumbline-dev/plumbline/internal/dialect/argo"
	"github.com/plumbline-dev/plumbline/internal/dialect/flux"
)

// Applications loads and reports Argo CD's Application objects.
type Applications struct {
	Client   client.Client // reads from a cache
	Direct   client.Reader // reads past it; nil where there is one replica
	Settings argo.Settings
	Config   func() (health.Checks, argo.Config) // of the installation, as they are now; nil: none
	Clusters Resolver                            // nil: there is no cluster but the engine's own

	written written
}

// Resolver finds out which cluster a destination is.
type Resolver interface {
	Resolve(id app.ID, to app.Destination) (app.Destination, app.Cluster, error)
}

// nowhere knows no registered cluster.
type nowhere struct{}

func (nowhere) Resolve(_ app.ID, to app.Destination) (app.Destination, app.Cluster, error) {
	return app.Clusters(nil).Resolve(to, argo.InCluster)
}

// resolve completes the destination.
func (a *application) resolve() {
	if len(a.app.Problems) > 0 && a.app.Target.Server == "" && a.app.Target.Cluster == "" {
		return // it names none
	}
	var clusters Resolver = nowhere{}
	if a.Applications.Clusters != nil {
		clusters = a.Applications.Clusters
	}
	var err error
	if a.app.Target, a.cluster, err = clusters.Resolve(a.app.ID, a.app.Target); err != nil {
		a.app.Problems = append(a.app.Problems, condition.Of(err, condition.InvalidSpec))
		if a.app.Deletion != nil {
			a.app.Deletion.Held = err.Error() + "; remove the finalizer to leave the objects there"
		}
	}
}

// Load implements Dialect.
func (d *Applications) Load(ctx context.Context, id app.ID) (Subject, error) {
	if !d.Settings.Admits(id.Namespace) {
		return nil, app.ErrGone // it is none of ours
	}
	obj := &v1alpha1.Application{}
	if err := d.Client.Get(ctx, client.ObjectKey{Namespace: id.Namespace, Name: id.Name}, obj); err != nil {
		if apierrors.IsNotFound(err) {
			d.written.forget(id)
			return nil, app.ErrGone
		}
		return nil, err
	}
	if d.written.behind(id, obj) {
		return nil, errBehind
	}
	s := &application{Applications: d, obj: obj}
	var config argo.Config
	if d.Config != nil {
		s.checks, config = d.Config()
	}
	s.app = d.Settings.Under(config).Decode(obj)
	s.app.Ignores = slices.Concat(config.Ignores, s.app.Ignores)
	s.app.Kinds = config.Kinds
	s.resolve()
	if len(s.cluster.Namespaces) > 0 && !s.cluster.Wide {
		s.app.Policy.CreateNamespace = false // those that there are, are there
	}
	project, err := d.project(ctx, s.app.Project, config)
	switch {
	case apierrors.IsNotFound(err):
		s.projectErr = condition.Newf(condition.InvalidSpec, "application referencing project %s which does not exist", s.app.Project)
		if s.app.Deletion != nil {
			s.app.Deletion.Held = fmt.Sprintf("project %s does not exist, so that it cannot be told what may be deleted: create it again, or remove the finalizer to leave the objects", s.app.Project)
		}
	case err != nil:
		return nil, err
	}
	s.project = project
	s.app.Orphans, s.app.Signatures, s.app.Keys = s.project.Orphans, s.project.Signatures, config.Keys
	s.app.Policy.PruneLimit = s.app.Policy.PruneLimit.Or(s.project.PruneLimit)
	if account, err := gate.Account(s.project, s.app.Target, s.app.ID.Namespace); err != nil {
		s.app.Problems = append(s.app.Problems, condition.Of(err, condition.InvalidSpec))
		if s.app.Deletion != nil && s.app.Deletion.Held == "" {
			s.app.Deletion.Held = err.Error() // nothing is deleted in another name
		}
	} else {
		s.app.Target.RunAs = account
	}
	if len(s.app.Local) > 0 && len(s.app.Signatures) > 0 {
		s.app.Problems = append(s.app.Problems, condition.Of(fmt.Errorf("operation: local manifests are refused, because project %s wants to know who signed what is delivered", s.project.Name), condition.NotPermitted))
	}
	s.app.Windows = gate.WindowsOf(s.project, s.app)
	return s, nil
}

// project reads a project with what it inherits.
func (d *Applications) project(ctx context.Context, name string, config argo.Config) (app.Project, error) {
	read := func(name string) (*v1alpha1.AppProject, error) {
		project := &v1alpha1.AppProject{}
		return project, d.Client.Get(ctx, client.ObjectKey{Namespace: d.Settings.Namespace, Name: name}, project)
	}
	obj, err := read(name)
	if err != nil {
		return app.Project{}, err
	}
	project := argo.DecodeProject(obj)
	for _, other := range config.Inherited(name, obj.Labels) {
		base, err := read(other)
		if apierrors.IsNotFound(err) {
			continue // it gives nothing
		}
		if err != nil {
			return app.Project{}, err
		}
		project = project.With(argo.DecodeProject(base))
	}
	return project, nil
}

// Arrivals implements Dialect.
func (d *Applications) Arrivals(ctx context.Context, came func(app.ID) bool) ([]app.ID, error) {
	list := &metav1.PartialObjectMetadataList{}
	list.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind(v1alpha1.ApplicationKind + "List"))
	var in []client.ListOption
	if len(d.Settings.Namespaces) == 0 {
		in = append(in, client.InNamespace(d.Settings.Namespace))
	}
	return d.written.arrivals(ctx, d.Direct, list, func(namespace, name string) (app.ID, bool) {
		id := app.ID{Kind: v1alpha1.ApplicationKind, Namespace: namespace, Name: name}
		return id, d.Settings.Admits(namespace) && came(id)
	}, in...)
}

// application is one loaded Application.
type application struct {
	*Applications
	obj        *v1alpha1.Application
	app        app.Application
	cluster    app.Cluster // as registered; zero for the engine's own
	checks     health.Checks
	project    app.Project
	projectErr error
}

func (a *application) Traits() Traits {
	return Traits{
		Manager: argo.Manager, Takeover: argo.TakeoverOf(a.obj), Order: plan.ByWave, Trails: true, Checks: a.checks,
		HookFinalizer: argo.HookFinalizer, Marked: a.Settings.Tracking != argo.TrackByLabel, Tracked: a.tracked,
	}
}

// tracked reports whether an object carries the mark of an application, of whatever
// dialect.
func (a *application) tracked(n gate.Neighbour) bool {
	_, ours := a.Settings.Owner(n.Key, n.Labels, n.Notes)
	_, others := flux.Owner(n.Labels)
	return ours || others
}

func (a *application) Application() app.Application { return a.app }

func (a *application) Pinned() (source.Revision, bool, error) { return source.Revision{}, false, nil }

func (a *application) Admit() error {
	if a.projectErr != nil {
		return a.projectErr
	}
	if a.app.ID.Namespace != a.Settings.Namespace && !a.project.Namespaces.Match(a.app.ID.Namespace) {
		return condition.Newf(condition.NotPermitted, "application in namespace %s is not permitted to use project %s", a.app.ID.Namespace, a.project.Name)
	}
	return gate.Admit(a.project, a.app.Sources, a.app.Target, a.cluster)
}

func (a *application) Permit(key object.Key) error {
	if a.projectErr != nil {
		return a.projectErr
	}
	return gate.Permits(a.project, key, a.app.Target, a.cluster)
}

func (a *application) Trusts(url string) bool { return gate.AdmitsSource(a.project, url) }

func (a *application) Request(from app.Source, tree source.Tree) (render.Request, error) {
	return a.Settings.Request(a.app, from, tree)
}

func (a *application) Blocked(context.Context) error { return nil }

func (a *application) Prepare(ms []object.Manifest, namespaced func(object.Key) bool) ([]plan.Item, []condition.Problem, error) {
	return a.Settings.Prepare(a.app, ms, namespaced)
}

func (a *application) Override(options []string) (app.Policy, error) {
	return argo.Override(a.app.Policy, options)
}

func (a *application) Owner(live *unstructured.Unstructured) (app.ID, bool) {
	return a.Settings.Owner(object.KeyOf(live), live.GetLabels(), live.GetAnnotations())
}

func (a *application) KeepOnPrune(live *unstructured.Unstructured) string {
	return a.Settings.KeepOnPrune(a.app, live)
}

func (a *application) KeepOnDelete(live *unstructured.Unstructured) string {
	return a.Settings.KeepOnDelete(a.app, live)
}

func (a *application) AsksOnPrune(live *unstructured.Unstructured) bool {
	return argo.AsksOnPrune(a.app, live)
}

func (a *application) AsksOnDelete(live *unstructured.Unstructured) bool {
	return argo.AsksOnDelete(a.app, live)
}

func (a *application) PruneWave(live *unstructured.Unstructured) (int, bool) {
	return argo.PruneWave(live)
}
func (a *application) HandsOff(*unstructured.Unstructured) bool { return false }

func (a *application) IgnoresExtra(live *unstructured.Unstructured) bool {
	return argo.IgnoresExtra(live)
}
func (a *application) IgnoresHealth(obj *unstructured.Unstructured) bool {
	return argo.IgnoresHealth(obj)
}

func (a *application) IsHook(obj *unstructured.Unstructured) bool { return argo.IsHook(obj) }

func (a *application) Arm(hook plan.Item, run app.Run) (plan.Item, error) {
	return a.Settings.Arm(a.app, hook, run)
}

func (a *application) AttemptOf(live *unstructured.Unstructured) string {
	return argo.AttemptOf(live)
}

// Report writes status, the removal of handled requests, or the finalizers in
// one patch, and none when nothing differs.
func (a *application) Report(ctx context.Context, out app.Outcome, now time.Time) error {
	next := a.Settings.Report(a.obj, out, now)
	patch, err := client.MergeFrom(a.obj).Data(next)
	if err != nil {
		return fmt.Errorf("application %s: status: %w", a.app.ID, err)
	}
	if string(patch) == "{}" {
		return nil
	}
	stored := metadataOf(next, v1alpha1.GroupVersion.WithKind(v1alpha1.ApplicationKind))
	err = a.Client.Patch(ctx, stored, client.RawPatch(types.MergePatchType, patch), client.FieldOwner("plumbd"))
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("application %s: status: %w", a.app.ID, err)
	}
	a.written.note(a.app.ID, stored)
	a.obj = next // for what follows in the same reconcile
	return nil
}

// metadataOf names an object of which a patch shall answer the metadata alone:
// nobody reads the rest, and it is most of the answer.
func metadataOf(obj client.Object, gvk schema.GroupVersionKind) *metav1.PartialObjectMetadata {
	m := &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Namespace: obj.GetNamespace(), Name: obj.GetName()}}
	m.SetGroupVersionKind(gvk)
	return m
}

// EnsureDefaultProject creates the project "default" when there is none, and its
// namespace. Where there is, it only reads.
func EnsureDefaultProject(ctx context.Context, c client.Client, namespace string) error {
	project := argo.DefaultProject(namespace)
	err := c.Get(ctx, client.ObjectKeyFromObject(project), project.DeepCopy())
	if err == nil {
		return nil
	}
	if apierrors.IsNotFound(err) {
		ns := &unstructured.Unstructured{}
		ns.SetGroupVersionKind(schema.GroupVersionKind{Version: "v1", Kind: "Namespace"})
		ns.SetName(namespace)
		if err = c.Create(ctx, ns); err == nil || apierrors.IsAlreadyExists(err) {
			err = c.Create(ctx, project)
		}
	}
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("project default in %s: %w", namespace, err)
	}
	return nil
}
