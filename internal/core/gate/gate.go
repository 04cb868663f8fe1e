// Package gate decides whether an application may act on its own.
//
// In go what was declared, what the last operation did and what the comparison
// found; out comes a Verdict: start this operation, or do not and say why. The
// rules are a list read from top to bottom, the first that speaks decides. The
// package performs no I/O and takes the time as a value.
package gate

import (
	"fmt"
	"time"

	"github.com/plumbline-dev/plumbline/internal/core/app"
	"github.com/plumbline-dev/plumbline/internal/core/condition"
	"github.com/plumbline-dev/plumbline/internal/core/object"
	"github.com/plumbline-dev/plumbline/internal/core/source"
)

// Input is everything the rules look at.
type Input struct {
	Policy    app.Policy
	Request   *app.Operation // what a person asked for
	Run       *app.Run       // last or current operation; nil: none
	Source    string         // app.Application.Declared
	Revision  source.Revision
	Sync      app.SyncStatus
	Resources []app.Resource
	Confirmed string       // the commit whose held prunes a person lets go
	Windows   []app.Window // of the application, see WindowsOf
	Now       time.Time
}

// Verdict is what the rules concluded.
type Verdict struct {
	Start   *app.Operation     // begin this operation now; nil: do not
	Resume  bool               // go on with the operation in Input.Run
	Retry   bool               // begin the next attempt of the operation in Input.Run
	Hold    *condition.Problem // why nothing happens although something differs; nil: nothing to say
	Reason  string             // why nothing happens, for logs and for `plumb get`
	After   time.Duration      // look again then; 0: only when something changes
	Restart bool               // Start replaces an unfinished automatic operation of an older revision
	Blocked string             // why nothing of the operation that Start or Resume names may be done now; empty: it may
}

// rule returns a verdict and true when it decides.
type rule func(Input) (Verdict, bool)

// rules in order; each is one sentence of the policy.
var rules = []rule{
	runningGoesOn,
	peopleGoFirst,
	manualWaits,
	firstIsRecorded,
	syncedRests,
	prunesNeedPermission,
	failedIsFinal,
	confirmedPrunesGo,
	repairNeedsPermission,
	repairsBackOff,
	wipingIsRefused,
}

// Decide runs the rules; when none objects an automatic operation starts. What they
// let go may still have to wait for its time.
func Decide(in Input) Verdict { return inWindow(in, decide(in)) }

func decide(in Input) Verdict {
	for _, decides := range rules {
		if v, ok := decides(in); ok {
			return v
		}
	}
	return Verdict{Start: automatic(in)}
}

func rest(reason string) (Verdict, bool) { return Verdict{Reason: reason}, true }

func hold(reason condition.Reason, format string, args ...any) (Verdict, bool) {
	message := fmt.Sprintf(format, args...)
	return Verdict{Reason: message, Hold: &condition.Problem{Reason: reason, Message: message}}, true
}

// runningGoesOn keeps an unfinished operation going, waits for its next attempt,
// or lets a newer revision take over from an automatic one.
func runningGoesOn(in Input) (Verdict, bool) {
	if in.Run == nil || in.Run.Phase.Done() {
		return Verdict{}, false
	}
	if in.Run.Phase == app.Running && in.Run.Operation.Automatic {
		if why := wouldWipe(in); why != "" {
			return hold(condition.SyncHeld, "%s", why)
		}
		if !attempted(in) && in.Request == nil && in.Policy.Automatic {
			return Verdict{Start: automatic(in), Restart: true}, true
		}
	}
	if in.Run.FinishedAt.IsZero() || in.Run.Phase == app.Terminating {
		return Verdict{Resume: true}, true
	}
	due := in.Run.FinishedAt.Add(in.Run.Operation.Retry.Delay(in.Run.Retries - 1))
	if wait := due.Sub(in.Now); wait > 0 {
		return Verdict{Reason: "waiting to try again", After: wait}, true
	}
	return Verdict{Retry: true}, true
}

func peopleGoFirst(in Input) (Verdict, bool) {
	if in.Request == nil {
		return Verdict{}, false
	}
	return Verdict{Start: in.Request}, true
}

func manualWaits(in Input) (Verdict, bool) {
	if in.Policy.Automatic {
		return Verdict{}, false
	}
	return rest("automatic sync is off")
}

// firstIsRecorded lets an application that is in sync without any record of an
// operation go through one: it changes nothing, and writes down what happened if
// the record was lost.
func firstIsRecorded(in Input) (Verdict, bool) {
	if in.Run != nil || in.Sync != app.Synced || len(in.Resources) == 0 {
		return Verdict{}, false
	}
	op := automatic(in)
	op.Bare = true
	return Verdict{Start: op}, true
}

func syncedRests(in Input) (Verdict, bool) {
	switch in.Sync {
	case app.Synced:
		return rest("in sync")
	case app.Unknown:
		return rest("the comparison is not complete")
	case app.OutOfSync:
	}
	return Verdict{}, false
}

func prunesNeedPermission(in Input) (Verdict, bool) {
	leftovers := 0
	for _, r := range in.Resources {
		if actionable(in, r) {
			return Verdict{}, false
		}
		if r.Sync == app.OutOfSync {
			leftovers++
		}
	}
	switch {
	case leftovers == 0: // something beside the objects differs
		return Verdict{}, false
	case !in.Policy.Prune:
		return rest("only prunes are left and pruning is off")
	}
	return rest("only objects that have to stay as they are differ")
}

// actionable reports whether an operation could bring an object in sync: a
// leftover that has to stay remains as it is, however often it is tried. A
// repair takes nothing from another application: the two would go on for ever.
func actionable(in Input, r app.Resource) bool {
	if r.Claimed && attempted(in) {
		return false
	}
	return r.Sync == app.OutOfSync && (!r.Prune || (in.Policy.Prune && r.Reason == ""))
}

func failedIsFinal(in Input) (Verdict, bool) {
	if !in.Policy.Once || !attempted(in) || in.Run.Phase == app.Succeeded {
		return Verdict{}, false
	}
	return hold(condition.SyncHeld, "Failed last sync attempt to %s: %s", in.Run.Revision.ID, in.Run.Message)
}

// confirmedPrunesGo begins the prunes that a guard kept from the operation of
// this very revision, once a person let them go. They are no repair.
func confirmedPrunesGo(in Input) (Verdict, bool) {
	if !attempted(in) || !Confirms(in.Confirmed, in.Revision) {
		return Verdict{}, false
	}
	op := automatic(in)
	op.Only, op.Heals = nil, in.Run.Operation.Heals
	for _, r := range in.Resources {
		if r.Prune && actionable(in, r) {
			op.Only = append(op.Only, selectorOf(r.Key))
		}
	}
	return Verdict{Start: op}, len(op.Only) > 0
}

func selectorOf(key object.Key) app.Selector {
	return app.Selector{Group: key.Group, Kind: key.Kind, Namespace: key.Namespace, Name: key.Name}
}

func repairNeedsPermission(in Input) (Verdict, bool) {
	if !attempted(in) || in.Policy.SelfHeal {
		return Verdict{}, false
	}
	return rest("this revision was applied; changes made since stay because self-heal is off")
}

func repairsBackOff(in Input) (Verdict, bool) {
	if !attempted(in) || in.Run.FinishedAt.IsZero() {
		return Verdict{}, false
	}
	heals := healsInARow(in)
	if heals == 0 {
		return Verdict{}, false
	}
	due := in.Run.FinishedAt.Add(in.Policy.HealWait.Delay(heals - 1))
	wait := due.Sub(in.Now)
	if wait <= 0 {
		return Verdict{}, false
	}
	v := Verdict{Reason: "the last repair did not last; waiting before the next", After: wait}
	if pause := in.Policy.HealWait.Delay(heals - 1); pause >= longPause {
		v.Hold = &condition.Problem{Reason: condition.SyncHeld, Message: fmt.Sprintf(
			"Repaired %d times in a row, and somebody keeps changing it: the next repair waits %s; find out who (kubectl get --show-managed-fields), or leave the field out of the source", heals, pause)}
	}
	return v, true
}

// longPause is the pause before a repair from which on users are told.
const longPause = 5 * time.Second

func wipingIsRefused(in Input) (Verdict, bool) {
	if why := wouldWipe(in); why != "" {
		return hold(condition.SyncHeld, "%s", why)
	}
	return Verdict{}, false
}

// wouldWipe says why an automatic operation would leave nothing of the application.
func wouldWipe(in Input) string {
	if !in.Policy.Prune || in.Policy.AllowEmpty || len(in.Resources) == 0 {
		return ""
	}
	for _, r := range in.Resources {
		if !r.Prune {
			return ""
		}
	}
	return fmt.Sprintf("Automatic sync held: %s declares no object, which would delete every object of this application (%d); "+
		"restore them in the source, allow an empty application in its policy, or delete the application itself", in.Revision, len(in.Resources))
}

// healsInARow is how many repairs came shortly before one another. A repair that
// lasted several times as long as the pause after it is no part of the row.
func healsInARow(in Input) int64 {
	heals := in.Run.Operation.Heals
	lasted := in.Now.Sub(in.Run.FinishedAt)
	if heals > 0 && lasted > max(time.Minute, 4*in.Policy.HealWait.Delay(heals-1)) {
		return 0
	}
	return heals
}

// attempted reports whether the last operation was about this very revision and source.
func attempted(in Input) bool {
	return in.Run != nil && in.Run.Revision.ID == in.Revision.ID && in.Run.Source == in.Source
}

// automatic is the operation that the engine starts by itself: all of a new
// revision, or only what differs when the revision was applied before.
func automatic(in Input) *app.Operation {
	op := &app.Operation{
		Revision:  in.Revision.ID,
		Automatic: true,
		Prune:     in.Policy.Prune,
		Retry:     in.Policy.Retry,
	}
	if in.Run == nil || !attempted(in) || in.Run.Phase != app.Succeeded {
		return op
	}
	op.Heals = healsInARow(in) + 1
	for _, r := range in.Resources {
		if actionable(in, r) {
			op.Only = append(op.Only, selectorOf(r.Key))
		}
	}
	return op
}
