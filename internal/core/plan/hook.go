package plan

import (
	"fmt"
	"strings"
	"time"

	"github.com/plumbline-dev/plumbline/internal/core/app"
	"github.com/plumbline-dev/plumbline/internal/core/object"
)

// Hook says how an object is treated that runs at a point of an operation
// instead of being part of the application.
type Hook struct {
	Prefix string // its name begins with this and is made up for each operation; empty: it has a name
	UID    string // of the object that an earlier run left; empty: there is none

	// When its object is deleted: before it is created anew, and at the end of
	// an operation that succeeded or failed.
	Before, Succeeded, Failed bool
}

// Title is the item's key, with the name as a pattern where it has only the
// beginning of one.
func (i Item) Title() object.Key {
	key := i.Key()
	if i.Hook != nil && i.Hook.Prefix != "" && key.Name == "" {
		key.Name = i.Hook.Prefix + "*"
	}
	return key
}

// Titled is the item under its title, for people to read and for what asks an
// object for a name.
func (i Item) Titled() Item {
	if title := i.Title(); title.Name != i.Object.GetName() {
		i.Object = i.Object.DeepCopy()
		i.Object.SetName(title.Name)
	}
	return i
}

// Split tells hooks from the objects that are part of the application, and of these
// the last, which run when it is deleted.
func Split(items []Item) (parts, hooks, last []Item) {
	for _, item := range items {
		switch {
		case item.Hook == nil:
			parts = append(parts, item)
		case item.Phase.OfDeletion():
			last = append(last, item)
		default:
			hooks = append(hooks, item)
		}
	}
	return parts, hooks, last
}

// Unended lists the hooks among items that have not come to their end.
func Unended(hooks []Item) []object.Key {
	var keys []object.Key
	for _, h := range hooks {
		if h.Hook != nil && h.Standing == Same && h.Settled == Pending {
			keys = append(keys, h.Key())
		}
	}
	return keys
}

// Called returns the hooks that an operation may come to: those for a failure, or
// the others.
func Called(hooks []Item, failing bool) []Item {
	var items []Item
	for _, h := range hooks {
		if (h.Phase == app.SyncFail) == failing {
			items = append(items, h)
		}
	}
	return items
}

// Over reports whether a hook's object is to be deleted at the end of an operation.
func (i Item) Over(failed bool) bool {
	if failed {
		return i.Hook.Failed || (i.Phase == app.SyncFail && i.Hook.Succeeded && i.Settled == Ready)
	}
	return i.Hook.Succeeded
}

// HookName returns the name of a hook that has only the beginning of one. It is
// the same for all attempts of an operation, so that nothing is created twice.
func HookName(prefix, revision string, phase app.SyncPhase, started time.Time) string {
	if _, digits, digest := strings.Cut(revision, ":"); digest {
		revision = digits
	}
	if len(revision) >= 8 {
		revision = revision[:7]
	}
	revision = strings.Map(func(c rune) rune {
		if strings.ContainsRune("+_,", c) { // as in versions of charts, and between several revisions
			return '-'
		}
		return c
	}, revision)
	return strings.ToLower(fmt.Sprintf("%s%s-%s-%d", prefix, revision, phase, started.UTC().Unix()))
}

// Attempt names one attempt of an operation at a phase, to mark what was
// created for it.
func Attempt(run app.Run, phase app.SyncPhase) string {
	return fmt.Sprintf("%d-%d-%s", run.StartedAt.UTC().Unix(), run.Retries, phase)
}

// HookState is what is known about a hook in an attempt of an operation.
type HookState struct {
	Recorded app.Phase // what the operation's record says; empty: nothing
	Live     bool      // there is an object of its name
	Ours     bool      // and it was created for this very attempt
	Going    bool      // and it is being deleted
	Settled  Settled   // and this is how it is doing
	Once     bool      // and it is of a kind that runs to an end: to run again it has to be created anew
}

// Judge returns how a hook stands, and why when something went wrong that its
// object does not tell. What was recorded as ended stays so.
func (h HookState) Judge(policy Hook) (Standing, Settled, string) {
	switch {
	case h.Recorded == app.Succeeded:
		return Same, Ready, ""
	case h.Recorded == app.Failed || h.Recorded == app.Errored:
		return Same, Broken, ""
	case h.Live && h.Ours && h.Going && h.Settled == Pending:
		return Same, Broken, "it was deleted before it came to an end"
	case h.Live && h.Ours:
		return Same, h.Settled, ""
	case h.Recorded == app.Running:
		return Same, Broken, "it is missing; it might have been deleted"
	case !h.Live:
		return Missing, Ready, ""
	case h.Going:
		return Leaving, Ready, ""
	case policy.Before || h.Once:
		return Stale, Ready, ""
	}
	return Differs, Ready, ""
}
