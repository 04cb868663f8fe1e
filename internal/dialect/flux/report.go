package flux

import (
	"slices"
	"strings"
	"time"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	"github.com/fluxcd/pkg/apis/meta"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/plumbline-dev/plumbline/internal/core/app"
	"github.com/plumbline-dev/plumbline/internal/core/condition"
	"github.com/plumbline-dev/plumbline/internal/core/object"
	"github.com/plumbline-dev/plumbline/internal/core/plan"
)

// Prepare makes plan items of built manifests: common metadata and the owner's
// labels are written on every object, stages are assigned. Manifests are not
// changed; repeated objects are an error.
func Prepare(k *kustomizev1.Kustomization, manifests []object.Manifest, namespaced func(object.Key) bool) ([]plan.Item, []condition.Problem, error) {
	var items []plan.Item
	for _, m := range manifests {
		if HandsOff(m.Object) {
			continue
		}
		mode := m.Object.GetAnnotations()[annotateSSA]
		if mode != "" && !strings.EqualFold(mode, "Override") {
			return nil, nil, condition.Newf(condition.NotSupported, "%s in %s: annotation %s: %q is not supported by this version", m.Key(), m.Origin.File, annotateSSA, mode)
		}
		obj := m.Object.DeepCopy()
		object.FoldStringData(obj)
		switch {
		case !namespaced(m.Key()):
			unstructured.RemoveNestedField(obj.Object, "metadata", "namespace")
		case obj.GetNamespace() == "":
			return nil, nil, condition.Newf(condition.RenderFailed, "%s in %s: namespace not specified: set metadata.namespace there or spec.targetNamespace", m.Key(), m.Origin.File)
		}
		annotations, labels := obj.GetAnnotations(), obj.GetLabels()
		if c := k.Spec.CommonMetadata; c != nil {
			annotations, labels = merged(annotations, c.Annotations), merged(labels, c.Labels)
		}
		obj.SetAnnotations(annotations)
		obj.SetLabels(merged(labels, map[string]string{labelName: k.Name, labelNamespace: k.Namespace}))
		key := object.KeyOf(obj)
		items = append(items, plan.Item{
			Manifest: object.Manifest{Object: obj, Origin: m.Origin},
			Wave:     plan.Stage(key),
			Force:    k.Spec.Force || strings.EqualFold(annotations[annotateForce], kustomizev1.EnabledValue),
		})
	}
	return items, nil, nil
}

// HandsOff reports whether an object, declared or live, asks to be neither
// applied nor pruned.
func HandsOff(obj *unstructured.Unstructured) bool {
	notes := obj.GetAnnotations()
	return disabled(notes[annotateRec], obj.GetLabels()[annotateRec]) || strings.EqualFold(notes[annotateSSA], kustomizev1.IgnoreValue)
}

// LeftAlone returns the keys of the declared objects that Prepare leaves out
// because they ask for it. They did not leave the source: what is live of them
// must not be pruned, marked by an annotation or not.
func LeftAlone(manifests []object.Manifest, namespaced func(object.Key) bool) map[object.Key]bool {
	keys := map[object.Key]bool{}
	for _, m := range manifests {
		if !HandsOff(m.Object) {
			continue
		}
		key := m.Key()
		if !namespaced(key) {
			key.Namespace = ""
		}
		keys[key] = true
	}
	return keys
}

func merged(base, over map[string]string) map[string]string {
	if len(over) == 0 {
		return base
	}
	out := make(map[string]string, len(base)+len(over))
	for k, v := range base {
		out[k] = v
	}
	for k, v := range over {
		out[k] = v
	}
	return out
}

// KeepOnPrune says why a live object is never deleted; "" lets it go.
func KeepOnPrune(live *unstructured.Unstructured) string {
	notes, labels := live.GetAnnotations(), live.GetLabels()
	switch {
	case disabled(notes[annotatePrune], labels[annotatePrune]):
		return "the object asks not to be pruned"
	case disabled(notes[annotateRec], labels[annotateRec]):
		return "the object asks not to be reconciled"
	case strings.EqualFold(notes[annotateSSA], kustomizev1.IgnoreValue):
		return "the object asks to be ignored"
	}
	return ""
}

// Report writes the outcome of a reconcile into a copy of k. Times are taken
// from now and only where something changed.
func Report(k *kustomizev1.Kustomization, out app.Outcome, revision string, now time.Time) *kustomizev1.Kustomization {
	next := k.DeepCopy()
	if out.Gone {
		next.Finalizers = slices.DeleteFunc(next.Finalizers, func(f string) bool { return f == Finalizer })
		return next
	}
	st := &next.Status
	st.ObservedGeneration = k.Generation
	if out.RefreshSeen != "" {
		st.LastHandledReconcileAt = out.RefreshSeen
	}
	if out.Compared && revision != "" {
		st.LastAttemptedRevision = revision
		st.Inventory = inventory(out.Inventory)
	}
	list := &conditionList{generation: k.Generation, now: now, list: st.Conditions}
	switch failed := firstFailure(out.Problems); {
	case failed != nil:
		reportFailure(list, *failed)
	case out.Waiting != "":
		list.remove(meta.StalledCondition)
		list.set(meta.ReconcilingCondition, metav1.ConditionTrue, meta.ProgressingReason, out.Waiting)
		list.set(meta.ReadyCondition, metav1.ConditionUnknown, meta.ProgressingReason, out.Waiting)
		if k.Spec.Wait || len(k.Spec.HealthChecks) > 0 {
			list.set(meta.HealthyCondition, metav1.ConditionUnknown, meta.ProgressingReason, out.Waiting)
		}
	case out.Compared:
		if st.LastAppliedRevision != revision {
			st.LastAppliedRevision = revision
		}
		list.remove(meta.StalledCondition)
		list.remove(meta.ReconcilingCondition)
		list.set(meta.ReadyCondition, metav1.ConditionTrue, meta.ReconciliationSucceededReason, "Applied revision: "+revision)
		if k.Spec.Wait || len(k.Spec.HealthChecks) > 0 {
			list.set(meta.HealthyCondition, metav1.ConditionTrue, meta.SucceededReason, "Health check passed")
		} else {
			list.remove(meta.HealthyCondition)
		}
	}
	if out.Guarded {
		reportHeld(list, out.Problems)
	}
	st.Conditions = list.list
	return next
}

// conditionPruneHeld is a condition that only this engine sets: objects that
// left the source stay until a person confirms.
const (
	conditionPruneHeld = "PruneHeld"
	reasonTooMany      = "TooMany"
	reasonCollateral   = "Collateral"
	reasonMove         = "Move"
)

func reportHeld(list *conditionList, problems []condition.Problem) {
	reason, texts := "", []string(nil)
	for _, p := range problems {
		switch {
		case p.Reason == condition.PruneHeld:
			reason = reasonTooMany
		case p.Reason == condition.CollateralHeld && reason == "":
			reason = reasonCollateral
		case p.Reason == condition.MoveHeld && reason == "":
			reason = reasonMove
		}
		if p.Reason.Holds() {
			texts = append(texts, p.Message)
		}
	}
	if reason == "" {
		list.remove(conditionPruneHeld)
		return
	}
	list.set(conditionPruneHeld, metav1.ConditionTrue, reason, condition.Summary(texts))
}

// HeldPrunes returns why deletions of a Kustomization wait for a person, and the
// commit that asks for them.
func HeldPrunes(k *kustomizev1.Kustomization) (revision string, texts []string) {
	if c := apimeta.FindStatusCondition(k.Status.Conditions, conditionPruneHeld); c != nil {
		texts = append(texts, c.Message)
	}
	return commitOf(k.Status.LastAttemptedRevision), texts
}

func firstFailure(problems []condition.Problem) *condition.Problem {
	for i := range problems {
		if !problems[i].Reason.Warning() {
			return &problems[i]
		}
	}
	return nil
}

func reportFailure(list *conditionList, p condition.Problem) {
	reason := reasonOf(p.Reason)
	list.set(meta.ReadyCondition, metav1.ConditionFalse, reason, p.Message)
	if p.Reason == condition.HealthFailed {
		list.set(meta.HealthyCondition, metav1.ConditionFalse, reason, p.Message)
	}
	if p.Reason == condition.InvalidSpec || p.Reason == condition.NotSupported || p.Reason == condition.NotPermitted {
		list.set(meta.StalledCondition, metav1.ConditionTrue, reason, p.Message)
		list.remove(meta.ReconcilingCondition)
		return
	}
	list.remove(meta.StalledCondition)
	list.set(meta.ReconcilingCondition, metav1.ConditionTrue, meta.ProgressingWithRetryReason, p.Message)
}

func reasonOf(r condition.Reason) string {
	switch r {
	case condition.SourceFailed:
		return meta.ArtifactFailedReason
	case condition.RenderFailed, condition.PlanInvalid:
		return meta.BuildFailedReason
	case condition.DependencyWait:
		return meta.DependencyNotReadyReason
	case condition.PruneFailed, condition.SyncHeld, condition.DeleteFailed:
		return meta.PruneFailedReason
	case condition.HealthFailed:
		return meta.HealthCheckFailedReason
	case condition.NotPermitted:
		return "AccessDenied"
	case condition.NotSupported:
		return meta.FeatureGateDisabledReason
	default:
		return meta.ReconciliationFailedReason
	}
}

func inventory(inv object.Inventory) *kustomizev1.ResourceInventory {
	out := &kustomizev1.ResourceInventory{Entries: make([]kustomizev1.ResourceRef, 0, len(inv))}
	for _, e := range inv {
		out.Entries = append(out.Entries, kustomizev1.ResourceRef{ID: FormatID(e.Key), Version: e.Version})
	}
	slices.SortFunc(out.Entries, func(a, b kustomizev1.ResourceRef) int { return strings.Compare(a.ID, b.ID) })
	return out
}
