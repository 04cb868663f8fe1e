package flux_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plumbline-dev/plumbline/internal/core/object"
	"github.com/plumbline-dev/plumbline/internal/core/source"
	"github.com/plumbline-dev/plumbline/internal/dialect/flux"
)

func TestInventoryID(t *testing.T) {
	for id, test := range map[string]struct {
		reason string
		key    object.Key
	}{
		"shop_api_apps_Deployment": {"namespace, name, group and kind", object.Key{Namespace: "shop", Name: "api", Group: "apps", Kind: "Deployment"}},
		"shop_api__Service":        {"the core group is empty", object.Key{Namespace: "shop", Name: "api", Kind: "Service"}},
		"_shop__Namespace":         {"cluster-scoped objects have no namespace", object.Key{Name: "shop", Kind: "Namespace"}},
		"_system__node_rbac.authorization.k8s.io_ClusterRole":        {"colons in names are doubled underscores", object.Key{Name: "system:node", Group: "rbac.authorization.k8s.io", Kind: "ClusterRole"}},
		"_a_b_rbac.authorization.k8s.io_ClusterRole":                 {"names of roles may hold an underscore", object.Key{Name: "a_b", Group: "rbac.authorization.k8s.io", Kind: "ClusterRole"}},
		"shop_system__x____RoleBinding":                              {"a colon may end a name", object.Key{Namespace: "shop", Name: "system:x:", Kind: "RoleBinding"}},
		"_things.x.io_apiextensions.k8s.io_CustomResourceDefinition": {"names may hold dots", object.Key{Name: "things.x.io", Group: "apiextensions.k8s.io", Kind: "CustomResourceDefinition"}},
	} {
		if got := flux.FormatID(test.key); got != id {
			t.Errorf("%s: got %q, want %q", test.reason, got, id)
		}
		got, ok := flux.ParseID(id)
		if d := cmp.Diff(test.key, got); d != "" || !ok {
			t.Errorf("%s: %t (-want +got):\n%s", test.reason, ok, d)
		}
	}
	for _, id := range []string{"", "a", "a_b", "a_b_c", "shop__apps_Deployment", "shop_api_apps_"} {
		if key, ok := flux.ParseID(id); ok {
			t.Errorf("%q is no id: %+v", id, key)
		}
	}
}

// Every key whose name has no underscore survives the trip through its id.
func FuzzInventoryID(f *testing.F) {
	f.Add("shop", "api", "apps", "Deployment")
	f.Add("", "system:a::b", "rbac.authorization.k8s.io", "ClusterRole")
	f.Fuzz(func(t *testing.T, namespace, name, group, kind string) {
		_, _ = flux.ParseID(name)
		if name == "" || kind == "" || strings.Contains(namespace+name+group+kind, "_") {
			t.Skip()
		}
		key := object.Key{Namespace: namespace, Name: name, Group: group, Kind: kind}
		got, ok := flux.ParseID(flux.FormatID(key))
		if d := cmp.Diff(key, got); d != "" || !ok {
			t.Errorf("%q: %t (-want +got):\n%s", flux.FormatID(key), ok, d)
		}
	})
}

func TestRevision(t *testing.T) {
	const id = "18bc77047eed7038040a810160114e5c7b2b7931"
	for text, test := range map[string]struct {
		reason string
		want   source.Revision
		again  string
	}{
		"main@sha1:" + id:      {"what was asked for and the commit", source.Revision{Name: "main", ID: id}, "main@sha1:" + id},
		"feature/x@sha1:" + id: {"branches may hold a slash", source.Revision{Name: "feature/x", ID: id}, "feature/x@sha1:" + id},
		"sha1:" + id:           {"a commit alone", source.Revision{ID: id}, "sha1:" + id},
		"main/" + id:           {"the older form", source.Revision{Name: "main", ID: id}, "main@sha1:" + id},
		"feature/x/" + id:      {"the older form of a branch with a slash", source.Revision{Name: "feature/x", ID: id}, "feature/x@sha1:" + id},
		"":                     {"nothing yet", source.Revision{}, ""},
	} {
		got := flux.ParseRevision(text)
		if d := cmp.Diff(test.want, got); d != "" {
			t.Errorf("%s: %q (-want +got):\n%s", test.reason, text, d)
		}
		if again := flux.FormatRevision(got); again != test.again {
			t.Errorf("%s: written again as %q", test.reason, again)
		}
	}
}
