package gate

import (
	"slices"

	"github.com/plumbline-dev/plumbline/internal/core/app"
	"github.com/plumbline-dev/plumbline/internal/core/object"
)

// Orphans returns which objects of a namespace no application owns, sorted. Those do
// not count that another object owns, that are going, that the cluster makes by itself,
// or that the rule ignores; permits says which kinds the project could own at all.
func Orphans(rule app.OrphanRule, inside []Neighbour, permits func(object.Key) bool, owned func(Neighbour) bool) []object.Key {
	var orphans []object.Key
	for _, n := range inside {
		expected := slices.ContainsFunc(rule.Ignore, func(r app.KindRule) bool {
			return globs(r.Group, n.Key.Group) && globs(r.Kind, n.Key.Kind) && (r.Name == "" || globs(r.Name, n.Key.Name))
		})
		if !expected && !n.Owned && !n.Going && !selfMade(n) && !apiService(n.Key) && permits(n.Key) && !owned(n) {
			orphans = append(orphans, n.Key)
		}
	}
	slices.SortFunc(orphans, object.Key.Compare)
	return orphans
}

// apiService reports whether an object is the Service of the API server itself.
func apiService(key object.Key) bool {
	return key.Group == "" && key.Kind == "Service" && key.Namespace == "default" && key.Name == "kubernetes"
}
