// Package flux translates between Flux's GitRepository and Kustomization and
// the model of the engine.
//
// In go the objects as users write them; out come app.Application and prepared
// plan items, and on the way back a status as users' tools read it. The package
// is pure: it reaches no API server and reads no clock.
package flux

import (
	"slices"
	"strings"
	"time"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	"github.com/fluxcd/pkg/apis/meta"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/plumbline-dev/plumbline/internal/core/app"
	"github.com/plumbline-dev/plumbline/internal/core/condition"
	"github.com/plumbline-dev/plumbline/internal/core/object"
	"github.com/plumbline-dev/plumbline/internal/core/render"
)

// Manager is the field manager under which objects are applied. It is the name
// that Flux uses, so that its fields are adopted rather than fought over.
const Manager = "kustomize-controller"

// Takeover lists the managers whose fields become ours with the first apply.
var Takeover = []string{"kubectl*", "before-first-apply", Manager}

// Finalizer keeps an object until the engine has let go of what it made.
const Finalizer = "finalizers.fluxcd.io"

// Labels and annotations of the wire format.
const (
	labelName      = "kustomize.toolkit.fluxcd.io/name"
	labelNamespace = "kustomize.toolkit.fluxcd.io/namespace"
	annotateRec    = "kustomize.toolkit.fluxcd.io/reconcile"
	annotatePrune  = "kustomize.toolkit.fluxcd.io/prune"
	annotateForce  = "kustomize.toolkit.fluxcd.io/force"
	annotateSSA    = "kustomize.toolkit.fluxcd.io/ssa"
)

// requestKey is the annotation that asks for one more look.
const requestKey = meta.ReconcileRequestAnnotation

// IDOf returns the identity of a Kustomization.
func IDOf(k *kustomizev1.Kustomization) app.ID {
	return app.ID{Kind: kustomizev1.KustomizationKind, Namespace: k.Namespace, Name: k.Name}
}

// Owner reads the labels that every applied object carries.
func Owner(labels map[string]string) (app.ID, bool) {
	id := app.ID{Kind: kustomizev1.KustomizationKind, Namespace: labels[labelNamespace], Name: labels[labelName]}
	return id, id.Namespace != "" && id.Name != ""
}

// Decode reads a Kustomization. Its source is completed by WithSource.
func Decode(k *kustomizev1.Kustomization) app.Application {
	spec := k.Spec
	out := app.Application{
		ID: IDOf(k), UID: string(k.UID), Generation: k.Generation,
		Refresh:   k.Annotations[requestKey],
		Suspended: spec.Suspend,
		Policy: app.Policy{
			Automatic: true, Prune: spec.Prune, SelfHeal: true,
			Retry:       app.Retry{Limit: -1, Wait: k.GetRetryInterval()},
			HealWait:    app.Retry{Wait: time.Second, Factor: 2, Max: spec.Interval.Duration},
			Propagation: "background",
			Force:       spec.Force,
			Await:       spec.Wait || len(spec.HealthChecks) > 0,
			Timeout:     k.GetTimeout(),
			PruneLimit:  app.AnnotatedPruneLimit(k.Annotations),
		},
		Confirmed: k.Annotations[app.ConfirmAnnotation],
		State:     state(k),
		Deletion:  deletion(k),
	}
	if !spec.Wait {
		out.Policy.Awaited = awaited(k)
	}
	if spec.ServiceAccountName != "" {
		out.Target.RunAs = "system:serviceaccount:" + k.Namespace + ":" + spec.ServiceAccountName
	}
	for _, d := range spec.DependsOn {
		dep := app.Dependency{ID: app.ID{Kind: kustomizev1.KustomizationKind, Namespace: d.Namespace, Name: d.Name}}
		if dep.ID.Namespace == "" {
			dep.ID.Namespace = k.Namespace
		}
		out.After = append(out.After, dep)
	}
	managed := &app.ManagedSource{Kind: spec.SourceRef.Kind, Namespace: spec.SourceRef.Namespace, Name: spec.SourceRef.Name}
	if managed.Namespace == "" {
		managed.Namespace = k.Namespace
	}
	out.Sources = []app.Source{{Managed: managed, Render: request(spec)}}
	out.Problems = problems(spec)
	return out
}

// awaited reads spec.healthChecks; an empty version means apps/v1.
func awaited(k *kustomizev1.Kustomization) []object.Entry {
	var list []object.Entry
	for _, ref := range k.Spec.HealthChecks {
		gv, err := schema.ParseGroupVersion(ref.APIVersion)
		if err != nil || ref.APIVersion == "" {
			gv = schema.GroupVersion{Group: "apps", Version: "v1"}
		}
		key := object.Key{Group: gv.Group, Kind: ref.Kind, Namespace: ref.Namespace, Name: ref.Name}
		if key.Namespace == "" {
			key.Namespace = k.Namespace
		}
		list = append(list, object.Entry{Key: key, Version: gv.Version})
	}
	return list
}

func request(spec kustomizev1.KustomizationSpec) render.Request {
	k := &render.KustomizeOptions{
		Generate: true, Unrestricted: true, KeepImageNames: true,
		Namespace: spec.TargetNamespace, NamePrefix: spec.NamePrefix, NameSuffix: spec.NameSuffix,
		Components: spec.Components, IgnoreMissingComponents: spec.IgnoreMissingComponents,
	}
	for _, img := range spec.Images {
		k.Images = append(k.Images, render.KustomizeImage{Name: img.Name, NewName: img.NewName, NewTag: img.NewTag, Digest: img.Digest})
	}
	for _, p := range spec.Patches {
		patch := render.KustomizePatch{Patch: p.Patch}
		if t := p.Target; t != nil {
			patch.Target = &render.KustomizeTarget{
				Group: t.Group, Version: t.Version, Kind: t.Kind, Name: t.Name, Namespace: t.Namespace,
				LabelSelector: t.LabelSelector, AnnotationSelector: t.AnnotationSelector,
			}
		}
		k.Patches = append(k.Patches, patch)
	}
	path := strings.TrimPrefix(strings.TrimPrefix(spec.Path, "./"), "/")
	if path == "" {
		path = "."
	}
	return render.Request{Tool: render.Kustomize, Path: path, Kustomize: k, Namespace: spec.TargetNamespace}
}

// problems lists what this version cannot honour. Ignoring any of it would
// apply something else than the user asked for, so all of it refuses to run.
func problems(spec kustomizev1.KustomizationSpec) []condition.Problem {
	var list []condition.Problem
	refuse := func(set bool, reason condition.Reason, text string) {
		if set {
			list = append(list, condition.Problem{Reason: reason, Message: text})
		}
	}
	unsupported := condition.NotSupported
	refuse(spec.SourceRef.Kind != sourcev1.GitRepositoryKind, unsupported, "spec.sourceRef.kind: "+spec.SourceRef.Kind+" is not supported by this version; use a GitRepository")
	refuse(spec.KubeConfig != nil, unsupported, "spec.kubeConfig: other clusters are not supported by this version")
	refuse(spec.Decryption != nil, unsupported, "spec.decryption is not supported by this version")
	refuse(spec.PostBuild != nil, unsupported, "spec.postBuild is not supported by this version")
	refuse(len(spec.HealthCheckExprs) > 0, unsupported, "spec.healthCheckExprs is not supported by this version")
	refuse(len(spec.Ignore) > 0, unsupported, "spec.ignore is not supported by this version")
	refuse(len(spec.BuildMetadata) > 0, unsupported, "spec.buildMetadata is not supported by this version")
	for _, d := range spec.DependsOn {
		refuse(d.ReadyExpr != "", unsupported, "spec.dependsOn[].readyExpr is not supported by this version")
	}
	return list
}

func deletion(k *kustomizev1.Kustomization) *app.Deletion {
	if k.DeletionTimestamp == nil {
		return nil
	}
	policy := k.GetDeletionPolicy()
	return &app.Deletion{
		Since:       k.DeletionTimestamp.Time,
		Propagation: "background",
		Await:       policy == kustomizev1.DeletionPolicyWaitForTermination,
		Cascade: !k.Spec.Suspend && (policy == kustomizev1.DeletionPolicyDelete || policy == kustomizev1.DeletionPolicyWaitForTermination ||
			(policy == kustomizev1.DeletionPolicyMirrorPrune && k.Spec.Prune)),
	}
}

func state(k *kustomizev1.Kustomization) app.State {
	st := app.State{Applied: commitOf(k.Status.LastAppliedRevision), Seen: k.Status.LastHandledReconcileAt}
	held := apimeta.FindStatusCondition(k.Status.Conditions, conditionPruneHeld)
	st.PruneHeld = held != nil && held.Reason == reasonTooMany
	if k.Status.Inventory == nil {
		return st
	}
	entries := make([]object.Entry, 0, len(k.Status.Inventory.Entries))
	for _, ref := range k.Status.Inventory.Entries {
		if key, ok := ParseID(ref.ID); ok {
			entries = append(entries, object.Entry{Key: key, Version: ref.Version})
		}
	}
	st.Inventory = object.NewInventory(entries)
	return st
}

// FormatID writes an inventory id: "<namespace>_<name>_<group>_<kind>", with
// ":" in names as "__".
func FormatID(key object.Key) string {
	return strings.Join([]string{key.Namespace, strings.ReplaceAll(key.Name, ":", "__"), key.Group, key.Kind}, "_")
}

// ParseID reads an inventory id; false when it is none.
func ParseID(id string) (object.Key, bool) {
	namespace, rest, ok := strings.Cut(id, "_")
	kindAt := strings.LastIndex(rest, "_")
	if !ok || kindAt < 0 {
		return object.Key{}, false
	}
	groupAt := strings.LastIndex(rest[:kindAt], "_")
	if groupAt < 0 {
		return object.Key{}, false
	}
	key := object.Key{
		Namespace: namespace,
		Name:      strings.ReplaceAll(rest[:groupAt], "__", ":"),
		Group:     rest[groupAt+1 : kindAt],
		Kind:      rest[kindAt+1:],
	}
	return key, key.Name != "" && key.Kind != ""
}

// disabled reports whether one of the values of an annotation or label switches
// something off.
func disabled(values ...string) bool {
	return slices.ContainsFunc(values, func(v string) bool { return strings.EqualFold(v, kustomizev1.DisabledValue) })
}
