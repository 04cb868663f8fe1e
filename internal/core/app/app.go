// Package app is the model of one unit of delivery: where it comes from, where
// it goes, under which policy, and what is known about it.
//
// Dialects translate users' objects into an Application and an Outcome back
// into their status. The package holds values only; it decides nothing and
// reads nothing.
package app

import (
	"cmp"
	"errors"
	"math"
	"strings"
	"time"

	"github.com/plumbline-dev/plumbline/internal/core/condition"
	"github.com/plumbline-dev/plumbline/internal/core/object"
	"github.com/plumbline-dev/plumbline/internal/core/render"
	"github.com/plumbline-dev/plumbline/internal/core/signature"
	"github.com/plumbline-dev/plumbline/internal/core/source"
)

// ID names an application by the user's object that declares it.
type ID struct {
	Kind      string // of the user's object
	Namespace string
	Name      string
}

// String returns "namespace/name".
func (id ID) String() string { return id.Namespace + "/" + id.Name }

// Compare orders IDs by kind, namespace and name.
func (id ID) Compare(other ID) int {
	return cmp.Or(strings.Compare(id.Kind, other.Kind), strings.Compare(id.Namespace, other.Namespace), strings.Compare(id.Name, other.Name))
}

// Application is one unit of delivery as its user declared it.
type Application struct {
	ID         ID
	UID        string
	Generation int64
	Sources    []Source // combined in this order; an object that two declare is the later one's
	Declared   string   // identity of the sources as the user wrote them: a change is a new attempt
	Local      []string // manifests in JSON that Request brings along instead of what the sources declare
	Borrowed   bool     // the sources are those of Request, and not the application's own
	Target     Destination
	Project    string // empty: the dialect has no projects
	Policy     Policy
	Ignores    Ignores    // what does not count as a difference
	Kinds      KindFilter // what is left alone
	Orphans    *OrphanRule

	Signatures []signature.Policy // the first that is about a source; none: nothing has to be signed
	Keys       signature.Keyring  // of those whose signatures may count

	Windows   []Window   // when operations may run; none: at any time
	Request   *Operation // what the user asked to run now; nil: nothing
	Refresh   string     // a token that asks for one more look; empty: none
	Anew      bool       // the look is to render again what may depend on more than files
	Deletion  *Deletion  // set once the user deleted the object
	Suspended bool       // leave everything as it is
	After     []Dependency

	Rival     Rival     // another engine that wrote to its status; zero: none, or it does not matter
	Confirmed string    // commit whose held prunes a person lets go; empty: none
	Approved  time.Time // when a person last agreed to deletions that ask for it; zero: never

	State    State               // what its status remembers
	Problems []condition.Problem // why it cannot run as declared; empty: it can
}

// Managed returns the user's object that fetches what the application comes from;
// nil: the engine polls the repositories itself.
func (a Application) Managed() *ManagedSource {
	if len(a.Sources) == 0 {
		return nil
	}
	return a.Sources[0].Managed
}

// Source is where desired state comes from and how it is rendered.
type Source struct {
	URL     string         // of the repository, as the user wrote it
	Secret  *SecretRef     // credentials; nil: found by URL, or none needed
	Ref     source.Ref     // branch, tag, range or commit
	Render  render.Request // without what the destination adds (version, API list)
	Managed *ManagedSource // the user's object that fetches it; nil: the engine polls the repository itself
	Written any            // the source as the dialect reads it; nobody else looks inside

	Alias string // name by which the other sources read its files, see source.Mounted; empty: they do not
	Lends bool   // it declares nothing by itself, and only lends its files to others
}

// Rival is another engine that may be at work on the same application.
type Rival struct {
	Name string    // as users call it
	Last time.Time // when it wrote to the status last
	Way  string    // what to do if it has stopped for good
}

// SecretRef names a Secret.
type SecretRef struct {
	Namespace, Name string
}

// ManagedSource names the user's object that owns a source's interval and reference.
type ManagedSource struct {
	Kind, Namespace, Name string
}

// Destination is a cluster and the namespace for objects that name none.
type Destination struct {
	Server    string // URL of the API server; empty when Name is set or for the cluster the engine runs in
	Cluster   string // registered name
	Namespace string
	RunAs     string // user to impersonate for every write; empty: the engine itself
}

// Dependency is an application that has to be ready first.
type Dependency struct {
	ID ID
	// SameSource asks that it has applied the newest revision of the source that
	// both share, not merely that it was ready once.
	SameSource bool
}

// Deletion says how an application goes.
type Deletion struct {
	Since       time.Time
	Cascade     bool        // delete what it owns first; false: leave the objects
	Propagation string      // "foreground" or "background"
	Await       bool        // wait until the objects are gone before letting go
	Hooks       []SyncPhase // PreDelete, PostDelete: what has to run and has not
	Clear       []SyncPhase // the same: of what has to be cleared away after it ran
	Held        string      // why nothing is deleted yet; empty: it is
}

// Retry says how often and when a failed operation is tried again.
type Retry struct {
	Limit  int64 // further attempts; 0 none, below 0 without end
	Wait   time.Duration
	Factor int64         // the wait grows by this factor from attempt to attempt; 0 and 1: it stays
	Max    time.Duration // longest wait; 0 or less: no bound
}

// Delay returns the wait before attempt number retries+1; retries counts from 0.
func (r Retry) Delay(retries int64) time.Duration {
	longest := r.Max
	if longest <= 0 {
		longest = math.MaxInt64
	}
	wait := min(r.Wait, longest)
	for ; retries > 0 && r.Factor > 1 && wait > 0 && wait < longest; retries-- {
		if wait > longest/time.Duration(r.Factor) {
			return longest
		}
		wait *= time.Duration(r.Factor)
	}
	return wait
}

// Policy is what the engine may do on its own and how it does it.
type Policy struct {
	Automatic  bool // apply new revisions without being asked
	Prune      bool // delete what left the source
	SelfHeal   bool // undo changes made by others
	AllowEmpty bool // even when nothing at all is left in the source
	Once       bool // one automatic attempt per revision and source; retries aside
	Retry      Retry

	HealWait Retry // pauses between repairs that do not last

	CreateNamespace   bool
	NamespaceLabels   map[string]string // kept on the created namespace; nil: untouched
	NamespaceNotes    map[string]string // annotations, the same way
	Propagation       string            // of prunes: "foreground", "background" or "orphan"
	PruneLast         bool
	PruneConfirm      bool // ask a person before each prune
	PruneLimit        PruneLimit
	PruneNever        bool // leftovers stay, but for those that ask to be pruned themselves
	Outlive           bool // objects survive the deletion of the application, but for those that ask to go themselves
	DeleteConfirm     bool // ask a person before objects go with the application
	Force             bool // delete and create again when a field cannot be changed in place
	Replace           bool // write whole objects instead of applying fields
	KeepIgnored       bool // applies leave alone what comparisons ignore
	LenientFields     bool // unknown fields are dropped rather than refused
	MissingKindsLater bool // a kind that the cluster does not know yet is tried when its turn comes
	FailOnShared      bool // refuse to sync while another application claims one of the objects

	Await   bool           // success means healthy, not merely applied
	Awaited []object.Entry // what has to be healthy, its own or not; empty: everything applied
	Timeout time.Duration  // longest wait for health; 0: no bound
}

// Operation is one run of the pipeline up to and including apply.
type Operation struct {
	Revision  string // to use, see source.Join; empty: the newest that the references stand for
	Automatic bool   // started by the engine, not by a person
	User      string // who asked
	Prune     bool
	DryRun    bool
	Force     bool
	Bare      bool       // leave hooks out
	Only      []Selector // empty: everything
	Options   []string   // as the user wrote them; replace those of the policy
	Retry     Retry
	Heals     int64 // how many repairs of the same revision came before this one
}

// Selector picks objects of an operation by exact match; an empty namespace matches any.
type Selector struct {
	Group, Kind, Namespace, Name string
}

// Matches reports whether the selector picks key.
func (s Selector) Matches(key object.Key) bool {
	return s.Group == key.Group && s.Kind == key.Kind && s.Name == key.Name && (s.Namespace == "" || s.Namespace == key.Namespace)
}

// ErrGone says that an application does not exist any more.
var ErrGone = errors.New("application is gone")
