package app

import (
	"time"

	"github.com/plumbline-dev/plumbline/internal/core/condition"
	"github.com/plumbline-dev/plumbline/internal/core/health"
	"github.com/plumbline-dev/plumbline/internal/core/object"
	"github.com/plumbline-dev/plumbline/internal/core/render"
	"github.com/plumbline-dev/plumbline/internal/core/source"
)

// State is what an application's status remembers between reconciles and
// across restarts. Nothing else is trusted after a restart but the cluster.
type State struct {
	Applied   string           // id of the revision that was last applied in full; empty: none
	Inventory object.Inventory // what the application owned when it last reported
	Run       *Run             // the last or current operation; nil: none yet
	Seen      string           // the last refresh token that was handled
	PruneHeld bool             // too much would have been deleted, and nobody has let it go since
}

// Phase is how far an operation got.
type Phase string

// The phases. Running with FinishedAt set means: failed, waiting to try again.
const (
	Running     Phase = "Running"
	Terminating Phase = "Terminating"
	Succeeded   Phase = "Succeeded"
	Failed      Phase = "Failed" // an object was refused or became degraded
	Errored     Phase = "Error"  // the operation could not run
)

// Done reports whether the phase is final.
func (p Phase) Done() bool { return p == Succeeded || p == Failed || p == Errored }

// Run is an operation in progress or finished.
type Run struct {
	Operation  Operation
	Phase      Phase
	Message    string
	Revision   source.Revision
	Source     string // Source.Digest at the time
	StartedAt  time.Time
	FinishedAt time.Time // zero while running
	Retries    int64
	Results    []Result
}

// Result is what an operation did to one object.
type Result struct {
	Key     object.Key
	Version string
	Status  ResultStatus
	Message string
	Images  []string
}

// ResultStatus is the outcome of one object in an operation.
type ResultStatus string

// The outcomes.
const (
	ResultSynced      ResultStatus = "Synced"
	ResultFailed      ResultStatus = "SyncFailed"
	ResultPruned      ResultStatus = "Pruned"
	ResultPruneHeld   ResultStatus = "PruneSkipped"
	ResultUnattempted ResultStatus = "" // its turn has not come
)

// SyncStatus says whether the cluster matches the source.
type SyncStatus string

// The sync statuses.
const (
	Synced    SyncStatus = "Synced"
	OutOfSync SyncStatus = "OutOfSync"
	Unknown   SyncStatus = "Unknown"
)

// Resource is one object of the application as it stands.
type Resource struct {
	Key     object.Key
	Version string
	Sync    SyncStatus // empty: not compared
	Health  *health.Status
	Prune   bool // live, owned, and no longer in the source
	Wave    int
	Claimed bool   // another application's mark is on it
	Reason  string // why it is out of sync; empty when it is not
}

// Outcome is everything one reconcile found out and did: the input of a report.
type Outcome struct {
	Revision  source.Revision // what was compared; zero when none could be resolved
	Tool      render.Tool
	Sync      SyncStatus
	Health    health.Status
	Resources []Resource // sorted by key
	Images    []string   // of live workloads, sorted
	Inventory object.Inventory
	Run       *Run // nil: no operation was ever run
	Applied   string
	Problems  []condition.Problem

	Answers     bool          // Run is what the application's Request asked for
	RefreshSeen string        // token that this reconcile answers
	Compared    bool          // a comparison took place
	Guarded     bool          // the prune guards looked at it; otherwise what they said last stands
	Waiting     string        // what the application waits for; empty: nothing
	Again       time.Duration // look again after this time at the latest; 0: only when something changes
	Gone        bool          // the deletion is complete: let go
}
