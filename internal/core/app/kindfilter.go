package app

import (
	"slices"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

// KindFilter says which kinds an installation leaves alone: they are not applied, not
// pruned and not looked at. The zero value leaves nothing alone.
type KindFilter struct {
	Excluded []KindScope
	Included []KindScope // where one is for a cluster, everything else there is excluded
}

// KindScope names kinds on clusters. An empty list means any.
type KindScope struct {
	Groups   []string // globs of API groups
	Kinds    []string // names, or "*"
	Clusters []string // globs of server URLs
}

// Excludes reports whether a kind is left alone on the cluster of a server.
func (f KindFilter) Excludes(gk schema.GroupKind, server string) bool {
	about := func(s KindScope) bool { return s.at(server) && s.names(gk) }
	if slices.ContainsFunc(f.Excluded, about) {
		return true
	}
	here := func(s KindScope) bool { return s.at(server) }
	return slices.ContainsFunc(f.Included, here) && !slices.ContainsFunc(f.Included, about)
}

func (s KindScope) at(server string) bool {
	return len(s.Clusters) == 0 || slices.ContainsFunc(s.Clusters, func(pattern string) bool { return globbed(pattern, server) })
}

func (s KindScope) names(gk schema.GroupKind) bool {
	return (len(s.Groups) == 0 || slices.ContainsFunc(s.Groups, func(pattern string) bool { return globbed(pattern, gk.Group) })) &&
		(len(s.Kinds) == 0 || slices.Contains(s.Kinds, "*") || slices.Contains(s.Kinds, gk.Kind))
}
