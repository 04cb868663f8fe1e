package object_test

import (
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plumbline-dev/plumbline/internal/core/object"
)

func entry(kind, name, version string) object.Entry {
	return object.Entry{Key: object.Key{Group: "apps", Kind: kind, Namespace: "shop", Name: name}, Version: version}
}

func TestInventory(t *testing.T) {
	a1, a2, b, c := entry("Deployment", "a", "v1"), entry("Deployment", "a", "v2"), entry("Deployment", "b", "v1"), entry("StatefulSet", "c", "v1")
	inv := object.NewInventory([]object.Entry{c, a1, b, a2})
	if d := cmp.Diff(object.Inventory{a2, b, c}, inv); d != "" {
		t.Errorf("sorted, and the last of equal keys wins (-want +got):\n%s", d)
	}
	if !inv.Has(b.Key) || inv.Has(entry("Deployment", "x", "").Key) {
		t.Error("has what was put in, and nothing else")
	}
	if d := cmp.Diff(object.Inventory{a2, c}, inv.Without(object.Inventory{b})); d != "" {
		t.Errorf("without (-want +got):\n%s", d)
	}
	if d := cmp.Diff(object.Inventory{a1, b, c}, inv.Union(object.Inventory{a1})); d != "" {
		t.Errorf("in a union the other's version wins (-want +got):\n%s", d)
	}
	if len(object.NewInventory(nil)) != 0 || object.Inventory(nil).Has(b.Key) || len(inv.Without(inv)) != 0 {
		t.Error("an empty inventory has nothing")
	}
}

// Inventories are sets: union and difference do not depend on order.
func TestInventoryIsASet(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	some := func() []object.Entry {
		var list []object.Entry
		for range random.IntN(30) {
			list = append(list, entry([]string{"A", "B"}[random.IntN(2)], string(rune('a'+random.IntN(15))), "v1"))
		}
		return list
	}
	for range 200 {
		one, two := object.NewInventory(some()), object.NewInventory(some())
		if d := cmp.Diff(one.Union(two), two.Union(one)); d != "" {
			t.Fatal(d)
		}
		left, both := one.Without(two), one.Union(two)
		for _, e := range both {
			if left.Has(e.Key) != (one.Has(e.Key) && !two.Has(e.Key)) || !both.Has(e.Key) {
				t.Fatalf("%s is wrongly placed", e.Key)
			}
		}
		if len(left)+len(two) != len(both) {
			t.Fatalf("%d + %d != %d", len(left), len(two), len(both))
		}
	}
}
