package reconcile_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/plumbline-dev/plumbline/api/argoproj/v1alpha1"
	"github.com/plumbline-dev/plumbline/internal/core/app"
)

// configMaps is n manifests whose names begin with a prefix.
func configMaps(prefix string, n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(configMap(fmt.Sprintf("%s-%02d", prefix, i), "1"))
	}
	return b.String()
}

func deletes(calls []string) int {
	n := 0
	for _, c := range calls {
		if strings.HasPrefix(c, "delete ") {
			n++
		}
	}
	return n
}

func annotate(name, value string) func(*v1alpha1.Application) {
	return func(a *v1alpha1.Application) {
		if a.Annotations == nil {
			a.Annotations = map[string]string{}
		}
		a.Annotations[name] = value
	}
}

// A folder is renamed: everything is declared under another name. The new
// objects come, the old ones stay, whatever happens next, until a person says so.
func TestRenameIsHeld(t *testing.T) {
	for name, next := range map[string]func(*world){
		"another look": func(w *world) { w.reconcile() },
		"restart":      func(w *world) { w.restart(); w.reconcile() },
		"next commit":  func(w *world) { w.push("3", configMaps("new", 12)+configMap("more", "1")); w.reconcile() },
		"broken commit": func(w *world) {
			w.push("3", "broken")
			w.reconcile()
			w.push("4", configMaps("new", 12))
			w.reconcile()
		},
		"source away": func(w *world) {
			w.git.seen.Err = fmt.Errorf("connection refused")
			w.reconcile()
			w.git.seen.Err = nil
			w.restart()
			w.reconcile()
		},
		"pruning off and on": func(w *world) {
			off, on := false, true
			w.declare(func(a *v1alpha1.Application) { a.Spec.SyncPolicy.Automated.Prune = &off })
			w.reconcile()
			w.declare(func(a *v1alpha1.Application) { a.Spec.SyncPolicy.Automated.Prune = &on })
			w.reconcile()
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, nil)
			w.push("1", configMaps("old", 12))
			w.reconcile()
			w.wrote()
			w.push("2", configMaps("new", 12))
			a := w.reconcile()
			says(t, "why they stay, and what to do", a, "no longer declares 12 objects, more than 50 % of the application at once")
			want(t, "the rest of the sync is done", "Succeeded", phase(a))
			want(t, "the old objects do not pass for in sync", v1alpha1.SyncCode("OutOfSync"), a.Status.Sync.Status)
			want(t, "the held prunes are counted", 12, w.reconciler.Held())
			next(w)
			a = w.get()
			says(t, "it is still told", a, "Pruning is held")
			want(t, "nothing was deleted", 0, deletes(w.wrote()))
			want(t, "a later look writes nothing", a.ResourceVersion, w.reconcile().ResourceVersion)

			w.declare(annotate(app.ConfirmAnnotation, strings.Repeat("2", 40)))
			if w.git.seen.Revision.ID[0] != '2' {
				w.reconcile()
				want(t, "a word for another commit does not count", 0, deletes(w.wrote()))
				w.declare(annotate(app.ConfirmAnnotation, w.git.seen.Revision.ID))
			}
			a = w.reconcile()
			want(t, "confirmed, they go", 12, deletes(w.wrote()))
			want(t, "", v1alpha1.SyncCode("Synced"), a.Status.Sync.Status)
			want(t, "nothing is held", 0, len(a.Status.Conditions)+w.reconciler.Held())
		})
	}
}

// The sync that brings a rename is killed right after it created the new
// objects, before anything was written down: they do not make the rest smaller.
func TestRenameIsHeldAfterCrash(t *testing.T) {
	w := newWorld(t, nil)
	w.push("1", configMaps("old", 12))
	w.reconcile()
	before := w.get().Status
	w.push("2", configMaps("new", 12))
	w.reconcile()
	w.declare(func(a *v1alpha1.Application) { a.Status = before })
	w.restart()
	says(t, "it is held", w.reconcile(), "Pruning is held")
	want(t, "nothing was deleted", 0, deletes(w.wrote()))
}

// A project or an application may set its own limit, and what cannot be read
// holds everything.
func TestPruneLimits(t *testing.T) {
	for name, test := range map[string]struct {
		reason    string
		own       string
		project   string
		deletions int
	}{
		"off":         {"no limit", "100%", "", 12},
		"project":     {"the project's", "", "100%", 12},
		"own":         {"the application's own wins", "20%,2", "100%", 0},
		"unreadable":  {"nothing goes on a limit that cannot be read", "half", "", 0},
		"of projects": {"nor on a project's", "", "a lot", 0},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, nil)
			if test.own != "" {
				w.declare(annotate(app.PruneLimitAnnotation, test.own))
			}
			if test.project != "" {
				p := &v1alpha1.AppProject{}
				if err := w.client.Get(t.Context(), shopKey, p); err == nil {
					t.Fatal("the project has the application's name")
				}
				key := shopKey
				key.Name = "default"
				if err := w.client.Get(t.Context(), key, p); err != nil {
					t.Fatal(err)
				}
				p.Annotations = map[string]string{app.PruneLimitAnnotation: test.project}
				if err := w.client.Update(t.Context(), p); err != nil {
					t.Fatal(err)
				}
			}
			w.push("1", configMaps("a", 12)+configMap("b", "1"))
			w.reconcile()
			w.wrote()
			w.push("2", configMap("b", "1"))
			a := w.reconcile()
			want(t, test.reason, test.deletions, deletes(w.wrote()))
			want(t, "the rest is done all the same", "Succeeded", phase(a))
		})
	}
}

// An object that asks for a person's consent keeps the operation waiting until
// the consent is as new as the operation.
func TestPruneConfirmation(t *testing.T) {
	w := newWorld(t, nil)
	w.push("1", configMap("a", "1", `annotations: {argocd.argoproj.io/sync-options: Prune=confirm}`)+configMap("b", "1")+configMap("c", "1"))
	w.declare(annotate("argocd.argoproj.io/deletion-approved", start.Add(-time.Hour).Format(time.RFC3339)))
	w.reconcile()
	w.wrote()
	w.push("2", configMap("c", "2"))
	a := w.reconcile()
	want(t, "the rest is done", []string{"apply ConfigMap shop/c", "delete ConfigMap shop/b"}, w.wrote())
	want(t, "the operation waits", "Running waiting for pruning confirmation of /ConfigMap/a", phase(a)+" "+a.Status.OperationState.Message)
	want(t, "and writes nothing meanwhile", a.ResourceVersion, w.reconcile().ResourceVersion)
	w.restart()
	w.reconcile()
	w.now = w.now.Add(time.Minute)
	w.declare(annotate("argocd.argoproj.io/deletion-approved", w.now.Format(time.RFC3339)))
	a = w.reconcile()
	want(t, "with a new consent it goes", []string{"delete ConfigMap shop/a"}, w.wrote())
	want(t, "", "Succeeded", phase(a))
}

func TestDeleteConfirmation(t *testing.T) {
	w := newWorld(t, nil)
	w.push("1", configMap("a", "1", `annotations: {argocd.argoproj.io/sync-options: Delete=confirm}`)+configMap("b", "1"))
	w.reconcile()
	w.wrote()
	if err := w.client.Delete(t.Context(), w.get()); err != nil {
		t.Fatal(err)
	}
	says(t, "the deletion waits", w.reconcile(), "Waiting for deletion confirmation of /ConfigMap/a")
	want(t, "nothing goes before", nil, w.wrote())
	w.declare(annotate("argocd.argoproj.io/deletion-approved", time.Now().Add(time.Hour).UTC().Format(time.RFC3339)))
	w.reconcile()
	want(t, "everything goes after", 2, deletes(w.wrote()))
	w.reconcile()
	want(t, "and the Application", "", w.get().Name)
}

// A namespace in which others have put something stays until that has left.
func TestNamespaceWithOthersObjects(t *testing.T) {
	w := newWorld(t, nil)
	space := "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: shop\n---\n"
	w.push("1", space+configMap("a", "1")+"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: far\n  namespace: far\n")
	w.reconcile()
	w.wrote()
	other := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "ConfigMap"}}
	other.SetNamespace("shop")
	other.SetName("theirs")
	w.stamp(other)
	w.push("2", "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: far\n  namespace: far\n")
	a := w.reconcile()
	says(t, "what would be lost is named", a, "Pruning of Namespace shop is held: 1 object (ConfigMap shop/theirs) would go with it")
	want(t, "the rest goes", []string{"delete ConfigMap shop/a"}, w.wrote())
	if w.next.After == 0 {
		t.Error("nothing announces that they have left: it has to be looked at again")
	}
	w.refuse["inside shop"] = fmt.Errorf("api group metrics: it does not answer")
	says(t, "what cannot be told is no proof", w.reconcile(), "cannot be told what would go with it")
	delete(w.refuse, "inside shop")
	delete(w.objects, key("ConfigMap", "theirs"))
	w.reconcile()
	w.now = w.now.Add(time.Minute)
	w.reconcile()
	want(t, "then it goes", []string{"delete Namespace shop"}, w.wrote())
}
