package shard_test

import (
	"fmt"
	"testing"

	"github.com/plumbline-dev/plumbline/internal/core/shard"
)

const keys = 30000

func key(i int) string { return fmt.Sprintf("Application/argocd/app-%d", i) }

// Everybody computes the same owner, and each of n gets about an n-th.
func TestShares(t *testing.T) {
	for _, members := range [][]string{{"a"}, {"a", "b"}, {"plumbd-0", "plumbd-1", "plumbd-2"}, {"m1", "m2", "m3", "m4", "m5"}} {
		count := map[string]int{}
		for i := range keys {
			owner := ""
			for _, self := range members {
				ring := shard.NewRing(self, members...)
				if owner == "" {
					owner = ring.Owner(key(i))
				}
				if ring.Owner(key(i)) != owner || ring.Owns(key(i)) != (owner == self) {
					t.Fatalf("%s and others disagree about %s", self, key(i))
				}
			}
			count[owner]++
		}
		for _, m := range members {
			if share := float64(count[m]) * float64(len(members)) / keys; share < 0.95 || share > 1.05 {
				t.Errorf("of %v, %s owns %d of %d", members, m, count[m], keys)
			}
		}
	}
}

// One that joins takes only what is its own; one that leaves gives only that.
func TestMovesOnlyWhatItMust(t *testing.T) {
	members := []string{"a"}
	for _, newcomer := range []string{"b", "c", "d", "e"} {
		before := shard.NewRing("a", members...)
		members = append(members, newcomer)
		after := shard.NewRing("a", members...)
		moved := 0
		for i := range keys {
			old, now := before.Owner(key(i)), after.Owner(key(i))
			if old != now {
				moved++
				if now != newcomer {
					t.Fatalf("%s moved from %s to %s when %s came", key(i), old, now, newcomer)
				}
			}
		}
		if share := float64(moved) * float64(len(members)) / keys; share < 0.95 || share > 1.05 {
			t.Errorf("%d of %d moved when member %d came", moved, keys, len(members))
		}
	}
}

// Nobody owns anything in a ring that it is no member of.
func TestOutside(t *testing.T) {
	for name, ring := range map[string]shard.Ring{"zero": {}, "empty": shard.NewRing("a"), "others": shard.NewRing("a", "b")} {
		if ring.Owns("x") {
			t.Errorf("%s: owns x", name)
		}
	}
}
