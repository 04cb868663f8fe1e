// Package argo translates between Argo CD's Application and AppProject and the
// model of the engine.
//
// In go the objects as users write them; out come app.Application, app.Project
// and prepared plan items, and on the way back a status as users' tools read
// it. The package is pure: it reaches no API server and reads no clock.
package argo

import (
	"github.com/plumbline-dev/plumbline/api/argoproj/v1alpha1"
	"github.com/plumbline-dev/plumbline/internal/core/app"
	"github.com/plumbline-dev/plumbline/internal/core/render"
)

// Manager is the field manager under which objects are applied. It is the name
// that Argo CD uses, so that its fields are adopted rather than fought over.
const Manager = "argocd-controller"

// Takeover lists the managers whose fields become ours with the first apply.
var Takeover = []string{"kubectl-client-side-apply", "before-first-apply", Manager}

// TakeoverOf lists them for one application, whose user may name another manager of
// client-side applies, or leave all of those alone.
func TakeoverOf(a *v1alpha1.Application) []string {
	if sp := a.Spec.SyncPolicy; sp != nil && options(sp.SyncOptions).has("ClientSideApplyMigration=false") {
		return []string{Manager}
	}
	if name := a.Annotations[migrateAnnotation]; name != "" {
		return append([]string{name}, Takeover...)
	}
	return Takeover
}

// InCluster is the server URL that stands for the cluster the engine runs in.
const InCluster = "https://kubernetes.default.svc"

// inClusterName is the registered name of the same cluster.
const inClusterName = "in-cluster"

// Annotations and finalizers of the wire format.
const (
	refreshAnnotation       = "argocd.argoproj.io/refresh"
	skipReconcileAnnotation = "argocd.argoproj.io/skip-reconcile"
	trackingAnnotation      = "argocd.argoproj.io/tracking-id"
	installationAnnotation  = "argocd.argoproj.io/installation-id"
	syncOptionsAnnotation   = "argocd.argoproj.io/sync-options"
	compareAnnotation       = "argocd.argoproj.io/compare-options"
	waveAnnotation          = "argocd.argoproj.io/sync-wave"
	hookAnnotation          = "argocd.argoproj.io/hook"
	hookDeleteAnnotation    = "argocd.argoproj.io/hook-delete-policy"
	approvedAnnotation      = "argocd.argoproj.io/deletion-approved"
	migrateAnnotation       = "argocd.argoproj.io/client-side-apply-migration-manager"
	healthAnnotation        = "argocd.argoproj.io/ignore-healthcheck"
	helmHookAnnotation      = "helm.sh/hook"
	helmDeleteAnnotation    = "helm.sh/hook-delete-policy"
	helmWeightAnnotation    = "helm.sh/hook-weight"
	helmPolicyAnnotation    = "helm.sh/resource-policy"

	// Finalizer asks for everything that the Application owns to be deleted with it.
	Finalizer           = "resources-finalizer.argocd.argoproj.io"
	finalizerForeground = Finalizer + "/foreground"
	finalizerBackground = Finalizer + "/background"

	// What has to run before and after, as Argo CD writes it down.
	finalizerPreDelete  = "pre-delete-finalizer.argocd.argoproj.io"
	finalizerPostDelete = "post-delete-finalizer.argocd.argoproj.io"
	cleanup             = "/cleanup" // after one of these two: its hooks are cleared away afterwards
)

// RefreshAnnotation asks for one more look; the engine removes it when done.
const RefreshAnnotation = refreshAnnotation

// Settings are what an installation decides for all of its applications.
type Settings struct {
	Namespace      string       // of the control plane: where AppProjects and repository Secrets live
	Namespaces     app.Patterns // further ones in which Applications may be
	Tracking       Tracking     // empty: TrackByAnnotation
	InstanceLabel  string       // label of TrackByLabel; empty: app.kubernetes.io/instance
	InstallationID string       // tells several installations on one cluster apart; empty: not used
	Loose          bool         // see Config.Loose
	Charts         bool         // see Config.Charts
	Off            []string     // see Config.Off

	Plugins []render.PluginRule // of plugins that claim directories
}

// Admits reports whether Applications in a namespace are this installation's.
func (s Settings) Admits(namespace string) bool {
	return namespace == s.Namespace || s.Namespaces.Match(namespace)
}

// IDOf returns the identity of an Application.
func IDOf(a *v1alpha1.Application) app.ID {
	return app.ID{Kind: v1alpha1.ApplicationKind, Namespace: a.Namespace, Name: a.Name}
}
