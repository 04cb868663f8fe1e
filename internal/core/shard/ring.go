// Package shard decides which of several equal members owns a piece of work.
//
// In go the Leases that the members write about themselves, and when they were
// read; out come who is in the ring, what this member may do, and what its own
// Lease has to say next. It reads no clock and writes nothing, and it never
// compares the clocks of two machines: whether another member lives is judged
// by when its Lease was seen to change.
package shard

import (
	"hash/fnv"
	"slices"
)

// Ring is a set of members, seen by one of them. The zero value has no members
// and owns nothing. A Ring is not changed after it was made.
type Ring struct {
	self    string
	members []string // sorted
}

// NewRing returns the ring of members as self sees it. Self counts only if it
// is one of the members.
func NewRing(self string, members ...string) Ring {
	members = slices.Clone(members)
	slices.Sort(members)
	return Ring{self: self, members: slices.Compact(members)}
}

// Members lists the members in order. The caller does not change it.
func (r Ring) Members() []string { return r.members }

// Equal reports whether two rings divide work alike.
func (r Ring) Equal(other Ring) bool {
	return r.self == other.self && slices.Equal(r.members, other.members)
}

// Owner returns the member that a key belongs to, and "" for a ring without
// members. Every ring of the same members names the same one; a member that
// comes takes from the others only what becomes its own, and one that goes
// leaves only what was its own.
func (r Ring) Owner(key string) string {
	owner, highest := "", uint64(0)
	for _, m := range r.members {
		if w := weight(m, key); owner == "" || w > highest {
			owner, highest = m, w
		}
	}
	return owner
}

// Owns reports whether a key belongs to the member that sees the ring so.
func (r Ring) Owns(key string) bool {
	return r.self != "" && r.Owner(key) == r.self
}

// weight is what a member bids for a key.
func weight(member, key string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(member))
	h.Write([]byte{0})
	h.Write([]byte(key))
	// The last bytes of a key reach too few bits of the sum without this.
	x := h.Sum64()
	x = (x ^ x>>33) * 0xff51afd7ed558ccd
	x = (x ^ x>>33) * 0xc4ceb9fe1a85ec53
	return x ^ x>>33
}
