package kinds

import (
	"maps"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Resource says how a kind is addressed.
type Resource struct {
	GVR        schema.GroupVersionResource
	GVK        schema.GroupVersionKind
	Namespaced bool
}

// Set is the kinds that one look at a cluster found. It is immutable.
type Set struct {
	served   map[schema.GroupKind][]Resource // in the server's order of preference
	lists    map[schema.GroupVersion][]string
	failed   map[schema.GroupVersion]error
	versions []string
	listable map[schema.GroupVersionKind]bool
}

// Find returns how gk is addressed in version, or in the version that the server
// prefers when version is empty. It fails with *UnknownKindError when the server does
// not have the kind and with *UnavailableGroupError when that cannot be told.
func (k *Set) Find(gk schema.GroupKind, version string) (Resource, error) {
	var served []string
	for _, res := range k.served[gk] {
		if version == "" || res.GVK.Version == version {
			return res, nil
		}
		served = append(served, res.GVK.Version)
	}
	for gv, cause := range k.failed {
		if gv.Group == gk.Group && (version == "" || gv.Version == version || len(served) == 0) {
			return Resource{}, &UnavailableGroupError{Group: gk.Group, Cause: cause}
		}
	}
	return Resource{}, &UnknownKindError{GroupKind: gk, Version: version, Served: served}
}

// InNamespaces returns the kinds that live in namespaces and can be listed, each
// in the version that the server prefers, sorted. It fails with
// *UnavailableGroupError when there may be more.
func (k *Set) InNamespaces() ([]Resource, error) {
	for gv, cause := range k.failed {
		return nil, &UnavailableGroupError{Group: gv.Group, Cause: cause}
	}
	var out []Resource
	for _, served := range k.served {
		if res := served[0]; res.Namespaced && k.listable[res.GVK] {
			out = append(out, res)
		}
	}
	slices.SortFunc(out, func(a, b Resource) int { return strings.Compare(a.GVK.String(), b.GVK.String()) })
	return out, nil
}

// Versions returns the sorted "v1", "apps/v1", "apps/v1/Deployment" that the server
// has. A group that stopped answering is still listed with what was last known of it.
// The slice is shared and must not be changed.
func (k *Set) Versions() []string { return k.versions }

// Unavailable returns the group versions that did not answer, and why.
func (k *Set) Unavailable() map[schema.GroupVersion]error { return maps.Clone(k.failed) }

// New makes a Set of the server's answer. Of groups that failed it keeps the names
// of their kinds, as before knows them, for Versions only; before may be nil.
func New(groups []*metav1.APIGroup, lists []*metav1.APIResourceList, failed map[schema.GroupVersion]error, before *Set) *Set {
	k := &Set{
		served: map[schema.GroupKind][]Resource{},
		lists:  map[schema.GroupVersion][]string{},
		failed: failed,

		listable: map[schema.GroupVersionKind]bool{},
	}
	byVersion := map[string]*metav1.APIResourceList{}
	for _, list := range lists {
		byVersion[list.GroupVersion] = list
	}
	for _, group := range groups {
		for _, gv := range preferred(group) {
			if list := byVersion[gv.String()]; list != nil {
				k.add(gv, list)
			}
			if k.lists[gv] == nil {
				k.lists[gv] = []string{}
			}
		}
	}
	for gv := range failed { // the answer may lack its group altogether
		if before != nil && len(before.lists[gv]) > 0 {
			k.lists[gv] = before.lists[gv]
		}
	}
	for gv, names := range k.lists {
		k.versions = append(k.versions, gv.String())
		for _, name := range names {
			k.versions = append(k.versions, gv.String()+"/"+name)
		}
	}
	slices.Sort(k.versions)
	k.versions = slices.Compact(k.versions)
	return k
}

func (k *Set) add(gv schema.GroupVersion, list *metav1.APIResourceList) {
	for _, r := range list.APIResources {
		if r.Kind == "" {
			continue
		}
		k.lists[gv] = append(k.lists[gv], r.Kind)
		if strings.Contains(r.Name, "/") {
			continue // a subresource
		}
		k.listable[gv.WithKind(r.Kind)] = slices.Contains(r.Verbs, "list")
		gk := schema.GroupKind{Group: gv.Group, Kind: r.Kind}
		known := slices.ContainsFunc(k.served[gk], func(other Resource) bool { return other.GVK.Version == gv.Version })
		if !known {
			k.served[gk] = append(k.served[gk], Resource{
				GVR:        gv.WithResource(r.Name),
				GVK:        gv.WithKind(r.Kind),
				Namespaced: r.Namespaced,
			})
		}
	}
}

// preferred returns the group's versions, the preferred one first.
func preferred(group *metav1.APIGroup) []schema.GroupVersion {
	out := []schema.GroupVersion{{Group: group.Name, Version: group.PreferredVersion.Version}}
	for _, v := range group.Versions {
		if v.Version != group.PreferredVersion.Version {
			out = append(out, schema.GroupVersion{Group: group.Name, Version: v.Version})
		}
	}
	if out[0].Version == "" {
		out = out[1:]
	}
	return out
}
