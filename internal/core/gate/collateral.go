package gate

import (
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/plumbline-dev/plumbline/internal/core/object"
	"github.com/plumbline-dev/plumbline/internal/core/plan"
)

// Neighbour is an object that would go with another one.
type Neighbour struct {
	Key   object.Key
	Owned bool              // another object owns it and goes first
	Going bool              // it is being deleted already
	Notes map[string]string // its annotations

	Labels map[string]string
}

// NeighbourOf reads an object's metadata.
func NeighbourOf(key object.Key, meta metav1.Object) Neighbour {
	return Neighbour{
		Key: key, Owned: len(meta.GetOwnerReferences()) > 0, Going: meta.GetDeletionTimestamp() != nil, Notes: meta.GetAnnotations(), Labels: meta.GetLabels(),
	}
}

// TakesAlong reports whether deleting the object of a key deletes others with it.
func TakesAlong(key object.Key) bool {
	return plan.IsCRD(key) || key.Group == "" && key.Kind == "Namespace"
}

// Losses returns which of the objects that would go with a leftover nobody
// removed, sorted: not those that are to be pruned themselves, nor what the
// cluster makes by itself.
func Losses(neighbours []Neighbour, leftovers []plan.Leftover) []object.Key {
	removed := map[object.Key]bool{}
	for _, l := range leftovers {
		if l.Held == "" {
			removed[l.Entry.Key] = true
		}
	}
	var losses []object.Key
	for _, n := range neighbours {
		if !n.Owned && !n.Going && !removed[n.Key] && !selfMade(n) {
			losses = append(losses, n.Key)
		}
	}
	slices.SortFunc(losses, object.Key.Compare)
	return losses
}

// selfMade reports whether the cluster made an object by itself in every
// namespace, or as a record of what happened there.
func selfMade(n Neighbour) bool {
	switch k := n.Key; {
	case k.Kind == "Event" && (k.Group == "" || k.Group == "events.k8s.io"):
		return true
	case k.Group == "" && k.Kind == "ServiceAccount":
		return k.Name == "default"
	case k.Group == "" && k.Kind == "ConfigMap":
		return k.Name == "kube-root-ca.crt"
	case k.Group == "" && k.Kind == "Secret":
		return n.Notes["kubernetes.io/service-account.name"] != "" // a token that goes with its account
	case k.Group == "" && k.Kind == "Endpoints", k.Group == "discovery.k8s.io" && k.Kind == "EndpointSlice":
		return true // of Services, which count themselves
	case k.Group == "metrics.k8s.io":
		return true // figures about pods
	case k.Group == "coordination.k8s.io" && k.Kind == "Lease":
		return true // a lock of programs that run there
	}
	return false
}
