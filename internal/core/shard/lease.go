package shard

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// Lease is what a member says about itself where all members can read it.
type Lease struct {
	Member   string
	Term     string   // names one stretch of membership; another one each time a member joins
	Version  string   // of what is stored: another one after each renewal; empty: not stored yet
	Released bool     // the member ended in order and writes no more
	Counts   []string // seats of everybody whom the member counts in: what belongs to them it does not touch
	Gone     []string // seats whose Leases the member deleted lately
	Address  string   // where the member takes what other members pass on; may be empty
}

// Seat names a member in one of its terms.
func (l Lease) Seat() string { return l.Member + "@" + l.Term }

// Silent returns the Lease of a member that has not let go of everything yet: it
// renews, and tells nobody that they are counted in.
func (l Lease) Silent() Lease {
	l.Counts = []string{doubt}
	return l
}

// Held lists the members whose Leases nobody gave back.
func Held(leases []Lease) []string {
	var list []string
	for _, l := range leases {
		if !l.Released {
			list = append(list, l.Member)
		}
	}
	slices.Sort(list)
	return list
}

// Renewed lists the members whose held Leases differ between two lists.
func Renewed(before, now []Lease) []string {
	stood := map[string]string{}
	for _, l := range before {
		stood[l.Member] = l.Version
	}
	return Held(slices.DeleteFunc(slices.Clone(now), func(l Lease) bool { return stood[l.Member] == l.Version }))
}

// Reasons why work cannot begin.
var (
	// ErrElsewhere says that another member owns the work.
	ErrElsewhere = errors.New("another replica owns this")
	// ErrLapsed says that this member may not write at present.
	ErrLapsed = errors.New("this replica's lease is not valid: writes wait for its renewal")
)

// TwinError says that somebody else writes the Lease of this member.
type TwinError struct{ Member string }

// Error names the member and the way out.
func (e *TwinError) Error() string {
	return fmt.Sprintf("lease %s: another process renews it: give each replica a name of its own with -share-name", e.Member)
}

// Elapsed returns the time that passed between two readings of the clock of one
// machine, by whichever of its two clocks says more: the monotonic one stands
// still while a machine is suspended, the other one can be set back.
func Elapsed(from, to time.Time) time.Duration {
	return max(to.Sub(from), to.Round(0).Sub(from.Round(0)))
}
