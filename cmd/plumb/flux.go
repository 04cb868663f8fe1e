package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	"github.com/fluxcd/pkg/apis/meta"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/plumbline-dev/plumbline/internal/core/app"
	"github.com/plumbline-dev/plumbline/internal/core/condition"
	"github.com/plumbline-dev/plumbline/internal/core/health"
	"github.com/plumbline-dev/plumbline/internal/core/object"
	"github.com/plumbline-dev/plumbline/internal/core/plan"
	"github.com/plumbline-dev/plumbline/internal/dialect/flux"
	"github.com/plumbline-dev/plumbline/internal/front/cli"
)

// fluxDialect is Flux's Kustomization.
type fluxDialect struct{}

func (fluxDialect) Kind() schema.GroupVersionKind {
	return kustomizev1.GroupVersion.WithKind(kustomizev1.KustomizationKind)
}

func (fluxDialect) Aliases() []string { return []string{"ks", "kustomization", "kustomizations"} }

func (fluxDialect) Declare(obj *unstructured.Unstructured, others []*unstructured.Unstructured) (cli.Declaration, error) {
	k := &kustomizev1.Kustomization{}
	warnings, err := decode(obj, k)
	if err != nil {
		return cli.Declaration{}, err
	}
	if k.Namespace == "" {
		k.Namespace = "default"
	}
	decoded := flux.Decode(k)
	for _, other := range others {
		g := &sourcev1.GitRepository{}
		if other.GetKind() != sourcev1.GitRepositoryKind || !flux.UsesSource(k, namespaceOr(other, k.Namespace), other.GetName()) {
			continue
		}
		more, err := decode(other, g)
		if err != nil {
			return cli.Declaration{}, err
		}
		warnings = append(warnings, more...)
		repo := flux.DecodeRepository(g)
		decoded.Sources[0].URL, decoded.Sources[0].Ref = repo.URL, repo.Ref
		decoded.Problems = append(decoded.Problems, repo.Problems...)
	}
	var alone map[object.Key]bool
	return cli.Declaration{
		App: decoded, Warnings: warnings, Manager: flux.Manager, Takeover: flux.Takeover, Order: plan.ByStage, Strict: true,
		Prepare: func(ms []object.Manifest, namespaced func(object.Key) bool) ([]plan.Item, []condition.Problem, error) {
			alone = flux.LeftAlone(ms, namespaced)
			return flux.Prepare(k, ms, namespaced)
		},
		Owner: func(live *unstructured.Unstructured) (app.ID, bool) { return flux.Owner(live.GetLabels()) },
		KeepOnPrune: func(live *unstructured.Unstructured) string {
			if alone[object.KeyOf(live)] {
				return "the source asks for the object to be left alone"
			}
			return flux.KeepOnPrune(live)
		},
		AsksOnPrune:   func(*unstructured.Unstructured) bool { return false },
		PruneWave:     func(live *unstructured.Unstructured) (int, bool) { return plan.Stage(object.KeyOf(live)), false },
		IgnoresExtra:  func(*unstructured.Unstructured) bool { return !k.Spec.Prune },
		IgnoresHealth: func(*unstructured.Unstructured) bool { return false },
		IsHook:        func(*unstructured.Unstructured) bool { return false },
	}, nil
}

func namespaceOr(obj *unstructured.Unstructured, otherwise string) string {
	if ns := obj.GetNamespace(); ns != "" {
		return ns
	}
	return otherwise
}

func (fluxDialect) Summary(obj *unstructured.Unstructured) cli.Summary {
	s := cli.Summary{Kind: obj.GetKind(), Namespace: obj.GetNamespace(), Name: obj.GetName(), Health: health.Unknown, Sync: string(app.Unknown)}
	k := &kustomizev1.Kustomization{}
	if _, err := decode(obj, k); err != nil {
		s.Message = err.Error()
		return s
	}
	ref := k.Spec.SourceRef
	s.From, s.Path, s.Destination = ref.Kind+"/"+ref.Name, k.Spec.Path, k.Spec.TargetNamespace
	s.Revision = k.Status.LastAppliedRevision
	if status, rated := health.Assess(obj); rated {
		s.Health, s.Message = status.Code, status.Message
	}
	if ready := apimeta.FindStatusCondition(k.Status.Conditions, meta.ReadyCondition); ready != nil {
		s.Message, s.Sync = ready.Message, syncOf(k, ready)
	}
	if k.Spec.Suspend {
		s.Message = "Suspended"
	}
	return s
}

func (fluxDialect) Held(obj *unstructured.Unstructured) (cli.Held, error) {
	k := &kustomizev1.Kustomization{}
	if _, err := decode(obj, k); err != nil {
		return cli.Held{}, err
	}
	revision, messages := flux.HeldPrunes(k)
	return cli.Held{Revision: revision, Messages: messages, Automatic: true}, nil
}

// syncOf says whether the newest attempt was applied in full.
func syncOf(k *kustomizev1.Kustomization, ready *metav1.Condition) string {
	switch {
	case ready.ObservedGeneration == k.Generation && k.Status.LastAppliedRevision != "" &&
		k.Status.LastAppliedRevision == k.Status.LastAttemptedRevision && ready.Status == metav1.ConditionTrue:
		return string(app.Synced)
	case ready.Status == metav1.ConditionUnknown:
		return string(app.Unknown)
	}
	return string(app.OutOfSync)
}

func (d fluxDialect) Refresh(obj *unstructured.Unstructured, now time.Time) (cli.Request, error) {
	return d.Sync(obj, cli.SyncOptions{WithSource: true}, now)
}

func (fluxDialect) Sync(obj *unstructured.Unstructured, want cli.SyncOptions, now time.Time) (cli.Request, error) {
	k := &kustomizev1.Kustomization{}
	if _, err := decode(obj, k); err != nil {
		return cli.Request{}, err
	}
	if err := refusedFor(k, want); err != nil {
		return cli.Request{}, err
	}
	token := now.UTC().Format(time.RFC3339Nano)
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{
		"annotations": map[string]any{meta.ReconcileRequestAnnotation: token},
	}})
	req := cli.Request{Patch: patch, Answer: func(obj *unstructured.Unstructured) cli.Answer { return reconcileAnswer(obj, token) }}
	if want.WithSource {
		namespace := k.Spec.SourceRef.Namespace
		if namespace == "" {
			namespace = k.Namespace
		}
		req.Source = &cli.SourceRequest{
			Kind:      sourcev1.GroupVersion.WithKind(k.Spec.SourceRef.Kind),
			Namespace: namespace, Name: k.Spec.SourceRef.Name, Patch: patch,
		}
	}
	return req, err
}

func refusedFor(k *kustomizev1.Kustomization, want cli.SyncOptions) error {
	var given []string
	for _, f := range []struct {
		set  bool
		name string
	}{{want.Prune, "--prune"}, {want.DryRun, "--dry-run"}, {want.Revision != "", "--revision"}, {len(want.Only) > 0, "--resource"}, {want.Back != nil, "rollback"}} {
		if f.set {
			given = append(given, f.name)
		}
	}
	slices.Sort(given)
	switch {
	case len(given) > 0:
		return fmt.Errorf("%s: a Kustomization is reconciled as it is declared; change its spec instead", given[0])
	case k.Spec.Suspend:
		return errors.New("it is suspended: set spec.suspend to false first")
	}
	return nil
}

func reconcileAnswer(obj *unstructured.Unstructured, token string) cli.Answer {
	k := &kustomizev1.Kustomization{}
	if _, err := decode(obj, k); err != nil {
		return cli.Answer{Phase: "Unknown", Message: err.Error()}
	}
	ready := apimeta.FindStatusCondition(k.Status.Conditions, meta.ReadyCondition)
	if ready == nil || k.Status.LastHandledReconcileAt != token {
		return cli.Answer{Phase: "Pending", Message: "waiting for the server to begin"}
	}
	out := cli.Answer{Phase: ready.Reason, Message: ready.Message}
	out.Done = ready.ObservedGeneration == k.Generation && ready.Status != metav1.ConditionUnknown
	out.OK = ready.Status == metav1.ConditionTrue
	return out
}
