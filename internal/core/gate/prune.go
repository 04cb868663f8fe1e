package gate

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/plumbline-dev/plumbline/internal/core/app"
	"github.com/plumbline-dev/plumbline/internal/core/condition"
	"github.com/plumbline-dev/plumbline/internal/core/object"
	"github.com/plumbline-dev/plumbline/internal/core/plan"
	"github.com/plumbline-dev/plumbline/internal/core/source"
)

// Prunes is everything that the prune guards look at.
type Prunes struct {
	App        app.ID
	Revision   source.Revision
	Limit      app.PruneLimit
	Confirmed  string // the commit whose prunes a person lets go; empty: none
	Owned      int    // objects that the application owned when it last reported
	Standing   bool   // a deletion of too much was held before, and nobody let it go
	Leftovers  []plan.Leftover
	Collateral []Collateral
	Mentions   []Mention
}

// Collateral is what would go with a leftover although no commit removed it.
type Collateral struct {
	Of     object.Key // the leftover
	Losses []object.Key
	Hidden bool  // the objects are not the reader's to see: only their number is told
	Err    error // why it cannot be told what would go
}

// pruneHold is what one guard keeps and why.
type pruneHold struct {
	reason  condition.Reason
	holds   func(plan.Leftover) bool
	why     string // for each object
	message string // for the application
}

// pruneGuards in order; each may hold some of the leftovers.
var pruneGuards = []func(Prunes) []pruneHold{
	unreadableLimitHolds,
	moveIsHeld,
	massDeletionIsHeld,
	collateralIsHeld,
}

// Guard returns the leftovers, those that a guard keeps marked as held, and
// what to tell users about it. Once a person has confirmed the revision, no
// guard holds anything. Guard keeps its input as it is.
func Guard(in Prunes) ([]plan.Leftover, []condition.Problem) {
	if Confirms(in.Confirmed, in.Revision) {
		return in.Leftovers, nil
	}
	left := slices.Clone(in.Leftovers)
	var problems []condition.Problem
	for _, guard := range pruneGuards {
		for _, hold := range guard(in) {
			problems = append(problems, condition.Problem{Reason: hold.reason, Message: hold.message})
			for i := range left {
				if free(left[i]) && hold.holds(left[i]) {
					left[i].Held, left[i].Guarded = hold.why, true
				}
			}
		}
	}
	return left, problems
}

// free reports whether a leftover would be pruned if no guard held it.
func free(l plan.Leftover) bool { return l.Held == "" && !l.Going }

var abbreviated = regexp.MustCompile(`^[0-9a-f]{7,}$`)

// Confirms reports whether text names the very commit of a revision: in full, or
// by at least seven digits.
func Confirms(text string, rev source.Revision) bool {
	return rev.ID != "" && (text == rev.ID || abbreviated.MatchString(text) && strings.HasPrefix(rev.ID, text))
}

// confirmation says how a person lets prunes of a revision go.
func confirmation(in Prunes) string {
	short := in.Revision.ID
	if len(short) > 12 {
		short = short[:12]
	}
	return fmt.Sprintf("confirm with %q", "plumb confirm "+in.App.String()+" --revision "+short)
}

func unreadableLimitHolds(in Prunes) []pruneHold {
	if in.Limit.Invalid == "" || !slices.ContainsFunc(in.Leftovers, free) {
		return nil
	}
	return []pruneHold{{
		reason: condition.PruneHeld, holds: free, why: "held: the limit of prunes cannot be read",
		message: fmt.Sprintf("Pruning is held because its limit cannot be read: %s; correct it, or %s", in.Limit.Invalid, confirmation(in)),
	}}
}

// massDeletionIsHeld keeps everything when a revision would delete more than the
// limit's share. What was held stays held at later revisions too: otherwise the
// next commit, of whatever, would let it slip through.
func massDeletionIsHeld(in Prunes) []pruneHold {
	var names []string
	for _, l := range in.Leftovers {
		if free(l) {
			names = append(names, l.Entry.Key.String())
		}
	}
	n := len(names)
	stands := in.Standing && n >= in.Limit.Least && in.Limit.Percent < 100
	if n == 0 || in.Limit.Invalid != "" || (in.Limit.Allows(n, in.Owned) && !stands) {
		return nil
	}
	return []pruneHold{{
		reason: condition.PruneHeld, holds: free,
		why: fmt.Sprintf("held: more than %d %% of the application would go at once", in.Limit.Percent),
		message: fmt.Sprintf("Pruning is held: %s no longer declares %s, more than %d %% of the application at once (%s); restore them in the source, or %s",
			in.Revision, objects(n), in.Limit.Percent, condition.Summary(names), confirmation(in)),
	}}
}

// collateralIsHeld keeps an object whose deletion would take others along that
// no commit removed.
func collateralIsHeld(in Prunes) []pruneHold {
	var holds []pruneHold
	for _, c := range in.Collateral {
		only := func(l plan.Leftover) bool { return l.Entry.Key == c.Of }
		switch {
		case !slices.ContainsFunc(in.Leftovers, func(l plan.Leftover) bool { return free(l) && only(l) }):
		case c.Err != nil:
			holds = append(holds, pruneHold{
				reason: condition.CollateralHeld, holds: only, why: "held: it cannot be told what would go with it",
				message: fmt.Sprintf("Pruning of %s is held because it cannot be told what would go with it: %v; or %s", c.Of, c.Err, confirmation(in)),
			})
		case len(c.Losses) > 0:
			holds = append(holds, pruneHold{
				reason: condition.CollateralHeld, holds: only, why: fmt.Sprintf("held: %s that no commit removed would go with it", objects(len(c.Losses))),
				message: fmt.Sprintf("Pruning of %s is held: %s would go with it although no commit removed them; move or delete them, or %s",
					c.Of, c.losses(), confirmation(in)),
			})
		}
	}
	return holds
}

// moveIsHeld keeps what an application that cannot be rendered seems to declare:
// the commit that broke it may have moved the object there.
func moveIsHeld(in Prunes) []pruneHold {
	byWhom := map[app.ID][]Mention{}
	for _, m := range in.Mentions {
		if slices.ContainsFunc(in.Leftovers, func(l plan.Leftover) bool { return free(l) && l.Entry.Key == m.Of }) {
			byWhom[m.By] = append(byWhom[m.By], m)
		}
	}
	var holds []pruneHold
	for _, id := range slices.SortedFunc(maps.Keys(byWhom), app.ID.Compare) {
		list, names := byWhom[id], []string(nil)
		for _, m := range list {
			names = append(names, fmt.Sprintf("%s in %s", m.Of, m.File))
		}
		other := id.Kind + " " + id.String()
		holds = append(holds, pruneHold{
			reason: condition.MoveHeld,
			holds: func(l plan.Leftover) bool {
				return slices.ContainsFunc(list, func(m Mention) bool { return m.Of == l.Entry.Key })
			},
			why: fmt.Sprintf("held: it may have moved to %s, which cannot be rendered", other),
			message: fmt.Sprintf("Pruning is held: %s may have moved to %s, which cannot be rendered: its files mention %s; correct them, or %s",
				objects(len(list)), other, condition.Summary(names), confirmation(in)),
		})
	}
	return holds
}

// objects counts in words: "1 object", "2 objects".
func objects(n int) string {
	if n == 1 {
		return "1 object"
	}
	return fmt.Sprintf("%d objects", n)
}

func (c Collateral) losses() string {
	if c.Hidden {
		return objects(len(c.Losses))
	}
	names := make([]string, len(c.Losses))
	for i, key := range c.Losses {
		names[i] = key.String()
	}
	return fmt.Sprintf("%s (%s)", objects(len(c.Losses)), condition.Summary(names))
}
