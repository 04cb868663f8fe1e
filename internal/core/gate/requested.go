package gate

import (
	"regexp"

	"github.com/plumbline-dev/plumbline/internal/core/app"
	"github.com/plumbline-dev/plumbline/internal/core/condition"
	"github.com/plumbline-dev/plumbline/internal/core/source"
)

var (
	commitID  = regexp.MustCompile(`^[0-9a-f]{40}$`)
	packageID = regexp.MustCompile(`^(sha256:[0-9a-f]{64}|v?[0-9][0-9A-Za-z.+-]*)$`) // of a chart the version, of an artifact the digest
)

// Requested returns the revision that an operation is to use: that which it asks
// for, part by part, and where it asks for none or for what a source follows anyway,
// the newest. newest is in the order of sources. The error says what it asks for
// that cannot be.
func Requested(op *app.Operation, sources []app.Source, newest []source.Revision) (source.Revision, error) {
	if op == nil || op.Revision == "" {
		return source.Join(newest), nil
	}
	asked, ok := source.Revision{ID: op.Revision}.Parts(len(newest))
	if !ok {
		return source.Revision{}, condition.Newf(condition.InvalidSpec,
			"operation.sync.revisions: %q are not one for each of the %d sources", op.Revision, len(newest))
	}
	for i, rev := range asked {
		switch rev.ID {
		case "", newest[i].ID, newest[i].Name, sources[i].Ref.Any:
			asked[i] = newest[i]
			continue
		}
		if sources[i].Ref.Packaged() && packageID.MatchString(rev.ID) {
			continue
		}
		if !commitID.MatchString(rev.ID) {
			return source.Revision{}, condition.Newf(condition.InvalidSpec,
				"operation.sync.revision %q is neither the target revision nor a full commit id", rev.ID)
		}
	}
	return source.Join(asked), nil
}
