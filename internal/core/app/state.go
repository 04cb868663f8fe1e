package app

import (
	"cmp"
	"fmt"
	"slices"
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
	Hooks     []object.Entry   // hooks that were in the cluster, or about to be created
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
	Source     string // Application.Declared at the time
	StartedAt  time.Time
	FinishedAt time.Time // zero while running
	Retries    int64
	Results    []Result
}

// Failures returns the objects that an operation could not bring through,
// with the reason of each, hooks that run after a failure aside.
func (r *Run) Failures() []Result {
	var list []Result
	for _, res := range r.Results {
		if res.Phase != SyncFail && (res.Status == ResultFailed || res.Ended == Failed) {
			list = append(list, res)
		}
	}
	return list
}

// Note keeps what an operation did to an object, in place of what it did before.
// Results are sorted by phase, then by key.
func (r *Run) Note(res Result) {
	for i, before := range r.Results {
		if before.Key == res.Key && before.Hook == res.Hook && before.Phase == res.Phase {
			r.Results[i] = res
			return
		}
	}
	r.Results = append(r.Results, res)
	slices.SortFunc(r.Results, func(a, b Result) int { return cmp.Or(a.Phase.Compare(b.Phase), a.Key.Compare(b.Key)) })
}

// NoteDegraded keeps that an object of the application became degraded after it
// was applied, which is why the operation fails.
func (r *Run) NoteDegraded(key object.Key, version, message string) {
	res := Result{Key: key, Version: version, Status: ResultSynced}
	for _, before := range r.Results {
		if before.Key == key && !before.Hook {
			res = before
		}
	}
	res.Ended, res.Message = Failed, cmp.Or(message, "degraded")
	r.Note(res)
}

// NoteEnd keeps how a hook ended and reports whether that is news.
func (r *Run) NoteEnd(key object.Key, version string, phase SyncPhase, ended Phase, message string) bool {
	if r.EndOf(key, phase) == ended {
		return false
	}
	r.Note(Result{Key: key, Version: version, Hook: true, Phase: phase, Status: ResultSynced, Ended: ended, Message: message})
	return true
}

// EndOf returns how a hook ended, Running before that, and nothing if it was not begun.
func (r *Run) EndOf(key object.Key, phase SyncPhase) Phase {
	for _, res := range r.Results {
		if res.Hook && res.Key == key && res.Phase == phase {
			return res.Ended
		}
	}
	return ""
}

// FailureText says why an operation failed, from its record.
func (r *Run) FailureText() string {
	var refused, tasks []string
	for _, res := range r.Failures() {
		switch {
		case res.Status == ResultFailed:
			refused = append(refused, res.Message)
		case res.Hook:
			tasks = append(tasks, fmt.Sprintf("hook %s: %s", res.Key, cmp.Or(res.Message, "it failed")))
		default:
			tasks = append(tasks, TaskText([]object.Key{res.Key})+" is degraded")
		}
	}
	if len(refused) > 0 {
		return "one or more objects failed to apply, reason: " + condition.Summary(refused)
	}
	return "one or more synchronization tasks completed unsuccessfully, reason: " + condition.Summary(tasks)
}

// TaskText names objects that are waited for: "apps/Deployment/web and 2 more resources".
func TaskText(keys []object.Key) string { return taskText(keys, "resources") }

// HookText is TaskText of hooks: "hook batch/Job/migrate and 2 more hooks".
func HookText(keys []object.Key) string { return "hook " + taskText(keys, "hooks") }

func taskText(keys []object.Key, things string) string {
	text := fmt.Sprintf("%s/%s/%s", keys[0].Group, keys[0].Kind, keys[0].Name)
	if more := len(keys) - 1; more > 0 {
		text += fmt.Sprintf(" and %d more %s", more, things)
	}
	return text
}

// HooksRun reports whether a hook of the present attempt was begun that has not
// come to its end.
func (r *Run) HooksRun() bool {
	return !r.Phase.Done() && r.FinishedAt.IsZero() && slices.ContainsFunc(r.Results, func(res Result) bool { return res.Hook && res.Ended == Running })
}

// Result is what an operation did to one object. A hook that runs in several
// phases has one for each.
type Result struct {
	Key     object.Key
	Phase   SyncPhase
	Hook    bool
	Ended   Phase // of a hook, Running until it is over; Failed of an object that became degraded; otherwise empty
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
	Tools     []render.Tool   // of each source; empty for one that only lends its files
	Sync      SyncStatus
	Health    health.Status
	Resources []Resource // sorted by key
	Hooks     []Resource // hooks that are in the cluster, sorted by key; they count for nothing
	Images    []string   // of live workloads, sorted
	Inventory object.Inventory
	Run       *Run // nil: no operation was ever run
	Applied   string
	Problems  []condition.Problem

	Answers     bool          // Run is what the application's Request asked for
	RefreshSeen string        // token that this reconcile answers
	Compared    bool          // a comparison took place
	Last        []SyncPhase   // of what is compared: whether hooks have to run when the application is deleted
	Ended       []SyncPhase   // of a deletion: whose hooks have run
	Cleared     []SyncPhase   // of a deletion: whose hooks were cleared away after that
	Clears      []SyncPhase   // of Last: those with hooks that are to be cleared away after they ran
	Contested   bool          // another engine is at work: nothing but Problems is told, beside what that one says
	Guarded     bool          // the prune guards looked at it; otherwise what they said last stands
	Waiting     string        // what the application waits for; empty: nothing
	Again       time.Duration // look again after this time at the latest; 0: only when something changes
	Gone        bool          // the deletion is complete: let go
}
