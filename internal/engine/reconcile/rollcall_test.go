package reconcile_test

import (
	"context"
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/plumbline-dev/plumbline/api/argoproj/v1alpha1"
	"github.com/plumbline-dev/plumbline/internal/core/app"
	"github.com/plumbline-dev/plumbline/internal/core/gate"
	"github.com/plumbline-dev/plumbline/internal/core/object"
	"github.com/plumbline-dev/plumbline/internal/engine/reconcile"
)

// afterwards does something when a stage of the application has ended.
type afterwards struct {
	reconcile.NoRecorder
	stage string
	do    func()
}

func (a *afterwards) Begin(ctx context.Context, id app.ID, stage string) (context.Context, func(error)) {
	return ctx, func(error) {
		if stage == a.stage && id == shop {
			a.do()
		}
	}
}

// Another application may claim what leaves this one after this one has looked
// at claims and before it prunes: what counts is who had answered by then.
func TestPruneCountsAnswersBeforeItLooks(t *testing.T) {
	w := newWorld(t, nil)
	other := app.ID{Kind: "Application", Namespace: "argocd", Name: "other"}
	w.push("1", configMap("a", "1")+configMap("b", "1"))
	w.reconcile()
	w.wrote()
	w.options.Recorder = &afterwards{stage: "diff", do: func() {
		w.Claim(other, []object.Key{key("ConfigMap", "b")})
		_, _ = w.reconciler.Reconcile(t.Context(), other)
	}}
	w.restart()
	w.reconciler.Expect(other, "")
	w.push("2", configMap("a", "1"))
	w.reconcile()
	want(t, "what moved stays", []string(nil), w.wrote())
}

// What leaves an application may have moved to another one: it is pruned once
// all that changed have said what they declare, or could have.
func TestPruneWaitsForOthers(t *testing.T) {
	w := newWorld(t, nil)
	other := app.ID{Kind: "Application", Namespace: "argocd", Name: "other"}
	w.push("1", configMap("a", "1")+configMap("b", "1"))
	w.reconcile()
	w.wrote()
	w.reconciler.Expect(shop, "")
	w.reconciler.Expect(other, "")
	w.push("2", configMap("a", "2"))
	a := w.reconcile()
	want(t, "the rest is done", []string{"apply ConfigMap shop/a"}, w.wrote())
	want(t, "why it waits", "Running waiting to prune until it is known what other applications declare now", phase(a)+" "+a.Status.OperationState.Message)
	if w.next.After == 0 || w.next.After > time.Second {
		t.Errorf("it looks again after %s", w.next.After)
	}
	want(t, "and writes nothing meanwhile", a.ResourceVersion, w.reconcile().ResourceVersion)
	w.now = w.now.Add(time.Hour)
	want(t, "an hour in which nobody was looked at counts for nothing", a.ResourceVersion, w.reconcile().ResourceVersion)
	for range 2 * gate.Patience / time.Second {
		w.now = w.now.Add(time.Second)
		a = w.reconcile()
	}
	want(t, "one that never answers is not waited for for ever", []string{"delete ConfigMap shop/b"}, w.wrote())
	want(t, "", "Succeeded", phase(a))
	w.push("3", configMap("c", "1"))
	w.reconcile()
	want(t, "the next time it is waited for again", []string{"apply ConfigMap shop/c"}, w.wrote())
	w.reconciler.Expect(other, "")
	if _, err := w.reconciler.Reconcile(t.Context(), other); err != nil { // there is none
		t.Fatal(err)
	}
	w.push("4", configMap("d", "1"))
	w.reconcile()
	want(t, "one that is gone has answered", []string{"apply ConfigMap shop/d", "delete ConfigMap shop/a", "delete ConfigMap shop/c"}, w.wrote())
}

// An application that is not looked at, because the cache does not show the last
// write to it yet, cannot say what it declares: a prune waits longer for it.
func TestPruneWaitsForThoseKept(t *testing.T) {
	w := newWorld(t, nil)
	cache := &late{Client: w.client}
	w.client = cache
	w.restart()
	other := app.ID{Kind: "Application", Namespace: "argocd", Name: "other"}
	before := w.get()
	before.Name, before.ResourceVersion, before.Spec.Destination.Namespace, before.Spec.SyncPolicy = "other", "", "elsewhere", nil
	if err := w.client.Create(t.Context(), before); err != nil {
		t.Fatal(err)
	}
	stale := &v1alpha1.Application{}
	if err := w.client.Get(t.Context(), client.ObjectKeyFromObject(before), stale); err != nil {
		t.Fatal(err)
	}
	w.push("1", configMap("a", "1")+configMap("b", "1"))
	w.reconcile()
	look := func() {
		t.Helper()
		if _, err := w.reconciler.Reconcile(t.Context(), other); err != nil {
			t.Fatal(err)
		}
	}
	look() // its status is written
	cache.old = stale
	w.wrote()
	w.reconciler.Expect(other, "")
	look()
	w.push("2", configMap("a", "1"))
	pass := func(d time.Duration) {
		for range d / time.Second {
			w.now = w.now.Add(time.Second)
			w.reconcile()
		}
	}
	w.reconcile()
	pass(gate.KeptPatience)
	want(t, "it may have moved there", nil, w.wrote())
	pass(2 * gate.Patience)
	want(t, "it is not waited for for ever", []string{"delete ConfigMap shop/b"}, w.wrote())

	w.push("3", configMap("a", "1")+configMap("c", "1"))
	w.reconcile()
	w.wrote()
	w.push("4", configMap("a", "1"))
	w.reconcile()
	pass(2 * gate.Patience)
	want(t, "the next time as long", nil, w.wrote())
	cache.old = nil
	look()
	pass(time.Second)
	want(t, "nor longer than until it has answered", []string{"delete ConfigMap shop/c"}, w.wrote())
}
