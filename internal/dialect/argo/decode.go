package argo

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/plumbline-dev/plumbline/api/argoproj/v1alpha1"
	"github.com/plumbline-dev/plumbline/internal/core/app"
	"github.com/plumbline-dev/plumbline/internal/core/condition"
	"github.com/plumbline-dev/plumbline/internal/core/jq"
	"github.com/plumbline-dev/plumbline/internal/core/object"
	"github.com/plumbline-dev/plumbline/internal/core/source"
)

// Decode reads an Application. What is wrong with it is listed in Problems;
// the rest of the model is filled in as far as it can be.
func (s Settings) Decode(a *v1alpha1.Application) app.Application {
	out := app.Application{
		ID:         IDOf(a),
		UID:        string(a.UID),
		Generation: a.Generation,
		Project:    a.Spec.Project,
		Refresh:    a.Annotations[refreshAnnotation],
	}
	out.Anew = out.Refresh == "hard"
	if out.Project == "" {
		out.Project = "default"
	}
	if takeOver, _ := strconv.ParseBool(a.Annotations[takeOverAnnotation]); !takeOver {
		out.Rival = app.Rival{Name: "Argo CD's controller", Last: LastRival(a), Way: "set the annotation " + takeOverAnnotation + " to \"true\""}
	}
	out.Suspended, _ = strconv.ParseBool(a.Annotations[skipReconcileAnnotation])
	report := func(reason condition.Reason, format string, args ...any) {
		out.Problems = append(out.Problems, condition.Of(fmt.Errorf(format, args...), reason))
	}
	out.Target = destination(a.Spec.Destination, report)
	before := len(out.Problems)
	field, list := ownSources(a, report)
	if asked, sources := askedSources(a); len(sources) > 0 && digestOf(sources) != digestOf(list) {
		field, list, out.Borrowed = asked, sources, true
	}
	out.Declared = digestOf(list)
	var err error
	if out.Sources, err = s.sources(out, field, list); err != nil && len(out.Problems) == before {
		out.Problems = append(out.Problems, condition.Of(err, condition.InvalidSpec))
	}
	if out.Policy, err = policy(a.Spec.SyncPolicy); err != nil {
		report(condition.InvalidSpec, "spec.syncPolicy: %w", err)
	}
	out.Policy.PruneLimit = app.AnnotatedPruneLimit(a.Annotations)
	out.Confirmed = a.Annotations[app.ConfirmAnnotation]
	out.Approved, _ = time.Parse(time.RFC3339, a.Annotations[approvedAnnotation])
	for i, rule := range a.Spec.IgnoreDifferences {
		for _, text := range rule.JQPathExpressions {
			if _, err := jq.Parse(text); err != nil {
				report(condition.InvalidSpec, "spec.ignoreDifferences[%d].jqPathExpressions: %w", i, err)
			}
		}
		out.Ignores = append(out.Ignores, app.Ignore{
			Group: rule.Group, Kind: rule.Kind, Namespace: rule.Namespace, Name: rule.Name,
			Fields: rule.JSONPointers, Queries: rule.JQPathExpressions, Managers: rule.ManagedFieldsManagers,
		})
	}
	out.State = state(a)
	out.Deletion = deletion(a)
	if a.Operation != nil && a.Operation.Sync != nil && len(a.Operation.Sync.Manifests) > 0 {
		out.Local, out.Borrowed = a.Operation.Sync.Manifests, true
	}
	if out.Request, err = request(a); err == nil && len(out.Local) > 0 && out.Policy.Automatic {
		err = errors.New("local manifests are refused while spec.syncPolicy.automated is on, which would undo them at once")
	}
	if err != nil {
		report(condition.InvalidSpec, "operation: %w", err)
		out.Request = &app.Operation{User: a.Operation.InitiatedBy.Username} // answered, so that it does not stand in the way for ever
	}
	return out
}

func destination(d v1alpha1.Destination, report func(condition.Reason, string, ...any)) app.Destination {
	to := app.Destination{Server: strings.TrimRight(d.Server, "/"), Cluster: d.Name, Namespace: d.Namespace}
	switch {
	case to.Server != "" && to.Cluster != "":
		report(condition.InvalidSpec, "application destination can't have both name and server defined: %s %s", to.Cluster, to.Server)
	case to.Server == "" && to.Cluster == "":
		report(condition.InvalidSpec, "destination server missing from app spec")
	}
	if to.Cluster == inClusterName {
		to.Server = InCluster
	}
	return to
}

// ownSources returns the sources that an application keeps to, and the field they
// are in.
func ownSources(a *v1alpha1.Application, report func(condition.Reason, string, ...any)) (field string, list []v1alpha1.Source) {
	switch {
	case a.Spec.SourceHydrator != nil:
		report(condition.NotSupported, "spec.sourceHydrator is not supported: sync from the branch that holds the rendered manifests instead")
	case len(a.Spec.Sources) > 0:
		return "spec.sources", a.Spec.Sources
	case a.Spec.Source != nil:
		return "spec.source", []v1alpha1.Source{*a.Spec.Source}
	default:
		report(condition.InvalidSpec, "spec.source is required")
	}
	return "spec.source", nil
}

// askedSources returns those that an operation asks for instead, as a rollback does.
func askedSources(a *v1alpha1.Application) (field string, list []v1alpha1.Source) {
	switch {
	case a.Operation == nil || a.Operation.Sync == nil:
	case len(a.Operation.Sync.Sources) > 0:
		return "operation.sync.sources", a.Operation.Sync.Sources
	case a.Operation.Sync.Source != nil:
		return "operation.sync.source", []v1alpha1.Source{*a.Operation.Sync.Source}
	}
	return "", nil
}

// digestOf identifies sources as written: any change is a new attempt.
func digestOf(sources []v1alpha1.Source) string {
	h := sha256.New()
	for _, src := range sources {
		text, err := json.Marshal(src)
		if err != nil { // only a RawExtension with broken JSON can do that
			text = []byte(err.Error())
		}
		h.Write(text)
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

func deletion(a *v1alpha1.Application) *app.Deletion {
	if a.DeletionTimestamp == nil {
		return nil
	}
	d := &app.Deletion{Since: a.DeletionTimestamp.Time, Await: true}
	for _, f := range a.Finalizers {
		switch f {
		case Finalizer, finalizerForeground:
			d.Cascade, d.Propagation = true, "foreground"
		case finalizerBackground:
			d.Cascade, d.Propagation = true, "background"
		case finalizerPreDelete:
			d.Hooks = append(d.Hooks, app.PreDelete)
		case finalizerPostDelete:
			d.Hooks = append(d.Hooks, app.PostDelete)
		case finalizerPreDelete + cleanup:
			d.Clear = append(d.Clear, app.PreDelete)
		case finalizerPostDelete + cleanup:
			d.Clear = append(d.Clear, app.PostDelete)
		}
	}
	return d
}

// state reads what the status remembers.
func state(a *v1alpha1.Application) app.State {
	var st app.State
	entries := make([]object.Entry, 0, len(a.Status.Resources))
	for _, r := range a.Status.Resources {
		entry := object.Entry{
			Key:     object.Key{Group: r.Group, Kind: r.Kind, Namespace: r.Namespace, Name: r.Name},
			Version: r.Version,
		}
		if r.Hook {
			st.Hooks = append(st.Hooks, entry)
			continue
		}
		entries = append(entries, entry)
	}
	st.Inventory = object.NewInventory(entries)
	if n := len(a.Status.History); n > 0 {
		last := a.Status.History[n-1]
		st.Applied = RevisionOf(last.Revision, last.Revisions)
	}
	st.Run = runOf(a.Status.OperationState)
	if elsewhere(a.Status.Sync.ComparedTo.Destination, a.Spec.Destination) {
		st.Inventory, st.Hooks, st.Applied = nil, nil, "" // that is what it had there
		if st.Run != nil && st.Run.Phase.Done() {
			st.Run = nil
		}
	}
	st.PruneHeld = slices.ContainsFunc(a.Status.Conditions, func(c v1alpha1.ApplicationCondition) bool { return c.Type == conditionPruneHeld })
	return st
}

// elsewhere reports whether two destinations are different clusters, as far as their
// names tell. Nothing that was noted of one is so in the other.
func elsewhere(before, now v1alpha1.Destination) bool {
	cluster := func(d v1alpha1.Destination) string {
		if d.Name == inClusterName || strings.TrimRight(d.Server, "/") == InCluster {
			return InCluster
		}
		return d.Name + " " + strings.TrimRight(d.Server, "/")
	}
	return before != (v1alpha1.Destination{}) && cluster(before) != cluster(now)
}

func runOf(os *v1alpha1.OperationState) *app.Run {
	if os == nil {
		return nil
	}
	run := &app.Run{
		Phase:     app.Phase(os.Phase),
		Message:   os.Message,
		StartedAt: os.StartedAt.Time,
		Retries:   os.RetryCount,
		Operation: operationOf(os.Operation),
	}
	if os.FinishedAt != nil {
		run.FinishedAt = os.FinishedAt.Time
	}
	if res := os.SyncResult; res != nil {
		run.Revision.ID = RevisionOf(res.Revision, res.Revisions)
		run.Source = digestOf(SourcesOf(res.Source, res.Sources))
		for _, r := range res.Resources {
			run.Results = append(run.Results, ResultOf(r))
		}
	}
	return run
}

// ResultOf reads what a sync did to one object. A status tells more than the
// phase of an object that is no hook, unless that failed after it was applied.
func ResultOf(r v1alpha1.ResourceResult) app.Result {
	out := app.Result{
		Key:     object.Key{Group: r.Group, Kind: r.Kind, Namespace: r.Namespace, Name: r.Name},
		Version: r.Version, Status: app.ResultStatus(r.Status), Message: r.Message, Images: r.Images,
	}
	if p := app.SyncPhase(r.SyncPhase); r.HookType != "" {
		out.Hook, out.Ended, out.Phase = true, app.Phase(r.HookPhase), p
		if r.SyncPhase == v1alpha1.SyncPhaseSync {
			out.Phase = app.InSync
		}
	} else if r.Status != v1alpha1.ResultCode(app.ResultFailed) && r.HookPhase == v1alpha1.OperationFailed {
		out.Ended = app.Failed
	}
	return out
}

// SourcesOf returns the sources that a status or an operation has in its two fields.
func SourcesOf(one v1alpha1.Source, several []v1alpha1.Source) []v1alpha1.Source {
	if len(several) > 0 {
		return several
	}
	return []v1alpha1.Source{one}
}

// RevisionOf returns the revision that a status or an operation has in its two fields.
func RevisionOf(one string, several []string) string {
	if len(several) == 0 {
		return one
	}
	parts := make([]source.Revision, len(several))
	for i, id := range several {
		parts[i].ID = id
	}
	return source.Join(parts).ID
}

// request reads the operation that a person or a tool asked for.
func request(a *v1alpha1.Application) (*app.Operation, error) {
	if a.Operation == nil {
		return nil, nil
	}
	sync := a.Operation.Sync
	if sync == nil {
		return nil, fmt.Errorf("it has no sync part; nothing else can be asked for")
	}
	op := operationOf(*a.Operation)
	if _, err := retryOf(a.Operation.Retry); err != nil {
		return nil, err
	}
	return &op, nil
}

func operationOf(o v1alpha1.Operation) app.Operation {
	op := app.Operation{User: o.InitiatedBy.Username, Automatic: o.InitiatedBy.Automated}
	op.Retry, _ = retryOf(o.Retry)
	s := o.Sync
	if s == nil {
		return op
	}
	op.Revision, op.Prune, op.DryRun = RevisionOf(s.Revision, s.Revisions), s.Prune, s.DryRun
	op.Options, op.Heals = s.SyncOptions, s.AutoHealAttemptsCount
	if st := s.SyncStrategy; st != nil {
		op.Bare = st.Apply != nil && st.Hook == nil
		op.Force = (st.Apply != nil && st.Apply.Force) || (st.Hook != nil && st.Hook.Force)
	}
	for _, r := range s.Resources {
		op.Only = append(op.Only, app.Selector{Group: r.Group, Kind: r.Kind, Namespace: r.Namespace, Name: r.Name})
	}
	return op
}
