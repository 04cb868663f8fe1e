package app

import (
	"slices"

	"github.com/plumbline-dev/plumbline/internal/core/signature"
)

// Project is a tenancy boundary: which sources, destinations and kinds an
// application may use. Patterns are globs; the gate package gives them meaning.
type Project struct {
	Name         string
	SourceRepos  []string
	Destinations []DestinationRule
	ClusterAllow []KindRule // cluster-scoped kinds; empty: none
	ClusterDeny  []KindRule // wins over ClusterAllow
	ObjectAllow  []KindRule // namespaced kinds; nil: all, empty: none
	ObjectDeny   []KindRule // wins over ObjectAllow
	Namespaces   Patterns   // further namespaces whose applications may use the project
	PruneLimit   PruneLimit // of applications that set none
	Windows      []Window   // when operations may run

	Signatures []signature.Policy // the first that is about a source

	Orphans *OrphanRule // nil: nobody looks for objects without an owner

	Accounts []AccountRule // users to act as, by destination; the first that matches

	OwnClustersOnly bool     // destinations are clusters that are registered for this project
	Unsupported     []string // rules that this version cannot keep: nothing of the project runs
}

// With returns the project with what it inherits from another: lists are added to
// its own.
func (p Project) With(base Project) Project {
	p.SourceRepos = slices.Concat(p.SourceRepos, base.SourceRepos)
	p.Destinations = slices.Concat(p.Destinations, base.Destinations)
	p.ClusterAllow = slices.Concat(p.ClusterAllow, base.ClusterAllow)
	p.ClusterDeny = slices.Concat(p.ClusterDeny, base.ClusterDeny)
	if base.ObjectAllow != nil { // or else everything stays allowed
		p.ObjectAllow = append(slices.Clip(p.ObjectAllow), base.ObjectAllow...)
	}
	p.ObjectDeny = slices.Concat(p.ObjectDeny, base.ObjectDeny)
	p.Windows = slices.Concat(p.Windows, base.Windows)
	p.Accounts = slices.Concat(p.Accounts, base.Accounts)
	return p
}

// Window is a repeating time in which operations may run, or may not. The gate
// package gives it meaning.
type Window struct {
	Kind     string // "allow" or "deny"
	Schedule string // of five cron fields: when it opens
	Duration string // for how long, as Go writes durations
	TimeZone string // IANA name; empty: UTC

	Applications, Namespaces, Clusters []string // globs of names; one that matches is enough
	All                                bool     // every list that is not empty has to match

	Manual  bool // people may sync although the window says no
	Overrun bool // what began before it said no may end
}

// DestinationRule permits (or with "!" patterns denies) destinations.
type DestinationRule struct {
	Server, Name, Namespace string
}

// AccountRule names the service account to act as at destinations.
type AccountRule struct {
	Server, Namespace string // globs
	Account           string // a name, or namespace:name
}

// OrphanRule warns of objects that no application owns.
type OrphanRule struct {
	Ignore []KindRule // globs of objects that are expected
}

// KindRule matches kinds, and with Name single objects.
type KindRule struct {
	Group, Kind, Name string
}
