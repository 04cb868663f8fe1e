package shard_test

import (
	"strings"
	"testing"

	"github.com/plumbline-dev/plumbline/internal/core/shard"
)

func TestPlaceName(t *testing.T) {
	long := strings.Repeat("very-long-name.", 10)
	seen := map[string]bool{}
	for _, place := range [][2]string{{"node-1", "/data"}, {"node-1", "/data2"}, {"node-2", "/data"}, {"Node_1.Example.ORG", "/"}, {long, "/data"}, {"", "/data"}, {"日本", "/data"}} {
		name := shard.PlaceName(place[0], place[1])
		if err := shard.CheckName(name); err != nil {
			t.Errorf("%q: %v", place, err)
		}
		if seen[name] || name != shard.PlaceName(place[0], place[1]) {
			t.Errorf("%q is called %s, which does not name it alone", place, name)
		}
		seen[name] = true
	}
	for _, bad := range []string{"", "A", "a_b", "-a", "a-", strings.Repeat("a", 64)} {
		if shard.CheckName(bad) == nil {
			t.Errorf("%q counts as a name", bad)
		}
	}
}

func TestReachable(t *testing.T) {
	for listen, want := range map[string]string{
		":8484": "host:8484", "0.0.0.0:8484": "host:8484", "[::]:8484": "host:8484",
		"127.0.0.1:8484": "127.0.0.1:8484", "[fd00::1]:80": "[fd00::1]:80", "plumbd.example.org:80": "plumbd.example.org:80", "nonsense": "nonsense",
	} {
		if got := shard.Reachable(listen, "host"); got != want {
			t.Errorf("%s: %s, not %s", listen, got, want)
		}
	}
}
