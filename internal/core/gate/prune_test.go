package gate_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/plumbline-dev/plumbline/internal/core/app"
	"github.com/plumbline-dev/plumbline/internal/core/condition"
	"github.com/plumbline-dev/plumbline/internal/core/gate"
	"github.com/plumbline-dev/plumbline/internal/core/object"
	"github.com/plumbline-dev/plumbline/internal/core/plan"
)

func leftover(kind, name string) plan.Leftover {
	return plan.Leftover{Entry: object.Entry{Key: key(kind, name), Version: "v1"}, UID: "uid"}
}

// many returns n leftovers.
func many(n int) []plan.Leftover {
	var list []plan.Leftover
	for i := range n {
		list = append(list, leftover("ConfigMap", fmt.Sprintf("item-%02d", i)))
	}
	return list
}

func without(l []plan.Leftover, edit func(*plan.Leftover)) []plan.Leftover {
	l = slices.Clone(l)
	for i := range l {
		edit(&l[i])
	}
	return l
}

var namespace = object.Key{Kind: "Namespace", Name: "shop"}

func TestGuard(t *testing.T) {
	id := app.ID{Kind: "Application", Namespace: "argocd", Name: "shop"}
	space := plan.Leftover{Entry: object.Entry{Key: namespace, Version: "v1"}, UID: "uid"}
	tooMany := "Pruning is held: main@2222222 no longer declares 12 objects, more than 50 % of the application at once " +
		"(ConfigMap shop/item-00; ConfigMap shop/item-01; ConfigMap shop/item-02; and 9 more); restore them in the source, or " +
		`confirm with "plumb confirm argocd/shop --revision 222222222222"`
	for name, test := range map[string]struct {
		reason string
		edit   func(*gate.Prunes)
		held   int // objects that stay because of a guard
		want   []condition.Problem
	}{
		"too many":  {"more than the share is held, all of it", func(in *gate.Prunes) {}, 12, []condition.Problem{{Reason: condition.PruneHeld, Message: tooMany}}},
		"share":     {"less than the share goes", func(in *gate.Prunes) { in.Owned = 24 }, 0, nil},
		"few":       {"a few go, whatever their share", func(in *gate.Prunes) { in.Leftovers = many(9) }, 0, nil},
		"off":       {"a hundred percent never asks", func(in *gate.Prunes) { in.Limit.Percent = 100 }, 0, nil},
		"confirmed": {"a person's word for this commit lets it go", func(in *gate.Prunes) { in.Confirmed = second.ID }, 0, nil},
		"short":     {"seven digits name it", func(in *gate.Prunes) { in.Confirmed = second.ID[:7] }, 0, nil},
		"too short": {"six do not", func(in *gate.Prunes) { in.Confirmed = second.ID[:6] }, 12, []condition.Problem{{Reason: condition.PruneHeld, Message: tooMany}}},
		"another":   {"a word for another commit does not count", func(in *gate.Prunes) { in.Confirmed = first.ID }, 12, []condition.Problem{{Reason: condition.PruneHeld, Message: tooMany}}},
		"standing":  {"what was held stays held when the application has grown", func(in *gate.Prunes) { in.Owned, in.Standing = 1000, true }, 12, []condition.Problem{{Reason: condition.PruneHeld, Message: tooMany}}},
		"restored":  {"a hold ends when most of it was restored", func(in *gate.Prunes) { in.Standing, in.Leftovers = true, many(3) }, 0, nil},
		"limit off": {"or when the limit is taken off", func(in *gate.Prunes) { in.Standing, in.Limit.Percent = true, 100 }, 0, nil},
		"kept": {"objects that ask to stay do not count", func(in *gate.Prunes) {
			in.Leftovers = slices.Concat(many(9), without(many(12)[9:], func(l *plan.Leftover) { l.Held = "ignored (no prune)" }))
		}, 0, nil},
		"going": {"nor do those that are being deleted", func(in *gate.Prunes) {
			in.Leftovers = without(in.Leftovers, func(l *plan.Leftover) { l.Going = true })
		}, 0, nil},
		"invalid": {"a limit that cannot be read holds everything", func(in *gate.Prunes) {
			in.Limit, in.Leftovers = app.PruneLimit{Invalid: "annotation: bad"}, many(1)
		}, 1, []condition.Problem{{Reason: condition.PruneHeld, Message: "Pruning is held because its limit cannot be read: annotation: bad; correct it, or " +
			`confirm with "plumb confirm argocd/shop --revision 222222222222"`}}},
		"collateral": {"a namespace in which others live stays, and it alone", func(in *gate.Prunes) {
			in.Leftovers = append(many(2), space)
			in.Collateral = []gate.Collateral{{Of: namespace, Losses: []object.Key{key("Secret", "b"), key("Secret", "a")}}}
		}, 1, []condition.Problem{{Reason: condition.CollateralHeld, Message: "Pruning of Namespace shop is held: 2 objects (Secret shop/a; Secret shop/b) would go with it although no commit removed them; " +
			`move or delete them, or confirm with "plumb confirm argocd/shop --revision 222222222222"`}}},
		"hidden": {"a tenant is told how many, not which", func(in *gate.Prunes) {
			in.Leftovers = []plan.Leftover{space}
			in.Collateral = []gate.Collateral{{Of: namespace, Hidden: true, Losses: []object.Key{key("Secret", "theirs")}}}
		}, 1, []condition.Problem{{Reason: condition.CollateralHeld, Message: "Pruning of Namespace shop is held: 1 object would go with it although no commit removed them; " +
			`move or delete them, or confirm with "plumb confirm argocd/shop --revision 222222222222"`}}},
		"unknown": {"what cannot be counted is not taken for nothing", func(in *gate.Prunes) {
			in.Leftovers = []plan.Leftover{space}
			in.Collateral = []gate.Collateral{{Of: namespace, Err: errors.New("api group metrics: it does not answer")}}
		}, 1, []condition.Problem{{Reason: condition.CollateralHeld, Message: "Pruning of Namespace shop is held because it cannot be told what would go with it: api group metrics: it does not answer; or " +
			`confirm with "plumb confirm argocd/shop --revision 222222222222"`}}},
		"moves": {"what a broken application seems to declare stays", func(in *gate.Prunes) {
			other, third := app.ID{Kind: "Kustomization", Namespace: "web", Name: "b"}, app.ID{Kind: "Application", Namespace: "argocd", Name: "c"}
			in.Leftovers = many(9)
			in.Mentions = []gate.Mention{
				{Of: key("ConfigMap", "item-01"), By: other, File: "b/x.yaml"}, {Of: key("ConfigMap", "item-02"), By: other, File: "b/y.yaml"},
				{Of: key("ConfigMap", "item-02"), By: third, File: "c/y.yaml"}, {Of: key("ConfigMap", "theirs"), By: other, File: "b/y.yaml"},
			}
		}, 2, []condition.Problem{
			{Reason: condition.MoveHeld, Message: "Pruning is held: 1 object may have moved to Application argocd/c, which cannot be rendered: its files mention ConfigMap shop/item-02 in c/y.yaml; " +
				`correct them, or confirm with "plumb confirm argocd/shop --revision 222222222222"`},
			{Reason: condition.MoveHeld, Message: "Pruning is held: 2 objects may have moved to Kustomization web/b, which cannot be rendered: its files mention ConfigMap shop/item-01 in b/x.yaml; ConfigMap shop/item-02 in b/y.yaml; " +
				`correct them, or confirm with "plumb confirm argocd/shop --revision 222222222222"`},
		}},
		"alone": {"a namespace in which nothing else is goes", func(in *gate.Prunes) {
			in.Leftovers, in.Collateral = []plan.Leftover{space}, []gate.Collateral{{Of: namespace}}
		}, 0, nil},
	} {
		t.Run(name, func(t *testing.T) {
			in := gate.Prunes{App: id, Revision: second, Limit: app.DefaultPruneLimit, Owned: 20, Leftovers: many(12)}
			test.edit(&in)
			before := slices.Clone(in.Leftovers)
			got, problems := gate.Guard(in)
			held := 0
			for i, l := range got {
				if l.Guarded {
					held++
				}
				if l.Guarded && (l.Held == "" || before[i].Held != "") {
					t.Errorf("%s: %s: held for no reason, or a second time: %q", test.reason, l.Entry.Key, l.Held)
				}
			}
			if held != test.held {
				t.Errorf("%s: %d held, want %d", test.reason, held, test.held)
			}
			if d := cmp.Diff(test.want, problems); d != "" {
				t.Errorf("%s (-want +got):\n%s", test.reason, d)
			}
			if d := cmp.Diff(before, in.Leftovers); d != "" {
				t.Errorf("the input was changed:\n%s", d)
			}
			for _, p := range problems {
				if !p.Reason.Warning() {
					t.Errorf("%s: a held prune fails the application: %v", test.reason, p)
				}
			}
		})
	}
}

func TestLosses(t *testing.T) {
	going := metav1.Now()
	of := func(key object.Key, edit func(*metav1.ObjectMeta)) gate.Neighbour {
		meta := metav1.ObjectMeta{}
		if edit != nil {
			edit(&meta)
		}
		return gate.NeighbourOf(key, &meta)
	}
	secret := key("Secret", "token")
	neighbours := []gate.Neighbour{
		of(key("Secret", "theirs"), nil),
		of(key("ConfigMap", "removed"), nil),
		of(key("ConfigMap", "stays"), nil),
		of(key("Pod", "web-1"), func(m *metav1.ObjectMeta) { m.OwnerReferences = []metav1.OwnerReference{{Name: "web"}} }),
		of(key("ConfigMap", "going"), func(m *metav1.ObjectMeta) { m.DeletionTimestamp = &going }),
		of(secret, func(m *metav1.ObjectMeta) {
			m.Annotations = map[string]string{"kubernetes.io/service-account.name": "default"}
		}),
		of(key("ServiceAccount", "default"), nil),
		of(key("ServiceAccount", "builder"), nil),
		of(key("ConfigMap", "kube-root-ca.crt"), nil),
		of(key("Event", "web.1"), nil),
		of(key("Endpoints", "web"), nil),
		of(object.Key{Group: "discovery.k8s.io", Kind: "EndpointSlice", Namespace: "shop", Name: "web-x"}, nil),
		of(object.Key{Group: "coordination.k8s.io", Kind: "Lease", Namespace: "shop", Name: "lock"}, nil),
		of(object.Key{Group: "shop.example", Kind: "Event", Namespace: "shop", Name: "theirs too"}, nil),
	}
	held := leftover("ConfigMap", "stays")
	held.Held = "ignored (no prune)"
	want := []object.Key{key("ConfigMap", "stays"), {Group: "shop.example", Kind: "Event", Namespace: "shop", Name: "theirs too"}, key("Secret", "theirs"), key("ServiceAccount", "builder")}
	slices.SortFunc(want, object.Key.Compare)
	if d := cmp.Diff(want, gate.Losses(neighbours, []plan.Leftover{leftover("ConfigMap", "removed"), held})); d != "" {
		t.Errorf("what others made, or what asks to stay, would be lost (-want +got):\n%s", d)
	}
	if !gate.TakesAlong(namespace) || !gate.TakesAlong(object.Key{Group: "apiextensions.k8s.io", Kind: "CustomResourceDefinition", Name: "x"}) || gate.TakesAlong(key("ConfigMap", "a")) {
		t.Error("namespaces and definitions take others along")
	}
}

// A person's word for held prunes begins them at once, and is no repair.
func TestConfirmedPrunes(t *testing.T) {
	confirmed := gate.Input{
		Policy: cautious, Run: run(app.Succeeded, nil), Source: "spec", Revision: first, Sync: app.OutOfSync,
		Resources: resources(synced("a"), left("b"), kept("c"), drifted("d")), Confirmed: first.ID, Now: now,
	}
	confirmed.Policy.Prune = true
	want := repair(confirmed.Policy, 0, "b")
	if d := cmp.Diff(gate.Verdict{Start: want}, gate.Decide(confirmed)); d != "" {
		t.Errorf("only what was confirmed is pruned, although self-heal is off (-want +got):\n%s", d)
	}
	other := confirmed
	other.Confirmed = second.ID
	if v := gate.Decide(other); v.Start != nil {
		t.Errorf("a word for another commit begins %+v", v.Start)
	}
}
