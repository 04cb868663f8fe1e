package reconcile_test

import (
	"context"
	"errors"
	"testing"
	"time"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	"github.com/fluxcd/pkg/apis/meta"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/plumbline-dev/plumbline/api/argoproj/v1alpha1"
	"github.com/plumbline-dev/plumbline/internal/core/app"
	"github.com/plumbline-dev/plumbline/internal/core/object"
	"github.com/plumbline-dev/plumbline/internal/engine/reconcile"
)

// late is a client whose cache shows an Application as it once was.
type late struct {
	client.Client
	old *v1alpha1.Application
}

func (l *late) Get(ctx context.Context, key client.ObjectKey, obj client.Object, opts ...client.GetOption) error {
	if a, ok := obj.(*v1alpha1.Application); ok && l.old != nil && l.old.Name == key.Name {
		l.old.DeepCopyInto(a)
		return nil
	}
	return l.Client.Get(ctx, key, obj, opts...)
}

// A request that is still there in a cache that is behind does not run again.
func TestStaleCache(t *testing.T) {
	w := newWorld(t, func(a *v1alpha1.Application) {
		a.Spec.SyncPolicy = nil
		a.Operation = &v1alpha1.Operation{Sync: &v1alpha1.SyncOperation{}}
	})
	cache := &late{Client: w.client}
	w.client = cache
	w.restart()
	w.push("1", configMap("a", "1"))
	before := w.get()
	w.reconcile()
	want(t, "the request runs", []string{"apply ConfigMap shop/a"}, w.wrote())
	after := w.get()
	cache.old = before
	w.edit(key("ConfigMap", "a"), func(obj *unstructured.Unstructured) { obj.Object["data"] = map[string]any{"value": "hand"} })
	w.reconcile()
	want(t, "and not again", nil, w.wrote())
	if w.next.After <= 0 {
		t.Error("nobody looks again when the cache has caught up")
	}
	cache.old = nil
	want(t, "no status was written", after.ResourceVersion, w.get().ResourceVersion)
	w.reconcile()
	want(t, "nor is it run when the cache has caught up", nil, w.wrote())
}

func TestProjects(t *testing.T) {
	for name, test := range map[string]struct {
		edit func(*v1alpha1.AppProject)
		says string
	}{
		"source":      {func(p *v1alpha1.AppProject) { p.Spec.SourceRepos = []string{"https://other"} }, "Application repo https://git.example/shop is not permitted"},
		"destination": {func(p *v1alpha1.AppProject) { p.Spec.Destinations[0].Namespace = "other" }, "Application destination server"},
		"kind": {func(p *v1alpha1.AppProject) {
			p.Spec.NamespaceResourceBlacklist = []v1alpha1.GroupKind{{Kind: "ConfigMap"}}
		}, "ConfigMap shop/a in app.yaml: resource :ConfigMap is not permitted in project default"},
	} {
		w := newWorld(t, nil)
		p := &v1alpha1.AppProject{}
		if err := w.client.Get(t.Context(), client.ObjectKey{Namespace: "argocd", Name: "default"}, p); err != nil {
			t.Fatal(err)
		}
		test.edit(p)
		if err := w.client.Update(t.Context(), p); err != nil {
			t.Fatal(err)
		}
		w.push("1", configMap("a", "1"))
		a := w.reconcile()
		says(t, name, a, test.says)
		want(t, name+": nothing is applied", nil, w.wrote())
		want(t, name+": a second look writes nothing", a.ResourceVersion, w.reconcile().ResourceVersion)
	}
}

func TestCreateNamespace(t *testing.T) {
	w := newWorld(t, func(a *v1alpha1.Application) {
		a.Spec.SyncPolicy.SyncOptions = []string{"CreateNamespace=true"}
		a.Spec.SyncPolicy.ManagedNamespaceMetadata = &v1alpha1.NamespaceMetadata{Labels: map[string]string{"team": "shop"}}
	})
	w.push("1", configMap("a", "1"))
	a := w.reconcile()
	want(t, "the namespace comes first", []string{"apply Namespace shop", "apply ConfigMap shop/a"}, w.wrote())
	want(t, "and is no part of the application", 1, len(a.Status.Resources))
	ns := object.Key{Kind: "Namespace", Name: "shop"}
	w.edit(ns, func(obj *unstructured.Unstructured) { obj.SetLabels(map[string]string{"team": "hand"}) })
	w.now = w.now.Add(time.Hour)
	w.reconcile()
	want(t, "its labels are kept", []string{"apply Namespace shop"}, w.wrote())
	w.push("2", configMap("a", "1")+"\n")
	w.reconcile()
	want(t, "without writing it again", nil, w.wrote())
}

var (
	appsID  = app.ID{Kind: "Kustomization", Namespace: "flux-system", Name: "apps"}
	appsKey = client.ObjectKey{Namespace: "flux-system", Name: "apps"}
)

// flux is a Kustomization, its GitRepository and a cluster.
type flux struct {
	*world
	reconciler *reconcile.Reconciler
}

func newFlux(t *testing.T, edit func(*kustomizev1.Kustomization)) *flux {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{kustomizev1.AddToScheme, sourcev1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	k := &kustomizev1.Kustomization{
		ObjectMeta: metav1.ObjectMeta{Namespace: "flux-system", Name: "apps", Generation: 1},
		Spec: kustomizev1.KustomizationSpec{
			Prune: true, Interval: metav1.Duration{Duration: time.Minute}, TargetNamespace: "shop",
			SourceRef: kustomizev1.CrossNamespaceSourceReference{Kind: "GitRepository", Name: "config"},
		},
	}
	if edit != nil {
		edit(k)
	}
	g := &sourcev1.GitRepository{ObjectMeta: metav1.ObjectMeta{Namespace: "flux-system", Name: "config"}}
	c := fake.NewClientBuilder().WithScheme(scheme).WithStatusSubresource(k, g).WithObjects(k, g).Build()
	f := &flux{world: &world{cluster: newCluster(t), t: t, git: &git{files: map[string]string{}}, client: c, now: start}}
	f.restart()
	return f
}

func (f *flux) restart() {
	f.reconciler = reconcile.New(map[string]reconcile.Dialect{"Kustomization": &reconcile.Kustomizations{Client: f.client}},
		reconcile.Only(f.cluster), f.git, newRenders(), reconcile.Options{Now: func() time.Time { return f.now }})
}

// stored makes text the content of a revision that the GitRepository has stored.
func (f *flux) stored(digit, text string) {
	f.t.Helper()
	f.push(digit, text)
	g := &sourcev1.GitRepository{}
	if err := f.client.Get(f.t.Context(), client.ObjectKey{Namespace: "flux-system", Name: "config"}, g); err != nil {
		f.t.Fatal(err)
	}
	g.Status.Artifact = &meta.Artifact{Revision: "main@sha1:" + f.git.seen.Revision.ID, LastUpdateTime: metaNow, Path: "x", URL: "x", Digest: "sha1:0"}
	if err := f.client.Status().Update(f.t.Context(), g); err != nil {
		f.t.Fatal(err)
	}
}

func (f *flux) reconcile() *kustomizev1.Kustomization {
	f.t.Helper()
	if _, err := f.reconciler.Reconcile(f.t.Context(), appsID); err != nil {
		f.t.Fatal(err)
	}
	k := &kustomizev1.Kustomization{}
	if err := f.client.Get(f.t.Context(), appsKey, k); client.IgnoreNotFound(err) != nil {
		f.t.Fatal(err)
	}
	return k
}

func readiness(k *kustomizev1.Kustomization) string {
	c := apimeta.FindStatusCondition(k.Status.Conditions, "Ready")
	if c == nil {
		return ""
	}
	return string(c.Status) + " " + c.Reason + ": " + c.Message
}

func shopMap(name, value string, more ...string) string {
	return configMap(name, value, append(more, "namespace: shop")...)
}

func TestKustomization(t *testing.T) {
	f := newFlux(t, nil)
	want(t, "a source that was not fetched is waited for", "False ArtifactFailed: Source artifact not found, retrying", readiness(f.reconcile()))
	f.stored("1", shopMap("a", "1")+shopMap("b", "1"))
	k := f.reconcile()
	want(t, "it is applied", "True ReconciliationSucceeded: Applied revision: main@sha1:1111111111111111111111111111111111111111", readiness(k))
	want(t, "and remembered", 2, len(k.Status.Inventory.Entries))
	want(t, "the finalizer is there before that", []string{"finalizers.fluxcd.io"}, k.Finalizers)
	f.wrote()
	f.restart()
	want(t, "a second look writes no status", k.ResourceVersion, f.reconcile().ResourceVersion)
	want(t, "and no object", nil, f.wrote())

	f.stored("2", shopMap("a", "2"))
	k = f.reconcile()
	want(t, "an update and a prune", []string{"apply ConfigMap shop/a", "delete ConfigMap shop/b"}, f.wrote())
	want(t, "", 1, len(k.Status.Inventory.Entries))
	f.stored("3", "")
	k = f.reconcile()
	want(t, "an empty source deletes nothing", nil, f.wrote())
	want(t, "", 1, len(k.Status.Inventory.Entries))
}

// What a source has read is claimed although it cannot show it, again and again,
// until it does.
func TestAnnounced(t *testing.T) {
	f := newFlux(t, nil)
	f.stored("1", shopMap("a", "1"))
	f.reconcile()
	f.push("2", shopMap("b", "1"))
	f.reconciler.Expect(appsID, f.git.seen.Revision.ID)
	f.wrote()
	for range 2 {
		f.reconcile()
		want(t, "nothing of it is applied", nil, f.wrote())
		want(t, "what it declares is claimed", []app.ID{appsID}, f.Claimed(key("ConfigMap", "b")))
		want(t, "beside what is applied", []app.ID{appsID}, f.Claimed(key("ConfigMap", "a")))
	}
	delete(f.git.files, f.git.seen.Revision.ID)
	f.reconciler.Expect(appsID, f.git.seen.Revision.ID)
	f.reconcile()
	want(t, "also while it cannot be read", []app.ID{appsID}, f.Claimed(key("ConfigMap", "b")))
	f.stored("2", shopMap("b", "1"))
	f.reconcile()
	want(t, "its turn comes", []string{"apply ConfigMap shop/b", "delete ConfigMap shop/a"}, f.wrote())
	f.reconcile()
	want(t, "and what was left is not claimed any more", []app.ID{}, f.Claimed(key("ConfigMap", "a")))
}

// Right after a start the source may be known later than what is read from it,
// which is no news of the application.
func TestSourceKnownLater(t *testing.T) {
	f := newFlux(t, nil)
	f.stored("1", shopMap("a", "1"))
	k := f.reconcile()
	f.restart()
	f.git.unread = true
	want(t, "what was reported stands", k.ResourceVersion, f.reconcile().ResourceVersion)
	f.now = f.now.Add(11 * time.Second)
	want(t, "unless it stays so", "False ArtifactFailed: No repository is known", readiness(f.reconcile()))
	f.git.unread = false
	want(t, "and it heals", "True ReconciliationSucceeded: Applied revision: main@sha1:1111111111111111111111111111111111111111", readiness(f.reconcile()))
}

// Writing "leave this alone" into the source must not delete the object.
func TestLeftAlone(t *testing.T) {
	for _, note := range []string{"reconcile: disabled", "ssa: Ignore"} {
		f := newFlux(t, nil)
		f.stored("1", shopMap("a", "1")+shopMap("b", "1"))
		f.reconcile()
		f.wrote()
		f.stored("2", shopMap("a", "1")+shopMap("b", "2", "annotations: {kustomize.toolkit.fluxcd.io/"+note+"}"))
		k := f.reconcile()
		want(t, note+": it is neither applied nor deleted", nil, f.wrote())
		want(t, note+": and the rest is in order", "True ReconciliationSucceeded: Applied revision: main@sha1:2222222222222222222222222222222222222222", readiness(k))
		f.now = f.now.Add(time.Hour)
		want(t, note+": a second look writes nothing", k.ResourceVersion, f.reconcile().ResourceVersion)
	}
}

func TestKustomizationWaits(t *testing.T) {
	f := newFlux(t, func(k *kustomizev1.Kustomization) {
		k.Spec.Wait, k.Spec.Timeout = true, &metav1.Duration{Duration: time.Minute}
	})
	f.stored("1", "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a, namespace: shop}\n"+
		"spec: {replicas: 1, selector: {matchLabels: {app: a}}, template: {metadata: {labels: {app: a}}, spec: {containers: [{name: a, image: nginx}]}}}\n")
	if got := readiness(f.reconcile()); got != "Unknown Progressing: Running health checks for revision main@1111111 with a timeout of 1m0s" {
		t.Errorf("it waits for health: %q", got)
	}
	f.now = f.now.Add(2 * time.Minute)
	if c := apimeta.FindStatusCondition(f.reconcile().Status.Conditions, "Healthy"); c == nil || c.Status != metav1.ConditionFalse {
		t.Errorf("not without end: %v", c)
	}
	k := key("Deployment", "a")
	k.Group = "apps"
	f.edit(k, ready)
	if c := apimeta.FindStatusCondition(f.reconcile().Status.Conditions, "Healthy"); c == nil || c.Status != metav1.ConditionTrue {
		t.Errorf("what becomes healthy late is healthy: %v", c)
	}
}

func TestKustomizationDependency(t *testing.T) {
	f := newFlux(t, func(k *kustomizev1.Kustomization) {
		k.Spec.DependsOn = []kustomizev1.DependencyReference{{Name: "infra"}}
	})
	f.stored("1", shopMap("a", "1"))
	want(t, "one that is missing is named", "False DependencyNotReady: Dependency 'flux-system/infra' not found", readiness(f.reconcile()))
	infra := &kustomizev1.Kustomization{ObjectMeta: metav1.ObjectMeta{Namespace: "flux-system", Name: "infra"}}
	if err := f.client.Create(t.Context(), infra); err != nil {
		t.Fatal(err)
	}
	want(t, "one that is not ready too", "False DependencyNotReady: Dependency 'flux-system/infra' is not ready: it has not been reconciled yet", readiness(f.reconcile()))
	apimeta.SetStatusCondition(&infra.Status.Conditions, metav1.Condition{Type: "Ready", Status: "True", Reason: "Good"})
	if err := f.client.Status().Update(t.Context(), infra); err != nil {
		t.Fatal(err)
	}
	want(t, "nothing was applied", nil, f.wrote())
	f.reconcile()
	want(t, "until then", []string{"apply ConfigMap shop/a"}, f.wrote())
}

func TestKustomizationDeletion(t *testing.T) {
	f := newFlux(t, nil)
	f.stored("1", shopMap("a", "1")+shopMap("kept", "1", "annotations: {kustomize.toolkit.fluxcd.io/prune: disabled}"))
	k := f.reconcile()
	if err := f.client.Delete(t.Context(), k); err != nil {
		t.Fatal(err)
	}
	f.refuse["delete ConfigMap shop/a"] = errors.New("no")
	if k := f.reconcile(); len(k.Finalizers) == 0 {
		t.Error("it is let go although something of it could not be deleted")
	}
	f.refuse = map[string]error{}
	f.reconcile()
	want(t, "what it made goes, what asks to stay stays", []string{"ConfigMap kept"}, f.names())
	want(t, "and it is let go", "", f.reconcile().Name)
}
