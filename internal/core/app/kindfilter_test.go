package app

import (
	"testing"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

func TestKindFilter(t *testing.T) {
	const here, there = "https://kubernetes.default.svc", "https://eu.example:6443"
	pods, boats := schema.GroupKind{Kind: "Pod"}, schema.GroupKind{Group: "harbour.example.org", Kind: "Boat"}
	for name, test := range map[string]struct {
		filter KindFilter
		gk     schema.GroupKind
		server string
		want   bool
	}{
		"nothing":              {KindFilter{}, pods, here, false},
		"by kind":              {KindFilter{Excluded: []KindScope{{Groups: []string{""}, Kinds: []string{"Pod"}}}}, pods, here, true},
		"kinds are no globs":   {KindFilter{Excluded: []KindScope{{Groups: []string{""}, Kinds: []string{"P*"}}}}, pods, here, false},
		"core group is none":   {KindFilter{Excluded: []KindScope{{Groups: []string{""}, Kinds: []string{"*"}}}}, boats, here, false},
		"by glob of the group": {KindFilter{Excluded: []KindScope{{Groups: []string{"*.example.org"}, Kinds: []string{"*"}}}}, boats, here, true},
		"any group":            {KindFilter{Excluded: []KindScope{{Kinds: []string{"Boat"}}}}, boats, here, true},
		"on another cluster":   {KindFilter{Excluded: []KindScope{{Kinds: []string{"Boat"}, Clusters: []string{"https://eu.*"}}}}, boats, here, false},
		"on that cluster":      {KindFilter{Excluded: []KindScope{{Kinds: []string{"Boat"}, Clusters: []string{"https://eu.*"}}}}, boats, there, true},
		"included":             {KindFilter{Included: []KindScope{{Kinds: []string{"Boat"}}}}, boats, here, false},
		"not included":         {KindFilter{Included: []KindScope{{Kinds: []string{"Boat"}}}}, pods, here, true},
		"included elsewhere":   {KindFilter{Included: []KindScope{{Kinds: []string{"Boat"}, Clusters: []string{"https://eu.*"}}}}, pods, here, false},
		"exclusion goes first": {KindFilter{Included: []KindScope{{Kinds: []string{"Boat"}}}, Excluded: []KindScope{{Kinds: []string{"Boat"}}}}, boats, here, true},
		"broken pattern":       {KindFilter{Excluded: []KindScope{{Groups: []string{"[x"}}}}, boats, here, false},
	} {
		if got := test.filter.Excludes(test.gk, test.server); got != test.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

// What a project inherits is added, and says nothing where the other says nothing.
func TestProjectWith(t *testing.T) {
	pods := KindRule{Kind: "Pod"}
	all := Project{Name: "shop", SourceRepos: []string{"a"}, OwnClustersOnly: true, Unsupported: []string{"x"}}
	if got := all.With(Project{Name: "base", SourceRepos: []string{"b"}, Unsupported: []string{"y"}}); got.Name != "shop" || len(got.SourceRepos) != 2 || got.ObjectAllow != nil || len(got.Unsupported) != 1 || !got.OwnClustersOnly {
		t.Errorf("%+v", got)
	}
	got := all.With(Project{ObjectAllow: []KindRule{pods}, ObjectDeny: []KindRule{pods}, ClusterAllow: []KindRule{pods}, ClusterDeny: []KindRule{pods}, Windows: []Window{{}}, Destinations: []DestinationRule{{}}, Accounts: []AccountRule{{}}})
	if len(got.ObjectAllow) != 1 || len(got.ObjectDeny) != 1 || len(got.ClusterAllow) != 1 || len(got.ClusterDeny) != 1 || len(got.Windows) != 1 || len(got.Destinations) != 1 || len(got.Accounts) != 1 {
		t.Errorf("%+v", got)
	}
	if len(all.SourceRepos) != 1 {
		t.Error("the project itself was changed")
	}
}
