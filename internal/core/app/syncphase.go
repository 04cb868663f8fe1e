package app

// SyncPhase is the part of an operation in which an object has its turn.
type SyncPhase string

// The phases in their order; the last runs only when one before it failed.
const (
	PreSync  SyncPhase = "PreSync"
	InSync   SyncPhase = "" // of the application's own objects
	PostSync SyncPhase = "PostSync"
	SyncFail SyncPhase = "SyncFail"

	// Not of an operation, but of the deletion of an application: before its objects
	// go, and after they have gone.
	PreDelete  SyncPhase = "PreDelete"
	PostDelete SyncPhase = "PostDelete"
)

// OfDeletion reports whether hooks of the phase run when an application is deleted.
func (p SyncPhase) OfDeletion() bool { return p == PreDelete || p == PostDelete }

// SyncPhases are all phases of an operation in their order.
var SyncPhases = []SyncPhase{PreSync, InSync, PostSync, SyncFail}

// String returns the phase's name: that of the unnamed one is "Sync".
func (p SyncPhase) String() string {
	if p == InSync {
		return "Sync"
	}
	return string(p)
}

func (p SyncPhase) rank() int {
	switch p {
	case PreSync:
		return 0
	case InSync:
		return 1
	case PostSync:
		return 2
	case PreDelete:
		return 4
	case PostDelete:
		return 5
	case SyncFail:
	}
	return 3
}

// Compare returns the order of two phases as cmp.Compare does.
func (p SyncPhase) Compare(other SyncPhase) int { return p.rank() - other.rank() }
