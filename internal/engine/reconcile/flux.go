package reconcile

import (
	"context"
	"fmt"
	"slices"
	"time"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	"github.com/fluxcd/pkg/apis/meta"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/plumbline-dev/plumbline/internal/core/app"
	"github.com/plumbline-dev/plumbline/internal/core/condition"
	"github.com/plumbline-dev/plumbline/internal/core/object"
	"github.com/plumbline-dev/plumbline/internal/core/plan"
	"github.com/plumbline-dev/plumbline/internal/core/render"
	"github.com/plumbline-dev/plumbline/internal/core/source"
	"github.com/plumbline-dev/plumbline/internal/dialect/flux"
)

// Kustomizations loads and reports Flux's Kustomization objects.
type Kustomizations struct {
	Client client.Client // reads from a cache
	Direct client.Reader // reads past it; nil where there is one replica

	written written
}

// Load implements Dialect. The finalizer is added with the first load, before
// anything is applied.
func (d *Kustomizations) Load(ctx context.Context, id app.ID) (Subject, error) {
	obj := &kustomizev1.Kustomization{}
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
	if obj.DeletionTimestamp == nil && !slices.Contains(obj.Finalizers, flux.Finalizer) {
		next := obj.DeepCopy()
		next.Finalizers = append(next.Finalizers, flux.Finalizer)
		if err := d.Client.Patch(ctx, next, client.MergeFrom(obj)); err != nil {
			return nil, fmt.Errorf("kustomization %s: finalizer: %w", id, err)
		}
		obj = next
	}
	if obj.DeletionTimestamp != nil && !slices.Contains(obj.Finalizers, flux.Finalizer) {
		return nil, app.ErrGone
	}
	k := &kustomization{Kustomizations: d, obj: obj, app: flux.Decode(obj)}
	return k, k.loadSource(ctx)
}

// Arrivals implements Dialect.
func (d *Kustomizations) Arrivals(ctx context.Context, came func(app.ID) bool) ([]app.ID, error) {
	list := &metav1.PartialObjectMetadataList{}
	list.SetGroupVersionKind(kustomizev1.GroupVersion.WithKind(kustomizev1.KustomizationKind + "List"))
	return d.written.arrivals(ctx, d.Direct, list, func(namespace, name string) (app.ID, bool) {
		id := app.ID{Kind: kustomizev1.KustomizationKind, Namespace: namespace, Name: name}
		return id, came(id)
	})
}

// kustomization is one loaded Kustomization.
type kustomization struct {
	*Kustomizations
	obj       *kustomizev1.Kustomization
	app       app.Application
	revision  source.Revision
	sourceErr error
	alone     map[object.Key]bool // declared, and asking to be left alone
}

func (k *kustomization) loadSource(ctx context.Context) error {
	ref := k.app.Managed()
	if ref.Kind != sourcev1.GitRepositoryKind {
		return nil // refused by Decode
	}
	repo := &sourcev1.GitRepository{}
	err := k.Client.Get(ctx, client.ObjectKey{Namespace: ref.Namespace, Name: ref.Name}, repo)
	if apierrors.IsNotFound(err) {
		k.sourceErr = condition.Newf(condition.SourceFailed, "GitRepository %s/%s not found", ref.Namespace, ref.Name)
		return nil
	}
	if err != nil {
		return err
	}
	k.app, k.revision, k.sourceErr = flux.WithSource(k.app, repo)
	return nil
}

func (k *kustomization) Traits() Traits {
	return Traits{Manager: flux.Manager, Takeover: flux.Takeover, Order: plan.ByStage, Adopts: true, Strict: true, Announce: true}
}

func (k *kustomization) Application() app.Application { return k.app }

func (k *kustomization) Pinned() (source.Revision, bool, error) {
	return k.revision, true, k.sourceErr
}

func (k *kustomization) Admit() error            { return nil }
func (k *kustomization) Permit(object.Key) error { return nil }

func (k *kustomization) Trusts(string) bool { return false } // it renders no charts

func (k *kustomization) Request(from app.Source, _ source.Tree) (render.Request, error) {
	return from.Render, nil
}

// Blocked checks spec.dependsOn: each dependency has to be ready in its current
// generation, and at the newest revision where both read from one source.
func (k *kustomization) Blocked(ctx context.Context) error {
	for _, dep := range k.app.After {
		other := &kustomizev1.Kustomization{}
		err := k.Client.Get(ctx, client.ObjectKey{Namespace: dep.ID.Namespace, Name: dep.ID.Name}, other)
		if apierrors.IsNotFound(err) {
			return condition.Newf(condition.DependencyWait, "dependency '%s' not found", dep.ID)
		}
		if err != nil {
			return condition.Because(condition.DependencyWait, err)
		}
		if why := k.unready(other); why != "" {
			return condition.Newf(condition.DependencyWait, "dependency '%s' is not ready: %s", dep.ID, why)
		}
	}
	return nil
}

func (k *kustomization) unready(other *kustomizev1.Kustomization) string {
	switch ready := apimeta.FindStatusCondition(other.Status.Conditions, meta.ReadyCondition); {
	case ready == nil || other.Status.ObservedGeneration != other.Generation:
		return "it has not been reconciled yet"
	case ready.Status != "True":
		return ready.Message
	}
	from := k.app.Managed()
	if flux.UsesSource(other, from.Namespace, from.Name) && other.Status.LastAppliedRevision != flux.FormatRevision(k.revision) {
		return "it has not applied revision " + k.revision.String() + " yet"
	}
	return ""
}

func (k *kustomization) Prepare(ms []object.Manifest, namespaced func(object.Key) bool) ([]plan.Item, []condition.Problem, error) {
	k.alone = flux.LeftAlone(ms, namespaced)
	return flux.Prepare(k.obj, ms, namespaced)
}

func (k *kustomization) Override([]string) (app.Policy, error) { return k.app.Policy, nil }

func (k *kustomization) Owner(live *unstructured.Unstructured) (app.ID, bool) {
	return flux.Owner(live.GetLabels())
}

func (k *kustomization) KeepOnPrune(live *unstructured.Unstructured) string {
	if k.alone[object.KeyOf(live)] {
		return "the source asks for the object to be left alone"
	}
	return flux.KeepOnPrune(live)
}

func (k *kustomization) KeepOnDelete(live *unstructured.Unstructured) string {
	return flux.KeepOnPrune(live)
}

func (k *kustomization) AsksOnPrune(*unstructured.Unstructured) bool  { return false }
func (k *kustomization) AsksOnDelete(*unstructured.Unstructured) bool { return false }

func (k *kustomization) PruneWave(live *unstructured.Unstructured) (int, bool) {
	return plan.Stage(object.KeyOf(live)), false
}

func (k *kustomization) HandsOff(live *unstructured.Unstructured) bool { return flux.HandsOff(live) }

func (k *kustomization) IgnoresExtra(*unstructured.Unstructured) bool  { return !k.obj.Spec.Prune }
func (k *kustomization) IgnoresHealth(*unstructured.Unstructured) bool { return false }

// Kustomizations have no hooks.
func (k *kustomization) IsHook(*unstructured.Unstructured) bool           { return false }
func (k *kustomization) Arm(hook plan.Item, _ app.Run) (plan.Item, error) { return hook, nil }
func (k *kustomization) AttemptOf(*unstructured.Unstructured) string      { return "" }

// Report writes the status, or takes the finalizer off.
func (k *kustomization) Report(ctx context.Context, out app.Outcome, now time.Time) error {
	next := flux.Report(k.obj, out, flux.FormatRevision(k.revision), now)
	err := patchStatus(ctx, k.Client, k.obj, next, len(next.Finalizers) != len(k.obj.Finalizers))
	if err == nil {
		k.written.note(k.app.ID, next)
		k.obj = next
	}
	return err
}

// patchStatus writes what differs between old and next: the status, and with
// finalizers true the object itself.
func patchStatus(ctx context.Context, c client.Client, old, next client.Object, finalizers bool) error {
	patch := client.MergeFrom(old)
	data, err := patch.Data(next)
	if err != nil || string(data) == "{}" {
		return err
	}
	if finalizers {
		err = c.Patch(ctx, next, client.RawPatch(patch.Type(), data))
	} else {
		err = c.Status().Patch(ctx, next, client.RawPatch(patch.Type(), data), client.FieldOwner("plumbd"))
	}
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("%s/%s: status: %w", old.GetNamespace(), old.GetName(), err)
	}
	return nil
}
