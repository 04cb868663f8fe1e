package kinds_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/plumbline-dev/plumbline/internal/core/kinds"
)

func version(group, v string) metav1.GroupVersionForDiscovery {
	return metav1.GroupVersionForDiscovery{GroupVersion: schema.GroupVersion{Group: group, Version: v}.String(), Version: v}
}

var (
	groups = []*metav1.APIGroup{
		{Name: "", Versions: []metav1.GroupVersionForDiscovery{version("", "v1")}, PreferredVersion: version("", "v1")},
		{Name: "apps", Versions: []metav1.GroupVersionForDiscovery{version("apps", "v1beta1"), version("apps", "v1")}, PreferredVersion: version("apps", "v1")},
		{Name: "metrics", Versions: []metav1.GroupVersionForDiscovery{version("metrics", "v1")}},
	}
	lists = []*metav1.APIResourceList{
		{GroupVersion: "v1", APIResources: []metav1.APIResource{{Name: "pods", Kind: "Pod", Namespaced: true}, {Name: "pods/eviction", Kind: "Eviction"}, {Name: "nodes", Kind: "Node"}}},
		{GroupVersion: "apps/v1", APIResources: []metav1.APIResource{{Name: "deployments", Kind: "Deployment", Namespaced: true}, {Name: "deployments/status", Kind: "Deployment"}}},
		{GroupVersion: "apps/v1beta1", APIResources: []metav1.APIResource{{Name: "deployments", Kind: "Deployment", Namespaced: true}}},
	}
	metrics = &metav1.APIResourceList{GroupVersion: "metrics/v1", APIResources: []metav1.APIResource{{Name: "podmetrics", Kind: "PodMetrics"}}}
)

func TestFind(t *testing.T) {
	down := map[schema.GroupVersion]error{{Group: "metrics", Version: "v1"}: errors.New("no\nendpoints")}
	set := kinds.New(groups, lists, down, nil)
	for name, tc := range map[string]struct {
		kind    schema.GroupKind
		version string
		want    string
	}{
		"preferred":        {schema.GroupKind{Group: "apps", Kind: "Deployment"}, "", "apps/v1, Resource=deployments"},
		"another version":  {schema.GroupKind{Group: "apps", Kind: "Deployment"}, "v1beta1", "apps/v1beta1, Resource=deployments"},
		"core":             {schema.GroupKind{Kind: "Pod"}, "v1", "/v1, Resource=pods"},
		"unknown kind":     {schema.GroupKind{Group: "x.y", Kind: "Z"}, "", "kind Z.x.y: the cluster does not have it: is its CustomResourceDefinition installed?"},
		"unknown version":  {schema.GroupKind{Group: "apps", Kind: "Deployment"}, "v9", `kind Deployment.apps: the cluster has no version "v9" of it: it has v1, v1beta1`},
		"only subresource": {schema.GroupKind{Kind: "Eviction"}, "", "kind Eviction: the cluster does not have it: is its CustomResourceDefinition installed?"},
		"silent group":     {schema.GroupKind{Group: "metrics", Kind: "PodMetrics"}, "", "api group metrics: it does not answer: no endpoints"},
	} {
		t.Run(name, func(t *testing.T) {
			res, err := set.Find(tc.kind, tc.version)
			got := res.GVR.String()
			if err != nil {
				got = err.Error()
			}
			if got != tc.want {
				t.Errorf("%s, want %s", got, tc.want)
			}
		})
	}
	if diff := cmp.Diff(down, set.Unavailable(), cmp.Comparer(func(a, b error) bool { return a == b })); diff != "" {
		t.Error(diff)
	}
	if res, err := set.Find(schema.GroupKind{Kind: "Node"}, ""); res.Namespaced || err != nil {
		t.Errorf("%+v, %v", res, err)
	}
}

// Templates would see a group vanish that is down for a minute.
func TestVersionsOfASilentGroupStay(t *testing.T) {
	before := kinds.New(groups, append(lists[:3:3], metrics), nil, nil)
	want := []string{"apps/v1", "apps/v1/Deployment", "apps/v1beta1", "apps/v1beta1/Deployment", "metrics/v1", "metrics/v1/PodMetrics", "v1", "v1/Eviction", "v1/Node", "v1/Pod"}
	if diff := cmp.Diff(want, before.Versions()); diff != "" {
		t.Error(diff)
	}
	down := map[schema.GroupVersion]error{{Group: "metrics", Version: "v1"}: errors.New("down")}
	after := kinds.New(groups[:2], lists, down, before)
	if diff := cmp.Diff(want, after.Versions()); diff != "" {
		t.Error(diff)
	}
	if gone := kinds.New(groups[:2], lists, nil, before).Versions(); len(gone) != len(want)-2 {
		t.Errorf("a group that was removed stays: %q", gone)
	}
}

func TestInNamespaces(t *testing.T) {
	verbs := []string{"get", "list"}
	lists := []*metav1.APIResourceList{
		{GroupVersion: "v1", APIResources: []metav1.APIResource{
			{Name: "pods", Kind: "Pod", Namespaced: true, Verbs: verbs}, {Name: "pods/log", Kind: "Pod", Namespaced: true, Verbs: []string{"get"}},
			{Name: "bindings", Kind: "Binding", Namespaced: true, Verbs: []string{"create"}}, {Name: "nodes", Kind: "Node", Verbs: verbs},
		}},
		{GroupVersion: "apps/v1", APIResources: []metav1.APIResource{{Name: "deployments", Kind: "Deployment", Namespaced: true, Verbs: verbs}}},
		{GroupVersion: "apps/v1beta1", APIResources: []metav1.APIResource{{Name: "deployments", Kind: "Deployment", Namespaced: true, Verbs: verbs}}},
	}
	found, err := kinds.New(groups, lists, nil, nil).InNamespaces()
	var names []string
	for _, res := range found {
		names = append(names, res.GVR.String())
	}
	if d := cmp.Diff([]string{"/v1, Resource=pods", "apps/v1, Resource=deployments"}, names); d != "" || err != nil {
		t.Errorf("%v: what can be listed, once each (-want +got):\n%s", err, d)
	}
	down := map[schema.GroupVersion]error{{Group: "metrics", Version: "v1"}: errors.New("no endpoints")}
	var unavailable *kinds.UnavailableGroupError
	if _, err := kinds.New(groups, lists, down, nil).InNamespaces(); !errors.As(err, &unavailable) {
		t.Errorf("with a group that does not answer there may be more: %v", err)
	}
}
