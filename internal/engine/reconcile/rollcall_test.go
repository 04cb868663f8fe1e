package reconcile_test

import (
	"context"
	"testing"
	"time"

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
