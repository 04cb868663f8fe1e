package gate_test

import (
	"strings"
	"testing"

	"github.com/plumbline-dev/plumbline/internal/core/app"
	"github.com/plumbline-dev/plumbline/internal/core/gate"
	"github.com/plumbline-dev/plumbline/internal/core/object"
)

func TestOrphans(t *testing.T) {
	key := func(group, kind, name string) object.Key {
		return object.Key{Group: group, Kind: kind, Namespace: "default", Name: name}
	}
	inside := []gate.Neighbour{
		{Key: key("", "Secret", "left")}, {Key: key("apps", "Deployment", "ours"), Labels: map[string]string{"of": "shop"}},
		{Key: key("apps", "ReplicaSet", "ours-1"), Owned: true}, {Key: key("", "ConfigMap", "going"), Going: true},
		{Key: key("", "ConfigMap", "kube-root-ca.crt")}, {Key: key("", "ServiceAccount", "default")}, {Key: key("", "Service", "kubernetes")},
		{Key: key("", "ConfigMap", "made-by-hand")}, {Key: key("batch", "Job", "nightly-7")}, {Key: key("", "Pod", "debug")},
	}
	owned := func(n gate.Neighbour) bool { return n.Labels["of"] != "" }
	permits := func(key object.Key) bool { return key.Kind != "Pod" }
	for name, test := range map[string]struct {
		ignore []app.KindRule
		want   string
	}{
		"all":       {nil, "made-by-hand left nightly-7"},
		"by kind":   {[]app.KindRule{{Group: "batch", Kind: "Job"}}, "made-by-hand left"},
		"by name":   {[]app.KindRule{{Group: "*", Kind: "*", Name: "made-*"}}, "left nightly-7"},
		"not group": {[]app.KindRule{{Kind: "Job"}}, "made-by-hand left nightly-7"},
		"broken":    {[]app.KindRule{{Group: "[x", Kind: "*"}}, "made-by-hand left nightly-7"},
	} {
		var names []string
		for _, key := range gate.Orphans(app.OrphanRule{Ignore: test.ignore}, inside, permits, owned) {
			names = append(names, key.Name)
		}
		if got := strings.Join(names, " "); got != test.want {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}
