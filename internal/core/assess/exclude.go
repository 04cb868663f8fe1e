package assess

import (
	"fmt"

	"github.com/plumbline-dev/plumbline/internal/core/condition"
	"github.com/plumbline-dev/plumbline/internal/core/object"
)

// Exclude takes out the manifests of kinds that are left alone, with a warning for
// each. Where there are none it returns what it was given.
func Exclude(manifests []object.Manifest, excludes func(object.Key) bool) (rest []object.Manifest, warnings []condition.Problem) {
	for i, m := range manifests {
		key := m.Key()
		if !excludes(key) {
			if warnings != nil {
				rest = append(rest, m)
			}
			continue
		}
		if warnings == nil {
			rest = append([]object.Manifest{}, manifests[:i]...)
		}
		warnings = append(warnings, condition.Problem{
			Reason:  condition.ExcludedObject,
			Message: fmt.Sprintf("Resource %s/%s %s is excluded in the settings, and neither applied nor pruned", key.Group, key.Kind, key.Name),
		})
	}
	if warnings == nil {
		return manifests, nil
	}
	return rest, warnings
}
