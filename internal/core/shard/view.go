package shard

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// View is what one member knows about all of them. Time after time its user
// lists the Leases (Observe), stores the member's own (Propose, Renewed) and
// lets go of what Ring says belongs to others, in between.
//
// Two members never own one piece of work at the same time, because of any two
// that may write each has the other in its ring:
//
//   - Others count a newcomer in as soon as they see it. It counts itself in when
//     all of them have said so in their own Leases, and it or one of them is sure
//     to know everybody, or else after a whole duration: what a list has shown is
//     acted upon for two thirds of one.
//   - A member may write for two thirds of a duration after the beginning of the
//     last list that a successful renewal followed. Others count it out only when
//     a list that begins a whole duration after they last saw it change shows no
//     change, and delete its Lease first. A member whose renewal took longer than
//     that joins anew.
//   - A Lease that vanishes without a word says nothing about its member, which
//     stays in the ring for a duration. Who deletes one says so in its own (Gone).
//   - Released Leases are deleted by whoever has a seat, and before anybody goes in. So
//     a member that finds its own Lease as it left it, naming nobody who has not
//     released theirs, was counted out by nobody and knew of nobody: if there are
//     no others now, it need not wait.
//
// A View is not safe for concurrent use.
type View struct {
	self     string
	duration time.Duration
	address  string

	others map[string]sighting
	out    map[string]Lease // released
	freed  map[string]bool  // seats that nobody takes any more
	gone   []removal        // what this member deleted lately
	own    *Lease           // as the last list showed it
	listed time.Time        // beginning of the last complete list

	term   string    // of the own seat; "" without one
	asked  string    // term of the last proposal
	seated time.Time // when the first renewal of the term was known to have succeeded
	doubts []string  // seats that could be taken although no Lease shows it, while not in
	in     bool      // this member counts itself in
	valid  time.Time // beginning of the last list that a successful renewal followed
	ring   Ring
}

// sighting is another member as it was seen.
type sighting struct {
	lease   Lease
	at      time.Time // when it was last seen to have changed
	expired bool      // it did not change for a whole duration
	missed  time.Time // when it was first found to be missing
}

// removal is a seat whose Lease this member deleted.
type removal struct {
	seat string
	at   time.Time
}

// renewals is how often a Lease is renewed in its duration.
const renewals = 3

// NewView returns the view of a member before it has seen anything. Leases last
// for duration; address is what the own Lease tells others.
func NewView(self, address string, duration time.Duration) *View {
	return &View{self: self, address: address, duration: duration, others: map[string]sighting{}, out: map[string]Lease{}, freed: map[string]bool{}, ring: NewRing(self)}
}

// Ring returns the ring in effect. After Observe it has everybody who might own
// something; what is gained shows only after Renewed.
func (v *View) Ring() Ring { return v.ring }

// Joined reports whether this member counts itself in.
func (v *View) Joined() bool { return v.in }

// MayWrite reports whether this member may write what it owns.
func (v *View) MayWrite(now time.Time) bool {
	return v.in && Elapsed(v.valid, now) < v.limit()
}

// WritesUntil returns when MayWrite ends unless the Lease is renewed; zero: it
// does not hold.
func (v *View) WritesUntil() time.Time {
	if !v.in {
		return time.Time{}
	}
	return v.valid.Add(v.limit())
}

func (v *View) limit() time.Duration { return v.duration * 2 / 3 }

// Every is the time between two renewals.
func (v *View) Every() time.Duration { return v.duration / renewals }

// Next returns when the next list is due, given that the last renewal succeeded.
func (v *View) Next() time.Time {
	if v.term == "" || !v.seated.Before(v.listed) {
		return v.listed // a seat is worth something only after a list
	}
	next := v.listed.Add(v.Every())
	if join := v.seated.Add(v.duration); !v.in && join.Before(next) {
		return join
	}
	return next
}

// Observe takes in a complete list of all Leases, which was asked for at sent
// and answered at got. It fails with *TwinError when the own Lease is somebody
// else's.
func (v *View) Observe(leases []Lease, sent, got time.Time) error {
	if !v.listed.IsZero() && Elapsed(v.listed, sent) >= v.duration {
		v.forgive(got)
	}
	v.listed, v.own = sent, nil
	present := map[string]bool{}
	for _, l := range leases {
		present[l.Member] = true
		if l.Member == v.self {
			v.own = &l
			continue
		}
		v.meet(l, sent, got)
	}
	maps.DeleteFunc(v.out, func(name string, _ Lease) bool { return !present[name] })
	v.miss(leases, present, sent, got)
	v.ring = NewRing(v.self, append(slices.Collect(maps.Keys(v.others)), v.ring.members...)...)
	switch {
	case v.term == "":
	case v.own != nil && v.own.Term != v.term:
		v.leave()
		return &TwinError{Member: v.self}
	}
	return nil
}

// miss takes in which Leases are not there any more. What another member says it
// deleted needs no waiting for; what vanished otherwise may have been renewed
// just before.
func (v *View) miss(leases []Lease, present map[string]bool, sent, got time.Time) {
	for _, l := range leases {
		for _, seat := range l.Gone {
			v.freed[seat] = true
		}
	}
	for name, s := range v.others {
		switch {
		case present[name]:
		case v.freed[s.lease.Seat()], !s.missed.IsZero() && sent.Sub(s.missed) >= v.duration:
			delete(v.others, name)
		case s.missed.IsZero():
			s.missed = got
			v.others[name] = s
		}
	}
}

// forgive lets the others' Leases count from now, after a time in which this
// member could not look: it cannot tell whether they were renewed meanwhile.
func (v *View) forgive(now time.Time) {
	for name, s := range v.others {
		s.at, s.expired = now, false
		v.others[name] = s
	}
}

// meet takes in the Lease of another member.
func (v *View) meet(l Lease, sent, got time.Time) {
	before, known := v.others[l.Member]
	switch {
	case l.Released:
		delete(v.others, l.Member)
		v.out[l.Member], v.freed[l.Seat()] = l, true
	case !known || before.lease.Version != l.Version:
		delete(v.out, l.Member)
		v.others[l.Member] = sighting{lease: l, at: got}
	default:
		before.expired, before.missed = sent.Sub(before.at) >= v.duration, time.Time{}
		v.others[l.Member] = before
	}
}

// Unused lists the Leases that were released, and those that were not renewed for
// a whole duration, whose members are counted out by that. Each is to be deleted
// in exactly its version (Removed).
func (v *View) Unused() []Lease {
	var list []Lease
	for _, name := range slices.Sorted(maps.Keys(v.others)) {
		if s := v.others[name]; s.expired {
			list = append(list, s.lease)
		}
	}
	if v.term == "" {
		return list // of those that start together none is to take another's knowledge away
	}
	for _, name := range slices.Sorted(maps.Keys(v.out)) {
		list = append(list, v.out[name])
	}
	return list
}

// Removed takes in that a Lease that Unused named was deleted.
func (v *View) Removed(l Lease) {
	delete(v.others, l.Member)
	delete(v.out, l.Member)
	v.freed[l.Seat()] = true
	v.gone = append(v.gone, removal{l.Seat(), v.listed})
}

// leave gives up the seat: the next term begins like that of a newcomer.
func (v *View) leave() {
	v.term, v.in = "", false
	v.ring = v.counted()
}

// counted is everybody who is counted in now.
func (v *View) counted() Ring {
	members := slices.Collect(maps.Keys(v.others))
	if v.in {
		members = append(members, v.self)
	}
	return NewRing(v.self, members...)
}

// Propose returns the Lease to store now. It begins a new term, named fresh,
// when there is none or the last one cannot be gone on with. It is called after
// this member has let go of what Ring says belongs to others.
func (v *View) Propose(now time.Time, fresh string) Lease {
	if v.term != "" && (v.broken(now) || !v.in && v.own == nil) {
		v.leave()
	}
	l := Lease{Member: v.self, Term: v.term, Address: v.address}
	if l.Term == "" {
		l.Term = fresh
	}
	v.asked = l.Term
	if v.own != nil {
		l.Version = v.own.Version
	}
	for _, name := range slices.Sorted(maps.Keys(v.others)) {
		l.Counts = append(l.Counts, v.others[name].lease.Seat())
	}
	v.gone = slices.DeleteFunc(v.gone, func(r removal) bool { return Elapsed(r.at, now) >= 2*v.duration })
	for _, r := range v.gone {
		l.Gone = append(l.Gone, r.seat)
	}
	if !v.in {
		v.doubts = v.unseen()
		l.Counts = append(l.Counts, v.doubts...)
	}
	return l
}

// broken reports whether others may have counted this member out.
func (v *View) broken(now time.Time) bool { return Elapsed(v.valid, now) >= v.duration }

// Renewed takes in that the proposed Lease was stored, which was known at got.
func (v *View) Renewed(l Lease, got time.Time) {
	switch {
	case l.Term != v.term:
		v.term, v.seated, v.in = l.Term, got, false
	case v.broken(got):
		v.leave()
		return
	default:
		v.in = v.in || v.mayJoin(got)
	}
	v.valid = v.listed
	v.ring = v.counted()
}

// mayJoin decides whether this member counts itself in, by a list that began
// after it had its seat.
func (v *View) mayJoin(now time.Time) bool {
	if !v.seated.Before(v.listed) || len(v.out) > 0 {
		return false
	}
	if now.Sub(v.seated) >= v.duration {
		return true
	}
	if slices.ContainsFunc(v.doubts, func(seat string) bool { return seat != doubt }) {
		return false
	}
	if len(v.others) == 0 {
		return len(v.doubts) == 0
	}
	sure := len(v.doubts) == 0
	for _, other := range v.others {
		if !v.awaits(other.lease) {
			return false
		}
		sure = sure || !slices.Contains(other.lease.Counts, doubt)
	}
	return sure
}

// doubt marks a seat that is named for the sake of whoever writes the Lease after
// a restart; alone it stands for all that cannot be known.
const doubt = "?"

// unseen lists the seats that could be taken although no Lease shows it: those
// that our own Lease names and that neither stand now nor were released.
func (v *View) unseen() []string {
	if v.own == nil {
		return []string{doubt}
	}
	var list []string
	for _, seat := range v.own.Counts {
		if seat = strings.TrimPrefix(seat, doubt); !v.known(seat) {
			list = append(list, doubt+seat)
		}
	}
	return list
}

func (v *View) known(seat string) bool {
	for _, s := range v.others {
		if s.lease.Seat() == seat {
			return true
		}
	}
	return v.freed[seat]
}

// awaits reports whether a member has let go of what will be ours, and knows
// nobody of whom the same is not known.
func (v *View) awaits(other Lease) bool {
	mine := Lease{Member: v.self, Term: v.term}.Seat()
	if !slices.Contains(other.Counts, mine) {
		return false
	}
	return !slices.ContainsFunc(other.Counts, func(seat string) bool {
		return seat != mine && seat != doubt && !v.known(seat)
	})
}

// Found takes in how the own Lease is stored when that is not known, because no
// answer came to a proposal. It reports whether the Lease is this member's.
func (v *View) Found(l Lease) bool {
	if l.Member != v.self || l.Term == "" || l.Term != v.term && l.Term != v.asked {
		return false
	}
	v.own, v.term = &l, l.Term
	return true
}

// Release returns the own Lease as it stands when this member writes no more,
// and false when there is none to release.
func (v *View) Release() (Lease, bool) {
	if v.own == nil || v.term == "" {
		return Lease{}, false
	}
	return Lease{Member: v.self, Term: v.term, Version: v.own.Version, Counts: v.own.Counts, Released: true}, true
}

// Stored makes the version of the own Lease known that a renewal brought about.
func (v *View) Stored(l Lease) { v.own = &l }

// Addresses lists where the other members take what is passed on.
func (v *View) Addresses() []string {
	var list []string
	for _, name := range slices.Sorted(maps.Keys(v.others)) {
		if a := v.others[name].lease.Address; a != "" {
			list = append(list, a)
		}
	}
	return list
}
