package reconcile

import (
	"sync/atomic"
	"time"

	"github.com/plumbline-dev/plumbline/internal/core/app"
	"github.com/plumbline-dev/plumbline/internal/core/assess"
	"github.com/plumbline-dev/plumbline/internal/core/diff"
	"github.com/plumbline-dev/plumbline/internal/core/gate"
	"github.com/plumbline-dev/plumbline/internal/core/health"
	"github.com/plumbline-dev/plumbline/internal/core/notice"
	"github.com/plumbline-dev/plumbline/internal/core/object"
	"github.com/plumbline-dev/plumbline/internal/core/plan"
)

// memory is what is kept of an application between reconciles to save work.
// Losing it costs time, nothing else.
type memory struct {
	cluster Cluster // that the rest was found out in; nil: none yet
	items   map[object.Key]*standing
	checks  health.Checks // under which the items were judged
	ignores app.Ignores   // under which the items were compared
	taken   []string      // managers whose fields counted as ours then
	run     *app.Run      // for dialects whose status does not keep it
	asking  []int64       // number of the poll of each source that answers the user's refresh; nil: none asked for
	anew    int64         // when a user last asked to render again what may depend on more than files; 0: never
	since   time.Time     // when waiting for health began
	unread  time.Time     // since when its source is not known to be read
	held    atomic.Int64  // objects whose deletion a guard holds

	failed map[object.Key]string // hooks of the deletion that failed, and at which revision

	announced string       // revision that its managed source has read and did not show when last looked at; empty: none
	ahead     []object.Key // what that revision declares, when last known

	patient gate.Wait           // of prunes, for other applications
	foreign map[object.Key]bool // claimed without being declared; guarded by Reconciler.mu

	owed      time.Time        // since when a good outcome waits for a quieter moment to be reported
	inventory object.Inventory // of that outcome

	notices notice.Memory // what users were told

	mark marked // of what was rendered last, while the application is in sync with it
}

// standing is the verdict on one object, valid for one desired and one live state.
type standing struct {
	uid, version string      // of the live object
	desired      diff.Digest // of the manifest
	owned        diff.Digest // of the fields that are ours; zero when they are not in sync
	verdict      plan.Standing
	why          string
	vitals       assess.Vitals
	owner        app.ID // by its mark; zero: none
}

func newMemory() *memory { return &memory{items: map[object.Key]*standing{}} }

// lastRun prefers what the status remembers, because others may write it,
// unless a later run has not been reported yet.
func (m *memory) lastRun(stored *app.Run) *app.Run {
	switch {
	case stored == nil, !m.owed.IsZero() && m.run != nil && !m.run.StartedAt.Before(stored.StartedAt):
		return m.run
	case m.run != nil && m.run.StartedAt.Equal(stored.StartedAt) && m.run.Phase == stored.Phase:
		stored.Revision.Name = m.run.Revision.Name
	}
	return stored
}
