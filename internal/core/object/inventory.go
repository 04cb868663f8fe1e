package object

import "slices"

// Entry is one object in an inventory and the API version it was applied with.
type Entry struct {
	Key     Key
	Version string
}

// Inventory is what an application owns, sorted by key and without repetition.
// It is the sole authority for pruning.
type Inventory []Entry

// NewInventory sorts entries and keeps the last of those that share a key.
func NewInventory(entries []Entry) Inventory {
	last := make(map[Key]Entry, len(entries))
	for _, e := range entries {
		last[e.Key] = e
	}
	inv := make(Inventory, 0, len(last))
	for _, e := range last {
		inv = append(inv, e)
	}
	slices.SortFunc(inv, func(a, b Entry) int { return a.Key.Compare(b.Key) })
	return inv
}

// Has reports whether key is in the inventory; logarithmic.
func (inv Inventory) Has(key Key) bool {
	_, found := slices.BinarySearchFunc(inv, key, func(e Entry, k Key) int { return e.Key.Compare(k) })
	return found
}

// Without returns the entries whose keys are not in other.
func (inv Inventory) Without(other Inventory) Inventory {
	var rest Inventory
	for _, e := range inv {
		if !other.Has(e.Key) {
			rest = append(rest, e)
		}
	}
	return rest
}

// Union returns the entries of both; where a key is in both, other's version wins.
func (inv Inventory) Union(other Inventory) Inventory {
	return NewInventory(slices.Concat([]Entry(inv), []Entry(other)))
}
