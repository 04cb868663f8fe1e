package argo

import (
	"bytes"
	"encoding/json"
	"reflect"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/plumbline-dev/plumbline/api/argoproj/v1alpha1"
	"github.com/plumbline-dev/plumbline/internal/core/app"
	"github.com/plumbline-dev/plumbline/internal/core/condition"
	"github.com/plumbline-dev/plumbline/internal/core/source"
)

// defaultHistory is how many successful syncs are kept unless the spec says otherwise.
const defaultHistory = 10

func (s Settings) operationState(a *v1alpha1.Application, out app.Outcome) *v1alpha1.OperationState {
	run := out.Run
	if run == nil {
		return a.Status.OperationState
	}
	used, several := usedSources(a)
	os := &v1alpha1.OperationState{
		Operation:  operationTo(run.Operation),
		Phase:      v1alpha1.OperationPhase(run.Phase),
		Message:    run.Message,
		StartedAt:  metav1.NewTime(run.StartedAt),
		RetryCount: run.Retries,
	}
	old := a.Status.OperationState
	if old != nil && old.StartedAt.Time.Equal(run.StartedAt) && reflect.DeepEqual(operationOf(old.Operation), run.Operation) { // two may start in one second
		os.Operation = old.Operation
		if res := old.SyncResult; res != nil && run.Source != "" && digestOf(SourcesOf(res.Source, res.Sources)) == run.Source {
			used, several = SourcesOf(res.Source, res.Sources), len(res.Sources) > 0
		}
	}
	if out.Answers && a.Operation != nil {
		os.Operation = *a.Operation
	}
	if !run.FinishedAt.IsZero() {
		finished := metav1.NewTime(run.FinishedAt)
		os.FinishedAt = &finished
	}
	if run.Revision.ID == "" {
		return os
	}
	os.SyncResult = &v1alpha1.SyncResult{}
	os.SyncResult.Revision, os.SyncResult.Revisions = revisionTo(run.Revision, len(used), several)
	os.SyncResult.Source, os.SyncResult.Sources = sourcesTo(used, several)
	for _, r := range run.Results {
		os.SyncResult.Resources = append(os.SyncResult.Resources, v1alpha1.ResourceResult{
			Group: r.Key.Group, Version: r.Version, Kind: r.Key.Kind, Namespace: r.Key.Namespace, Name: r.Key.Name,
			Status: v1alpha1.ResultCode(r.Status), Message: r.Message, SyncPhase: v1alpha1.SyncPhase(r.Phase.String()),
			HookType: hookType(r), HookPhase: hookPhase(r), Images: r.Images,
		})
	}
	return os
}

func hookType(r app.Result) v1alpha1.HookType {
	if !r.Hook {
		return ""
	}
	return v1alpha1.HookType(r.Phase.String())
}

func hookPhase(r app.Result) v1alpha1.OperationPhase {
	if r.Ended != "" {
		return v1alpha1.OperationPhase(r.Ended)
	}
	switch r.Status {
	case app.ResultFailed:
		return v1alpha1.OperationFailed
	case app.ResultSynced, app.ResultPruned, app.ResultPruneHeld:
		return v1alpha1.OperationSucceeded
	case app.ResultUnattempted:
	}
	return v1alpha1.OperationRunning
}

func operationTo(op app.Operation) v1alpha1.Operation {
	sync := &v1alpha1.SyncOperation{
		Prune: op.Prune, DryRun: op.DryRun,
		SyncOptions: op.Options, AutoHealAttemptsCount: op.Heals,
	}
	count := 1 + strings.Count(op.Revision, ",")
	sync.Revision, sync.Revisions = revisionTo(source.Revision{ID: op.Revision}, count, count > 1)
	if op.Bare || op.Force {
		force := v1alpha1.SyncStrategyApply{Force: op.Force}
		sync.SyncStrategy = &v1alpha1.SyncStrategy{Hook: &v1alpha1.SyncStrategyHook{SyncStrategyApply: force}}
		if op.Bare {
			sync.SyncStrategy = &v1alpha1.SyncStrategy{Apply: &force}
		}
	}
	for _, sel := range op.Only {
		sync.Resources = append(sync.Resources, v1alpha1.SyncResource{Group: sel.Group, Kind: sel.Kind, Name: sel.Name, Namespace: sel.Namespace})
	}
	return v1alpha1.Operation{
		Sync:        sync,
		InitiatedBy: v1alpha1.OperationInitiator{Username: op.User, Automated: op.Automatic},
		Retry:       retryTo(op.Retry),
	}
}

// usedSources returns what a run that begins now is of, and whether a status speaks
// of several.
func usedSources(a *v1alpha1.Application) (list []v1alpha1.Source, several bool) {
	if field, asked := askedSources(a); len(asked) > 0 {
		return asked, strings.HasSuffix(field, "s")
	}
	_, own := ownSources(a, func(condition.Reason, string, ...any) {})
	return own, plural(a)
}

// sourcesTo splits sources into the two fields of a status.
func sourcesTo(list []v1alpha1.Source, plural bool) (one v1alpha1.Source, several []v1alpha1.Source) {
	if plural || len(list) == 0 {
		return v1alpha1.Source{}, list
	}
	return list[0], nil
}

// history appends a successful full sync and drops the oldest beyond the limit.
func (s Settings) history(a *v1alpha1.Application, out app.Outcome) []v1alpha1.RevisionHistory {
	history, run := a.Status.History, out.Run
	if run == nil || run.Phase != app.Succeeded || run.Operation.DryRun || len(run.Operation.Only) > 0 {
		return history
	}
	var id int64
	if n := len(history); n > 0 {
		last := history[n-1]
		if last.DeployStartedAt != nil && last.DeployStartedAt.Time.Equal(run.StartedAt) && RevisionOf(last.Revision, last.Revisions) == run.Revision.ID {
			return history
		}
		id = last.ID + 1
	}
	started := metav1.NewTime(run.StartedAt)
	entry := v1alpha1.RevisionHistory{
		ID: id, DeployedAt: metav1.NewTime(run.FinishedAt), DeployStartedAt: &started,
		InitiatedBy: v1alpha1.OperationInitiator{Username: run.Operation.User, Automated: run.Operation.Automatic},
	}
	used, several := usedSources(a)
	entry.Revision, entry.Revisions = revisionTo(run.Revision, len(used), several)
	entry.Source, entry.Sources = sourcesTo(used, several)
	history = append(slices.Clone(history), entry)
	limit := int64(defaultHistory)
	if a.Spec.RevisionHistoryLimit != nil {
		limit = max(0, *a.Spec.RevisionHistoryLimit)
	}
	if extra := int64(len(history)) - limit; extra > 0 {
		history = history[extra:]
	}
	return history
}

func equalJSON(a, b any) bool {
	left, errLeft := json.Marshal(a)
	right, errRight := json.Marshal(b)
	return errLeft == nil && errRight == nil && bytes.Equal(left, right)
}
