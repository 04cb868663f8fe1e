package reconcile_test

import (
	"errors"
	"testing"
	"testing/fstest"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/plumbline-dev/plumbline/api/argoproj/v1alpha1"
	"github.com/plumbline-dev/plumbline/internal/core/source"
	"github.com/plumbline-dev/plumbline/internal/engine/apply"
	"github.com/plumbline-dev/plumbline/internal/engine/refresh"
)

func TestFirstDeploy(t *testing.T) {
	w := newWorld(t, nil)
	if a := w.reconcile(); a.Status.Sync.Status != "" || len(w.wrote()) > 0 {
		t.Errorf("nothing is said or done before the repository was polled: %+v", a.Status)
	}
	w.push("1", configMap("a", "1")+configMap("b", "1"))
	a := w.reconcile()
	want(t, "both objects are there", []string{"ConfigMap a", "ConfigMap b"}, w.names())
	want(t, "", "Succeeded", phase(a))
	want(t, "", v1alpha1.SyncCode("Synced"), a.Status.Sync.Status)
	want(t, "one entry of history", 1, len(a.Status.History))
	w.wrote()

	again := w.reconcile()
	want(t, "a second look writes no object", nil, w.wrote())
	want(t, "and no status", a.ResourceVersion, again.ResourceVersion)
	w.restart()
	again = w.reconcile()
	want(t, "nor after a restart", nil, w.wrote())
	want(t, "", a.ResourceVersion, again.ResourceVersion)
}

func TestUpdateAndPrune(t *testing.T) {
	w := newWorld(t, nil)
	w.push("1", configMap("a", "1")+configMap("b", "1"))
	w.reconcile()
	w.wrote()
	w.push("2", configMap("a", "2"))
	a := w.reconcile()
	want(t, "what changed is applied, what left is deleted, in this order", []string{"apply ConfigMap shop/a", "delete ConfigMap shop/b"}, w.wrote())
	want(t, "", v1alpha1.SyncCode("Synced"), a.Status.Sync.Status)
}

// Nothing that cannot be rendered or is empty deletes anything.
func TestNoDeletionWithoutProof(t *testing.T) {
	for name, test := range map[string]struct {
		push func(*world)
		edit func(*v1alpha1.Application)
		says string
	}{
		"render error": {func(w *world) { w.push("2", "broken") }, nil, "it is broken"},
		"empty":        {func(w *world) { w.push("2", "") }, nil, "Automatic sync held"},
		"no tree":      {func(w *world) { w.push("2", ""); w.git.files = nil }, nil, "No such revision"},
		"unreachable":  {func(w *world) { w.git.seen.Err = errors.New("connection refused") }, nil, "Connection refused"},
		"unresolved": {func(w *world) {
			w.git.seen.Revision, w.git.seen.Err = source.Revision{}, errors.New("no branch main")
		}, nil, "No branch main"},
		"manual, empty": {func(w *world) { w.push("2", "") }, func(a *v1alpha1.Application) {
			a.Operation = &v1alpha1.Operation{Sync: &v1alpha1.SyncOperation{Prune: true}}
		}, "nothing is deleted on the word of an empty source"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, nil)
			w.push("1", configMap("a", "1"))
			w.reconcile()
			w.wrote()
			test.push(w)
			if test.edit != nil {
				w.declare(test.edit)
			}
			a := w.reconcile()
			says(t, "the reason is told", a, test.says)
			want(t, "the object stays", []string{"ConfigMap a"}, w.names())
			want(t, "and is remembered as owned", 1, len(a.Status.Resources))
			w.restart()
			a = w.reconcile() // may say that an attempt failed before
			says(t, "the reason is still told", a, test.says)
			want(t, "a later look writes nothing", a.ResourceVersion, w.reconcile().ResourceVersion)
			want(t, "nothing was written", nil, w.wrote())
		})
	}
}

// The empty commit arrives while an automatic operation is under way.
func TestEmptyWhileRunning(t *testing.T) {
	w := newWorld(t, nil)
	w.push("1", deployment("a", 0)+configMap("b", "1", `annotations: {argocd.argoproj.io/sync-wave: "1"}`))
	want(t, "", "Running", phase(w.reconcile()))
	w.push("2", "")
	a := w.reconcile()
	says(t, "the reason is told", a, "Automatic sync held")
	want(t, "what is there stays", []string{"Deployment a"}, w.names())
}

func deployment(name string, wave int) string {
	return "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: " + name + ", annotations: {argocd.argoproj.io/sync-wave: \"" + string(rune('0'+wave)) + "\"}}\n" +
		"spec: {replicas: 1, selector: {matchLabels: {app: a}}, template: {metadata: {labels: {app: a}}, spec: {containers: [{name: a, image: \"nginx:1\"}]}}}\n---\n"
}

func ready(obj *unstructured.Unstructured) {
	obj.SetGeneration(1)
	obj.Object["status"] = map[string]any{"observedGeneration": int64(1), "replicas": int64(1), "updatedReplicas": int64(1), "readyReplicas": int64(1), "availableReplicas": int64(1)}
}

func TestWavesWaitForHealth(t *testing.T) {
	w := newWorld(t, nil)
	w.push("1", deployment("a", 0)+configMap("b", "1", `annotations: {argocd.argoproj.io/sync-wave: "1"}`))
	a := w.reconcile()
	want(t, "the first wave is there", []string{"Deployment a"}, w.names())
	want(t, "", "Running", phase(a))
	want(t, "what is waited for is named", "waiting for healthy state of apps/Deployment/a", a.Status.OperationState.Message)
	w.wrote()
	w.restart()
	w.reconcile()
	want(t, "waiting writes nothing, restart or not", nil, w.wrote())
	k := key("Deployment", "a")
	k.Group = "apps"
	w.edit(k, ready)
	a = w.reconcile()
	want(t, "then the next wave follows", []string{"ConfigMap b", "Deployment a"}, w.names())
	want(t, "", "Succeeded", phase(a))
	want(t, "images are read from what is live", []string{"nginx:1"}, a.Status.Summary.Images)
}

// What is applied to an object on its way out goes with it: that is no success.
func TestObjectOnItsWayOut(t *testing.T) {
	w := newWorld(t, func(a *v1alpha1.Application) { a.Spec.SyncPolicy.Automated.SelfHeal = nil })
	w.push("1", configMap("a", "1"))
	w.reconcile()
	k := key("ConfigMap", "a")
	old, _ := w.Live(k)
	w.holds["a"] = true
	if err := w.Delete(t.Context(), k, apply.DeleteOptions{UID: string(old.GetUID())}); err != nil {
		t.Fatal(err)
	}
	w.wrote()
	w.push("2", configMap("a", "2"))
	a := w.reconcile()
	want(t, "nothing is applied to it", nil, w.wrote())
	want(t, "the operation goes on", "Running", phase(a))
	want(t, "and says for what", "waiting for deletion of /ConfigMap/a", a.Status.OperationState.Message)
	w.holds["a"] = false
	if err := w.Delete(t.Context(), k, apply.DeleteOptions{UID: string(old.GetUID())}); err != nil {
		t.Fatal(err)
	}
	a = w.reconcile()
	want(t, "then it is done", "Succeeded", phase(a))
	fresh, found := w.Live(k)
	want(t, "with a new object", true, found && fresh.GetUID() != old.GetUID())
}

func TestRetries(t *testing.T) {
	w := newWorld(t, nil)
	w.push("1", configMap("a", "1"))
	w.refuse["apply ConfigMap shop/a"] = apierrors.NewForbidden(schema.GroupResource{Resource: "configmaps"}, "a", errors.New("quota"))
	a := w.reconcile()
	want(t, "waiting to try again is Running with an end", "Running", phase(a))
	want(t, "", int64(1), a.Status.OperationState.RetryCount)
	if a.Status.OperationState.FinishedAt == nil {
		t.Error("the failed attempt has no end")
	}
	want(t, "the first pause", 5*time.Second, w.next.After)
	w.wrote()
	w.now = w.now.Add(4 * time.Second)
	w.reconcile()
	want(t, "before the pause is over nothing is tried", nil, w.wrote())
	w.now = w.now.Add(time.Second)
	a = w.reconcile()
	want(t, "then it is, once", []string{"apply ConfigMap shop/a"}, w.wrote())
	want(t, "the second pause is longer", 10*time.Second, w.next.After)
	w.now = w.now.Add(10 * time.Second)
	a = w.reconcile()
	want(t, "after the last retry it has failed", "Failed", phase(a))
	says(t, "with object and file", a, "ConfigMap shop/a in app.yaml")
	w.wrote()
	w.now = w.now.Add(time.Hour)
	w.reconcile()
	want(t, "and is not tried again at this revision", nil, w.wrote())
	w.refuse = map[string]error{}
	w.push("2", configMap("a", "2"))
	want(t, "a new revision is a new attempt", "Succeeded", phase(w.reconcile()))
}

func TestUnreachableUsesNoRetries(t *testing.T) {
	w := newWorld(t, nil)
	w.push("1", configMap("a", "1"))
	w.refuse["apply ConfigMap shop/a"] = apierrors.NewServiceUnavailable("starting")
	for range 10 {
		a := w.reconcile()
		want(t, "", "Running", phase(a))
		want(t, "no retry is used up", int64(0), a.Status.OperationState.RetryCount)
		w.now = w.now.Add(w.next.After)
	}
	w.refuse = map[string]error{}
	want(t, "it goes on when the server is back", "Succeeded", phase(w.reconcile()))
}

func TestRepairs(t *testing.T) {
	w := newWorld(t, nil)
	w.push("1", configMap("a", "1")+configMap("b", "1"))
	w.reconcile()
	w.wrote()
	meddle := func() {
		w.edit(key("ConfigMap", "a"), func(obj *unstructured.Unstructured) { obj.Object["data"] = map[string]any{"value": "hand"} })
	}
	meddle()
	w.now = w.now.Add(time.Minute)
	a := w.reconcile()
	want(t, "only what differs is put back", []string{"apply ConfigMap shop/a"}, w.wrote())
	want(t, "a repair is no entry of history", 1, len(a.Status.History))
	meddle()
	w.now = w.now.Add(time.Second)
	w.reconcile()
	want(t, "a repair that did not last waits", nil, w.wrote())
	want(t, "", time.Second, w.next.After)
	w.now = w.now.Add(w.next.After)
	w.reconcile()
	want(t, "and is repeated", []string{"apply ConfigMap shop/a"}, w.wrote())
	w.edit(key("ConfigMap", "a"), func(obj *unstructured.Unstructured) { obj.SetLabels(map[string]string{"hand": "made"}) })
	w.reconcile()
	want(t, "a field that nobody declares is left alone", nil, w.wrote())
}

func TestManualRequest(t *testing.T) {
	w := newWorld(t, func(a *v1alpha1.Application) { a.Spec.SyncPolicy = nil })
	w.push("1", configMap("a", "1"))
	a := w.reconcile()
	want(t, "nothing is applied by itself", nil, w.wrote())
	want(t, "the difference is said", v1alpha1.SyncCode("OutOfSync"), a.Status.Sync.Status)
	w.declare(func(a *v1alpha1.Application) {
		a.Operation = &v1alpha1.Operation{Sync: &v1alpha1.SyncOperation{}, InitiatedBy: v1alpha1.OperationInitiator{Username: "ada"}}
	})
	a = w.reconcile()
	want(t, "what was asked for runs", []string{"apply ConfigMap shop/a"}, w.wrote())
	if a.Operation != nil || phase(a) != "Succeeded" || a.Status.OperationState.Operation.InitiatedBy.Username != "ada" {
		t.Errorf("and is answered: %+v %+v", a.Operation, a.Status.OperationState)
	}
	before := a.ResourceVersion
	want(t, "once", before, w.reconcile().ResourceVersion)
}

func TestDryRun(t *testing.T) {
	w := newWorld(t, func(a *v1alpha1.Application) {
		a.Spec.SyncPolicy = nil
		a.Operation = &v1alpha1.Operation{Sync: &v1alpha1.SyncOperation{DryRun: true}}
	})
	w.push("1", configMap("a", "1"))
	a := w.reconcile()
	want(t, "a dry run writes nothing", nil, w.wrote())
	want(t, "", "Succeeded", phase(a))
	want(t, "and is no entry of history", 0, len(a.Status.History))
}

func TestUnknownKind(t *testing.T) {
	w := newWorld(t, nil)
	w.unknown["Widget"] = true
	w.push("1", configMap("a", "1")+"apiVersion: example.com/v1\nkind: Widget\nmetadata: {name: w}\n")
	a := w.reconcile()
	want(t, "nothing of it is applied", nil, w.wrote())
	says(t, "file, object and kind are named", a, "pp.yaml: example.com/Widget shop/w: the cluster has no kind Widget.example.com in version example.com/v1")
}

func TestBlindKind(t *testing.T) {
	w := newWorld(t, nil)
	w.push("1", configMap("a", "1")+"apiVersion: v1\nkind: Secret\nmetadata: {name: s}\n")
	w.reconcile()
	w.wrote()
	w.blind["Secret"] = errors.New("forbidden")
	w.push("2", configMap("a", "2"))
	a := w.reconcile()
	want(t, "the rest is synced", []string{"apply ConfigMap shop/a"}, w.wrote())
	says(t, "what cannot be looked at is told alone", a, "Secret shop/s: forbidden")
	want(t, "and stays", []string{"ConfigMap a", "Secret s"}, w.names())
	want(t, "and is remembered as ours", 2, len(a.Status.Resources))
	want(t, "and the sync is not over", "Running", phase(a))
	w.push("3", configMap("a", "3"))
	w.reconcile()
	want(t, "and holds up no newer revision", []string{"apply ConfigMap shop/a"}, w.wrote())
	w.restart()
	w.blind = map[string]error{}
	w.reconcile()
	want(t, "until it can be looked at again", []string{"ConfigMap a"}, w.names())
}

func TestReleased(t *testing.T) {
	w := newWorld(t, nil)
	w.push("1", configMap("a", "1")+configMap("b", "1"))
	w.reconcile()
	w.edit(key("ConfigMap", "b"), func(obj *unstructured.Unstructured) { obj.SetAnnotations(nil) })
	w.wrote()
	w.push("2", configMap("a", "1"))
	a := w.reconcile()
	want(t, "what lost our mark is not ours to delete", []string{"ConfigMap a", "ConfigMap b"}, w.names())
	want(t, "and not remembered", 1, len(a.Status.Resources))
	want(t, "", v1alpha1.SyncCode("Synced"), a.Status.Sync.Status)
}

func TestShared(t *testing.T) {
	w := newWorld(t, nil)
	w.push("1", configMap("a", "1"))
	w.reconcile()
	w.edit(key("ConfigMap", "a"), func(obj *unstructured.Unstructured) {
		obj.SetAnnotations(map[string]string{"argocd.argoproj.io/tracking-id": "other:/ConfigMap:shop/a"})
	})
	w.declare(func(a *v1alpha1.Application) { a.Spec.SyncPolicy = nil })
	says(t, "who shares an object with whom is told", w.reconcile(), "ConfigMap/a is part of applications argocd/shop and argocd/other")
}

func TestDeletion(t *testing.T) {
	w := newWorld(t, nil)
	w.push("1", configMap("a", "1")+configMap("b", "1", `annotations: {argocd.argoproj.io/sync-wave: "1"}`)+
		configMap("kept", "1", `annotations: {argocd.argoproj.io/sync-options: Delete=false}`))
	w.reconcile()
	w.wrote()
	w.holds["b"] = true
	if err := w.client.Delete(t.Context(), w.get()); err != nil {
		t.Fatal(err)
	}
	w.git.files = nil // a deletion needs no source
	w.reconcile()
	want(t, "the last wave goes first", []string{"delete ConfigMap shop/b"}, w.wrote())
	w.reconcile()
	want(t, "and is waited for", nil, w.wrote())
	want(t, "the Application stays that long", "shop", w.get().Name)
	delete(w.objects, key("ConfigMap", "b"))
	w.refuse["delete ConfigMap shop/a"] = errors.New("webhook says no")
	says(t, "what cannot be deleted is told", w.reconcile(), "ConfigMap shop/a: webhook says no")
	w.refuse = map[string]error{}
	w.reconcile()
	w.reconcile()
	want(t, "what asks to be kept is kept", []string{"ConfigMap kept"}, w.names())
	want(t, "then the Application is let go", "", w.get().Name)
	w.reconcile()
}

func TestUntouched(t *testing.T) {
	w := newWorld(t, nil)
	w.push("1", configMap("a", "1"))
	same, other := source.Revision{ID: "2222222222222222222222222222222222222222"}, source.Revision{ID: "3333333333333333333333333333333333333333"}
	w.git.files[same.ID], w.git.files[other.ID] = configMap("a", "1"), configMap("a", "2")
	untouched := func(rev source.Revision) bool {
		return w.reconciler.Untouched(t.Context(), []refresh.News{{Reader: shop, Revision: rev}})[shop]
	}
	if untouched(same) {
		t.Error("what was never looked at is untouched")
	}
	w.reconcile()
	for rev, want := range map[source.Revision]bool{same: true, other: false, {}: false, {ID: "gone"}: false} {
		if got := untouched(rev); got != want {
			t.Errorf("%q: %t", rev.ID, got)
		}
	}
	if w.reconciler.Untouched(t.Context(), []refresh.News{{Reader: shop, Revision: same, Asked: true}})[shop] {
		t.Error("what asked for an answer is untouched")
	}
}

// differing is a tree that tells what changed, and cannot be read.
type differing struct {
	source.Tree

	changed []string
	since   *[]string // revisions that were compared with
}

func (d differing) Since(old source.Tree) (c source.Changes, ok bool) {
	*d.since = append(*d.since, old.Revision().ID)
	for _, name := range d.changed {
		c.Add(name, false)
	}
	return c, true
}

func (differing) ID(string) (string, error) { return "", errors.New("not read") }

func TestUntouchedByChangesElsewhere(t *testing.T) {
	w := newWorld(t, func(a *v1alpha1.Application) { a.Spec.Source.Path = "apps/shop" })
	w.push("1", configMap("a", "1"))
	w.reconcile()
	var since []string
	trees := map[string]source.Tree{}
	w.git.tree = func(rev source.Revision) source.Tree { return trees[rev.ID] }
	for _, c := range []struct {
		id        string
		changed   []string
		untouched bool
	}{
		{"2", []string{"apps/other/app.yaml"}, true},
		{"3", []string{"apps/shop/app.yaml"}, false},
		{"4", nil, true},
	} {
		trees[c.id] = differing{source.FromFS(fstest.MapFS{}, source.Revision{ID: c.id}), c.changed, &since}
		got := w.reconciler.Untouched(t.Context(), []refresh.News{{Reader: shop, Revision: source.Revision{ID: c.id}}})[shop]
		if got != c.untouched {
			t.Errorf("%s: untouched is %t", c.id, got)
		}
	}
	want(t, "each is compared with the last one that left all as it is", []string{w.git.seen.Revision.ID, "2", "2"}, since)
}

func TestSuspended(t *testing.T) {
	w := newWorld(t, func(a *v1alpha1.Application) {
		a.Annotations = map[string]string{"argocd.argoproj.io/skip-reconcile": "true"}
	})
	w.push("1", configMap("a", "1"))
	before := w.get().ResourceVersion
	want(t, "no status is written", before, w.reconcile().ResourceVersion)
	want(t, "and no object", nil, w.wrote())
}

func TestRefresh(t *testing.T) {
	w := newWorld(t, nil)
	w.push("1", configMap("a", "1"))
	w.reconcile()
	w.declare(func(a *v1alpha1.Application) {
		a.Annotations = map[string]string{"argocd.argoproj.io/refresh": "normal"}
	})
	for range 3 {
		if a := w.reconcile(); a.Annotations["argocd.argoproj.io/refresh"] == "" {
			t.Error("a refresh is answered before its poll")
		}
	}
	want(t, "one poll is asked for", 1, w.git.asked)
	w.git.seen.Polls++
	if a := w.reconcile(); a.Annotations["argocd.argoproj.io/refresh"] != "" {
		t.Error("a refresh is not answered by its poll")
	}
}
