package cli

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/plumbline-dev/plumbline/internal/core/app"
)

// kind is a Dialect of which only the names are asked for.
type kind struct {
	Dialect
	names []string
}

func (k kind) Aliases() []string             { return k.names }
func (k kind) Kind() schema.GroupVersionKind { return schema.GroupVersionKind{Kind: k.names[0]} }

func TestParseName(t *testing.T) {
	dialects := []Dialect{kind{names: []string{"app", "application"}}, kind{names: []string{"ks"}}}
	for text, test := range map[string]struct {
		reason, flag    string
		kinds           int
		namespace, name string
		problem         string
	}{
		"api":             {reason: "a name alone may be of any kind", kinds: 2, name: "api"},
		"shop/api":        {reason: "a namespace and a name", kinds: 2, namespace: "shop", name: "api"},
		"ks/api":          {reason: "a kind and a name", kinds: 1, name: "api"},
		"APP/shop/api":    {reason: "all three, in any case", kinds: 1, namespace: "shop", name: "api"},
		"other/api":       {reason: "the flag and the name have to agree", flag: "shop", problem: "names another namespace"},
		"x/shop/api":      {reason: "an unknown kind is told with those there are", problem: "use one of app, application, ks"},
		"ks/shop/api/new": {reason: "more than three parts are none", problem: "want [KIND/][NAMESPACE/]NAME"},
		"shop/":           {reason: "an empty name is none", problem: "want [KIND/][NAMESPACE/]NAME"},
	} {
		t.Run(text, func(t *testing.T) {
			c := &command{namespace: test.flag}
			got, err := c.parseName(text, dialects)
			if test.problem != "" {
				if err == nil || !strings.Contains(err.Error(), test.problem) {
					t.Errorf("%s: %v", test.reason, err)
				}
				return
			}
			if err != nil || len(got.dialects) != test.kinds || got.namespace != test.namespace || got.name != test.name {
				t.Errorf("%s: %+v, %v", test.reason, got, err)
			}
		})
	}
}

func TestSelectors(t *testing.T) {
	got, err := selectors([]string{"apps:Deployment:api", ":Service:shop/api", "rbac.authorization.k8s.io:ClusterRole:system:x"})
	want := []app.Selector{
		{Group: "apps", Kind: "Deployment", Name: "api"},
		{Kind: "Service", Namespace: "shop", Name: "api"},
		{Group: "rbac.authorization.k8s.io", Kind: "ClusterRole", Name: "system:x"},
	}
	if d := cmp.Diff(want, got); d != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, d)
	}
	for _, text := range []string{"", "Deployment:api", "apps::api", "apps:Deployment:", "apps:Deployment:shop/"} {
		if _, err := selectors([]string{text}); err == nil {
			t.Errorf("%q is no object", text)
		}
	}
}

func TestShortRevision(t *testing.T) {
	const id = "18bc77047eed7038040a810160114e5c7b2b7931"
	for text, want := range map[string]string{
		id: "18bc770", "main@sha1:" + id: "main@18bc770", "sha1:" + id: "18bc770", "main/" + id: "main/18bc770", "v1.2.3": "v1.2.3", "": "",
	} {
		if got := shortRevision(text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}
