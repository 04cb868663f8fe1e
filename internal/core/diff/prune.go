package diff

import (
	"fmt"

	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
	"sigs.k8s.io/structured-merge-diff/v6/merge"
	"sigs.k8s.io/structured-merge-diff/v6/typed"
)

// ourEntry stands for our entry among the managers that the library sees. No
// manager can have this name: the others are numbered.
const ourEntry = "ours"

// prune is the whole apply: it merges, and removes fields that our last apply
// set, this one does not, and nobody else claims.
func (c *comparison) prune() (*typed.TypedValue, error) {
	managers := fieldpath.ManagedFields{ourEntry: fieldpath.NewVersionedSet(c.ownership.last, c.version, true)}
	for i, other := range c.ownership.others {
		set, err := other.set()
		if err != nil {
			return nil, err
		}
		set = set.RecursiveDifference(statusSet)
		if set.Empty() {
			continue
		}
		version := fieldpath.APIVersion(other.apiVersion)
		if version != c.version {
			return nil, fmt.Errorf("fields are no longer declared, and manager %q owns fields under %s", other.manager, version)
		}
		managers[fmt.Sprintf("other-%d", i)] = fieldpath.NewVersionedSet(set, version, other.operation == operationApply)
	}
	builder := merge.UpdaterBuilder{Converter: oneVersion{c.version}, ReturnInputOnNoop: true}
	out, _, err := builder.BuildUpdater().Apply(c.live, c.desired, c.version, managers, ourEntry, true)
	return out, err
}

// oneVersion is the conversion between the versions of a kind when all that
// matters is of one version.
type oneVersion struct{ version fieldpath.APIVersion }

// Convert returns v when version is the one version, and fails otherwise.
func (o oneVersion) Convert(v *typed.TypedValue, version fieldpath.APIVersion) (*typed.TypedValue, error) {
	if version != o.version {
		return nil, fmt.Errorf("conversion to %s needs the server", version)
	}
	return v, nil
}

// IsMissingVersionError says that no error means a version that is gone: that,
// too, only the server knows.
func (oneVersion) IsMissingVersionError(error) bool { return false }

var (
	statusSet = fieldpath.NewSet(fieldpath.MakePathOrDie("status"))

	// unowned is what a managedFields entry never contains.
	unowned = fieldpath.NewSet(
		fieldpath.MakePathOrDie("apiVersion"),
		fieldpath.MakePathOrDie("kind"),
		fieldpath.MakePathOrDie("metadata"),
		fieldpath.MakePathOrDie("metadata", "name"),
		fieldpath.MakePathOrDie("metadata", "namespace"),
	)
)
