package app

import (
	"strings"
	"testing"
)

func TestHolds(t *testing.T) {
	some := Cluster{Server: "https://west", From: `Secret "west"`, Namespaces: []string{"shop", "bank"}}
	wide := some
	wide.Wide = true
	for name, test := range map[string]struct {
		cluster   Cluster
		namespace string
		want      string
	}{
		"all":             {Cluster{}, "shop", ""},
		"all, in none":    {Cluster{}, "", ""},
		"one of them":     {some, "bank", ""},
		"another":         {some, "kube-system", `namespace kube-system is none of those that cluster "https://west" is registered for: shop, bank`},
		"in none":         {some, "", `set clusterResources in Secret "west" to "true"`},
		"wide, in none":   {wide, "", ""},
		"wide, elsewhere": {wide, "kube-system", "is none of those"},
	} {
		err := test.cluster.Holds(test.namespace)
		if (err != nil) != (test.want != "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
