package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	kjson "sigs.k8s.io/json"

	"github.com/plumbline-dev/plumbline/api/argoproj/v1alpha1"
	"github.com/plumbline-dev/plumbline/internal/core/app"
	"github.com/plumbline-dev/plumbline/internal/core/condition"
	"github.com/plumbline-dev/plumbline/internal/core/health"
	"github.com/plumbline-dev/plumbline/internal/core/object"
	"github.com/plumbline-dev/plumbline/internal/core/plan"
	"github.com/plumbline-dev/plumbline/internal/core/render"
	"github.com/plumbline-dev/plumbline/internal/core/source"
	"github.com/plumbline-dev/plumbline/internal/dialect/argo"
	"github.com/plumbline-dev/plumbline/internal/front/cli"
)

// dialects are the kinds of applications that the commands know.
func dialects(marks cli.Marks) ([]cli.Dialect, error) {
	tracking := argo.Tracking(marks.Tracking)
	if !slices.Contains([]argo.Tracking{argo.TrackByAnnotation, argo.TrackByLabel, argo.TrackByBoth}, tracking) {
		return nil, fmt.Errorf("--resource-tracking %q: is none of annotation, label, annotation+label", marks.Tracking)
	}
	settings := argo.Settings{Namespace: marks.ControlPlane, Tracking: tracking}
	return []cli.Dialect{argoDialect{settings}, fluxDialect{}}, nil
}

// argoDialect is Argo CD's Application.
type argoDialect struct{ argo.Settings }

func (argoDialect) Kind() schema.GroupVersionKind {
	return v1alpha1.GroupVersion.WithKind(v1alpha1.ApplicationKind)
}

func (argoDialect) Aliases() []string { return []string{"app", "apps", "application", "applications"} }

func (d argoDialect) Declare(obj *unstructured.Unstructured, _ []*unstructured.Unstructured) (cli.Declaration, error) {
	a := &v1alpha1.Application{}
	warnings, err := decode(obj, a)
	if err != nil {
		return cli.Declaration{}, err
	}
	if a.Namespace == "" {
		a.Namespace = d.Namespace
	}
	decoded := d.Decode(a)
	return cli.Declaration{
		App: decoded, Warnings: warnings, Manager: argo.Manager, Takeover: argo.TakeoverOf(a), Elsewhere: elsewhere(decoded.Target), Order: plan.ByWave,
		Request: func(from app.Source, tree source.Tree) (render.Request, error) { return d.Request(decoded, from, tree) },
		Prepare: func(ms []object.Manifest, namespaced func(object.Key) bool) ([]plan.Item, []condition.Problem, error) {
			return d.Prepare(decoded, ms, namespaced)
		},
		Owner: func(live *unstructured.Unstructured) (app.ID, bool) {
			return d.Owner(object.KeyOf(live), live.GetLabels(), live.GetAnnotations())
		},
		KeepOnPrune:   func(live *unstructured.Unstructured) string { return d.KeepOnPrune(decoded, live) },
		AsksOnPrune:   func(live *unstructured.Unstructured) bool { return argo.AsksOnPrune(decoded, live) },
		PruneWave:     argo.PruneWave,
		IgnoresExtra:  argo.IgnoresExtra,
		IgnoresHealth: argo.IgnoresHealth,
		IsHook:        argo.IsHook,
	}, nil
}

// elsewhere names a destination that is not the cluster of its declaration.
func elsewhere(to app.Destination) string {
	if to.Server == argo.InCluster {
		return ""
	}
	return cmp.Or(to.Cluster, to.Server)
}

// decode reads obj into a typed object. Fields that the type does not have are
// returned as warnings, since the API server would drop them.
func decode(obj *unstructured.Unstructured, into any) ([]string, error) {
	raw, err := json.Marshal(obj.Object)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", object.KeyOf(obj), err)
	}
	unknown, err := kjson.UnmarshalStrict(raw, into)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", object.KeyOf(obj), err)
	}
	warnings := make([]string, len(unknown))
	for i, err := range unknown {
		warnings[i] = err.Error()
	}
	return warnings, nil
}

func (d argoDialect) Summary(obj *unstructured.Unstructured) cli.Summary {
	s := cli.Summary{Kind: obj.GetKind(), Namespace: obj.GetNamespace(), Name: obj.GetName(), Health: health.Unknown, Sync: string(app.Unknown)}
	a := &v1alpha1.Application{}
	if _, err := decode(obj, a); err != nil {
		s.Message = err.Error()
		return s
	}
	decoded := d.Decode(a)
	s.From = decoded.Project
	if len(decoded.Sources) > 0 {
		s.Repository, s.Path = decoded.Sources[0].URL, decoded.Sources[0].Render.Path
	}
	s.Destination = destination(a.Spec.Destination)
	if a.Status.Sync.Status != "" {
		s.Sync = string(a.Status.Sync.Status)
	}
	if a.Status.Health.Status != "" {
		s.Health = health.Code(a.Status.Health.Status)
	}
	s.Revision = a.Status.Sync.Revision
	if s.Revision == "" {
		s.Revision = strings.Join(a.Status.Sync.Revisions, ",")
	}
	s.Message = applicationMessage(a)
	return s
}

func (d argoDialect) Held(obj *unstructured.Unstructured) (cli.Held, error) {
	a := &v1alpha1.Application{}
	if _, err := decode(obj, a); err != nil {
		return cli.Held{}, err
	}
	held := cli.Held{Revision: d.Summary(obj).Revision, Automatic: d.Decode(a).Policy.Automatic}
	held.Messages = argo.HeldPrunes(a)
	return held, nil
}

func destination(d v1alpha1.Destination) string {
	if d.Name != "" {
		return d.Name + "/" + d.Namespace
	}
	return d.Server + "/" + d.Namespace
}

// applicationMessage is what a user should know first.
func applicationMessage(a *v1alpha1.Application) string {
	switch st := a.Status; {
	case len(st.Conditions) > 0:
		return st.Conditions[0].Message
	case st.OperationState != nil && !app.Phase(st.OperationState.Phase).Done():
		return string(st.OperationState.Phase) + ": " + st.OperationState.Message
	case st.OperationState != nil && app.Phase(st.OperationState.Phase) != app.Succeeded:
		return st.OperationState.Message
	default:
		return st.Health.Message
	}
}

func (d argoDialect) Refresh(obj *unstructured.Unstructured, _ time.Time) (cli.Request, error) {
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{
		"resourceVersion": obj.GetResourceVersion(),
		"annotations":     map[string]any{argo.RefreshAnnotation: "normal"},
	}})
	return cli.Request{Patch: patch, Answer: func(now *unstructured.Unstructured) cli.Answer {
		if now.GetAnnotations()[argo.RefreshAnnotation] != "" {
			return cli.Answer{}
		}
		s := d.Summary(now)
		return cli.Answer{Done: true, OK: true, Phase: s.Sync, Message: s.Message}
	}}, err
}

func (d argoDialect) Sync(obj *unstructured.Unstructured, want cli.SyncOptions, _ time.Time) (cli.Request, error) {
	a := &v1alpha1.Application{}
	if _, err := decode(obj, a); err != nil {
		return cli.Request{}, err
	}
	if want.WithSource {
		return cli.Request{}, errors.New("--with-source: an Application has no source object; use --refresh")
	}
	if a.Operation != nil {
		return cli.Request{}, errors.New("an operation was asked for already: wait for it, or remove .operation from the Application")
	}
	if st := a.Status.OperationState; st != nil && !app.Phase(st.Phase).Done() {
		return cli.Request{}, fmt.Errorf("an operation is in progress since %s: %s: wait for it", st.StartedAt.UTC().Format(time.RFC3339), st.Message)
	}
	sync := &v1alpha1.SyncOperation{Revision: want.Revision, Prune: want.Prune, DryRun: want.DryRun}
	if sp := a.Spec.SyncPolicy; sp != nil {
		sync.SyncOptions = sp.SyncOptions
	}
	if want.Back != nil {
		if err := back(a, *want.Back, sync); err != nil {
			return cli.Request{}, err
		}
	}
	for _, s := range want.Only {
		if !declares(a, s) {
			return cli.Request{}, fmt.Errorf("--resource %s:%s:%s: the application has no such object", s.Group, s.Kind, s.Name)
		}
		sync.Resources = append(sync.Resources, v1alpha1.SyncResource{Group: s.Group, Kind: s.Kind, Namespace: s.Namespace, Name: s.Name})
	}
	patch, err := json.Marshal(map[string]any{
		"metadata":  map[string]any{"resourceVersion": obj.GetResourceVersion()},
		"operation": v1alpha1.Operation{Sync: sync, InitiatedBy: v1alpha1.OperationInitiator{Username: want.User}},
	})
	return cli.Request{Patch: patch, Answer: syncAnswer(a.Status.OperationState)}, err
}

// declares reports whether a selector picks an object that the last comparison
// found; before there was one, everything may be.
func declares(a *v1alpha1.Application, s app.Selector) bool {
	return len(a.Status.Resources) == 0 || slices.ContainsFunc(a.Status.Resources, func(r v1alpha1.ResourceStatus) bool {
		return s.Matches(object.Key{Group: r.Group, Kind: r.Kind, Namespace: r.Namespace, Name: r.Name})
	})
}

// syncAnswer reads the state of the operation that follows the one before.
func syncAnswer(before *v1alpha1.OperationState) func(*unstructured.Unstructured) cli.Answer {
	return func(obj *unstructured.Unstructured) cli.Answer {
		a := &v1alpha1.Application{}
		if _, err := decode(obj, a); err != nil {
			return cli.Answer{Phase: "Unknown", Message: err.Error()}
		}
		st := a.Status.OperationState
		if st == nil || (a.Operation != nil && sameStart(st, before)) {
			return cli.Answer{Phase: "Pending", Message: "waiting for the server to begin"}
		}
		out := cli.Answer{Phase: string(st.Phase), Message: st.Message}
		if a.Operation != nil || !app.Phase(st.Phase).Done() {
			return out
		}
		out.Done, out.OK = true, app.Phase(st.Phase) == app.Succeeded
		if st.SyncResult == nil {
			return out
		}
		for _, r := range st.SyncResult.Resources {
			out.Results = append(out.Results, argo.ResultOf(r))
		}
		return out
	}
}

func sameStart(now, before *v1alpha1.OperationState) bool {
	var start *metav1.Time
	if before != nil {
		start = &before.StartedAt
	}
	return start != nil && now.StartedAt.Equal(start)
}
