package argo

import (
	"cmp"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/plumbline-dev/plumbline/api/argoproj/v1alpha1"
	"github.com/plumbline-dev/plumbline/internal/core/app"
	"github.com/plumbline-dev/plumbline/internal/core/condition"
	"github.com/plumbline-dev/plumbline/internal/core/health"
	"github.com/plumbline-dev/plumbline/internal/core/source"
)

// Report writes the outcome of a reconcile into a copy of a: its status, the
// removal of a handled request and of a handled refresh annotation. Times are
// taken from now and only where something changed, so that a second report of
// the same outcome equals the first.
func (s Settings) Report(a *v1alpha1.Application, out app.Outcome, now time.Time) *v1alpha1.Application {
	next := a.DeepCopy()
	at := metav1.NewTime(now.Truncate(time.Second))
	if out.Gone {
		next.Finalizers = slices.DeleteFunc(next.Finalizers, func(f string) bool {
			return f == Finalizer || f == finalizerForeground || f == finalizerBackground || deleteFinalizers[strings.TrimSuffix(f, cleanup)] != ""
		})
		return next
	}
	next.Finalizers = lastWords(a, out)
	st := &next.Status
	if out.Contested {
		st.Conditions = beside(a.Status.Conditions, conditions(a.Status.Conditions, out, at))
		return next
	}
	st.Conditions = conditions(a.Status.Conditions, out, at)
	st.ControllerNamespace = s.Namespace
	st.OperationState = s.operationState(a, out)
	if out.Run != nil && out.Run.Phase.Done() && out.Answers {
		next.Operation = nil
	}
	if out.RefreshSeen != "" && a.Annotations[refreshAnnotation] == out.RefreshSeen {
		delete(next.Annotations, refreshAnnotation)
	}
	if out.Sync != "" {
		st.Sync.Status = v1alpha1.SyncCode(out.Sync)
	}
	seen := out.Health
	if seen.Code == "" { // not looked at
		seen = health.Status{Code: cmp.Or(health.Code(a.Status.Health.Status), health.Unknown), Message: a.Status.Health.Message}
	}
	st.Health = healthStatus(a.Status.Health, seen, at)
	if !out.Compared {
		return next
	}
	if own := compared(a, out); own != nil {
		st.Sync, st.SourceType, st.SourceTypes = own.Sync, own.SourceType, own.SourceTypes
		st.Sync.Status = v1alpha1.SyncCode(out.Sync)
	}
	st.Resources = resources(a.Status.Resources, out, at)
	st.Summary.Images = out.Images
	st.Summary.IsAppOfApps = slices.ContainsFunc(out.Resources, func(r app.Resource) bool {
		return r.Key.Group == v1alpha1.Group && r.Key.Kind == v1alpha1.ApplicationKind
	})
	st.History = s.history(a, out)
	if st.ReconciledAt == nil || out.RefreshSeen != "" || !equalStatus(a.Status, *st) {
		st.ReconciledAt = &at
	}
	return next
}

// deleteFinalizers are those that hooks of a deletion hold an Application by.
var deleteFinalizers = map[string]app.SyncPhase{finalizerPreDelete: app.PreDelete, finalizerPostDelete: app.PostDelete}

// lastWords returns the finalizers of an Application: while it lives, those of each
// phase of its deletion that has hooks, and then those whose hooks have not run, or
// were not cleared away. None can be added once it goes.
func lastWords(a *v1alpha1.Application, out app.Outcome) []string {
	living := a.DeletionTimestamp == nil && out.Compared && !out.Contested
	keeps := func(f string) bool {
		name, after := strings.CutSuffix(f, cleanup)
		phase := deleteFinalizers[name]
		switch {
		case phase == "":
			return true
		case living && after:
			return slices.Contains(out.Clears, phase)
		case living:
			return slices.Contains(out.Last, phase)
		case after:
			return !slices.Contains(out.Cleared, phase)
		}
		return !slices.Contains(out.Ended, phase)
	}
	var list []string
	for _, f := range a.Finalizers {
		if keeps(f) {
			list = append(list, f)
		}
	}
	for _, f := range []string{finalizerPreDelete, finalizerPreDelete + cleanup, finalizerPostDelete, finalizerPostDelete + cleanup} {
		if living && keeps(f) && !slices.Contains(list, f) {
			list = append(list, f)
		}
	}
	return list
}

// compared returns what a status says of the sources that were compared with, and
// nil if those are not the application's own.
func compared(a *v1alpha1.Application, out app.Outcome) *v1alpha1.ApplicationStatus {
	_, own := ownSources(a, func(condition.Reason, string, ...any) {})
	if _, asked := askedSources(a); len(own) == 0 || (len(asked) > 0 && digestOf(asked) != digestOf(own)) {
		return nil
	}
	st := &v1alpha1.ApplicationStatus{}
	st.Sync.Revision, st.Sync.Revisions = revisionTo(out.Revision, len(own), plural(a))
	st.Sync.ComparedTo = v1alpha1.ComparedTo{Destination: a.Spec.Destination, IgnoreDifferences: a.Spec.IgnoreDifferences}
	st.Sync.ComparedTo.Source, st.Sync.ComparedTo.Sources = sourcesTo(own, plural(a))
	for _, tool := range out.Tools {
		if !plural(a) {
			st.SourceType = toolName(tool)
			break
		}
		st.SourceTypes = append(st.SourceTypes, toolName(tool))
	}
	return st
}

// plural reports whether a status speaks of several sources, be it one.
func plural(a *v1alpha1.Application) bool { return len(a.Spec.Sources) > 0 }

// revisionTo splits a revision of n sources into the two fields of a status.
func revisionTo(rev source.Revision, n int, plural bool) (one string, several []string) {
	parts, ok := rev.Parts(n)
	if !plural || !ok {
		return rev.ID, nil
	}
	for _, part := range parts {
		several = append(several, part.ID)
	}
	return "", several
}

func conditions(old []v1alpha1.ApplicationCondition, out app.Outcome, at metav1.Time) []v1alpha1.ApplicationCondition {
	var list []v1alpha1.ApplicationCondition
	for _, c := range old {
		if !out.Guarded && slices.Contains(heldTypes, c.Type) {
			list = append(list, c)
		}
	}
	for _, p := range out.Problems {
		c := v1alpha1.ApplicationCondition{Type: conditionType(p.Reason), Message: p.Message, LastTransitionTime: &at}
		if i := slices.IndexFunc(old, func(o v1alpha1.ApplicationCondition) bool { return o.Type == c.Type && o.Message == c.Message }); i >= 0 {
			c.LastTransitionTime = old[i].LastTransitionTime
		}
		list = append(list, c)
	}
	slices.SortFunc(list, func(a, b v1alpha1.ApplicationCondition) int {
		return cmp.Or(strings.Compare(string(a.Type), string(b.Type)), strings.Compare(a.Message, b.Message))
	})
	return slices.CompactFunc(list, func(a, b v1alpha1.ApplicationCondition) bool { return a.Type == b.Type && a.Message == b.Message })
}

// beside adds conditions to those of another engine, which stay as they are.
func beside(others, own []v1alpha1.ApplicationCondition) []v1alpha1.ApplicationCondition {
	list := slices.DeleteFunc(slices.Clone(others), func(c v1alpha1.ApplicationCondition) bool { return c.Type == conditionOtherEngine })
	return append(list, slices.DeleteFunc(own, func(c v1alpha1.ApplicationCondition) bool { return c.Type != conditionOtherEngine })...)
}

// Condition types that only this engine sets.
const (
	conditionOtherEngine    v1alpha1.ConditionType = "OtherEngineWarning"
	conditionPruneHeld      v1alpha1.ConditionType = "PruneHeldWarning"
	conditionCollateralHeld v1alpha1.ConditionType = "CollateralHeldWarning"
	conditionMoveHeld       v1alpha1.ConditionType = "MoveHeldWarning"
)

var heldTypes = []v1alpha1.ConditionType{conditionPruneHeld, conditionCollateralHeld, conditionMoveHeld}

// HeldPrunes returns why deletions of an Application wait for a person.
func HeldPrunes(a *v1alpha1.Application) []string {
	var texts []string
	for _, c := range a.Status.Conditions {
		if slices.Contains(heldTypes, c.Type) {
			texts = append(texts, c.Message)
		}
	}
	return texts
}

func conditionType(r condition.Reason) v1alpha1.ConditionType {
	switch r {
	case condition.InvalidSpec, condition.NotPermitted, condition.NotSupported:
		return v1alpha1.ConditionInvalidSpecError
	case condition.SourceFailed, condition.RenderFailed, condition.CompareFailed, condition.PlanInvalid:
		return v1alpha1.ConditionComparisonError
	case condition.SyncHeld, condition.ApplyFailed, condition.PruneFailed, condition.DependencyWait, condition.HealthFailed:
		return v1alpha1.ConditionSyncError
	case condition.DeleteFailed:
		return v1alpha1.ConditionDeletionError
	case condition.PruneHeld:
		return conditionPruneHeld
	case condition.CollateralHeld:
		return conditionCollateralHeld
	case condition.MoveHeld:
		return conditionMoveHeld
	case condition.OtherEngine:
		return conditionOtherEngine
	case condition.WindowClosed:
		return "SyncWindowWarning"
	case condition.SharedObject:
		return v1alpha1.ConditionSharedResourceWarning
	case condition.ExcludedObject:
		return v1alpha1.ConditionExcludedResourceWarning
	case condition.OrphanedObjects:
		return v1alpha1.ConditionOrphanedResourceWarning
	case condition.RepeatedObject:
		return v1alpha1.ConditionRepeatedResourceWarning
	case condition.RenderWarning:
		return "RenderWarning"
	case condition.ReportIncomplete:
		return "StatusTrimmedWarning"
	}
	return v1alpha1.ConditionUnknownError
}

func healthStatus(old v1alpha1.HealthStatus, now health.Status, at metav1.Time) v1alpha1.HealthStatus {
	next := v1alpha1.HealthStatus{Status: v1alpha1.HealthCode(now.Code), Message: now.Message, LastTransitionTime: old.LastTransitionTime}
	if old.Status != next.Status || old.LastTransitionTime == nil {
		next.LastTransitionTime = &at
	}
	return next
}

func resources(old []v1alpha1.ResourceStatus, out app.Outcome, at metav1.Time) []v1alpha1.ResourceStatus {
	var list []v1alpha1.ResourceStatus
	for _, r := range out.Resources {
		rs := v1alpha1.ResourceStatus{
			Group: r.Key.Group, Version: r.Version, Kind: r.Key.Kind, Namespace: r.Key.Namespace, Name: r.Key.Name,
			Status: v1alpha1.SyncCode(r.Sync), RequiresPruning: r.Prune, SyncWave: int64(r.Wave),
		}
		if r.Health != nil {
			var before v1alpha1.HealthStatus
			if i := slices.IndexFunc(old, func(o v1alpha1.ResourceStatus) bool {
				return o.Kind == rs.Kind && o.Name == rs.Name && o.Namespace == rs.Namespace && o.Group == rs.Group
			}); i >= 0 && old[i].Health != nil {
				before = *old[i].Health
			}
			hs := healthStatus(before, *r.Health, at)
			rs.Health = &hs
		}
		list = append(list, rs)
	}
	for _, h := range out.Hooks {
		list = append(list, v1alpha1.ResourceStatus{
			Group: h.Key.Group, Version: h.Version, Kind: h.Key.Kind, Namespace: h.Key.Namespace, Name: h.Key.Name,
			Hook: true, SyncWave: int64(h.Wave),
		})
	}
	return list
}

func equalStatus(a, b v1alpha1.ApplicationStatus) bool {
	a.ReconciledAt, b.ReconciledAt = nil, nil
	return equalJSON(a, b)
}
