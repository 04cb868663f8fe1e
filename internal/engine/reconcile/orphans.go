package reconcile

import (
	"context"
	"fmt"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/plumbline-dev/plumbline/internal/core/condition"
	"github.com/plumbline-dev/plumbline/internal/core/gate"
	"github.com/plumbline-dev/plumbline/internal/core/object"
)

// censusAge is for how long the content of a namespace is taken for what it was:
// nothing announces objects of kinds that nobody declares, and a look costs a list of
// every kind.
const censusAge = 3 * time.Minute

// census keeps what is in namespaces, for all applications that ask.
type census struct {
	mu     sync.Mutex
	counts map[censusKey]*count
}

type censusKey struct {
	cluster   Cluster
	namespace string
}

type count struct {
	mu     sync.Mutex
	at     time.Time
	inside []gate.Neighbour
	err    error
}

// of returns what was in a namespace at a time not long before now.
func (c *census) of(ctx context.Context, cluster Cluster, namespace string, now time.Time) ([]gate.Neighbour, time.Time, error) {
	key := censusKey{cluster, namespace}
	c.mu.Lock()
	if c.counts == nil {
		c.counts = map[censusKey]*count{}
	}
	for other, n := range c.counts { // those that nobody asks for any more
		if n.mu.TryLock() {
			if other != key && now.Sub(n.at) > 2*censusAge {
				delete(c.counts, other)
			}
			n.mu.Unlock()
		}
	}
	n := c.counts[key]
	if n == nil {
		n = &count{}
		c.counts[key] = n
	}
	c.mu.Unlock()
	n.mu.Lock()
	defer n.mu.Unlock()
	if now.Sub(n.at) >= censusAge {
		live := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": namespace}}}
		n.inside, n.err = cluster.Inside(ctx, live)
		if n.at = now; ctx.Err() != nil {
			n.at = time.Time{}
		}
	}
	return n.inside, n.at, n.err
}

// orphans warns of objects in the destination namespace that nobody owns, where the
// application's project asks for that.
func (s *session) orphans(ctx context.Context) {
	namespace := s.app.Target.Namespace
	if s.app.Orphans == nil || namespace == "" {
		return
	}
	inside, at, err := s.census.of(ctx, s.cluster, namespace, s.now)
	s.again(max(at.Add(censusAge).Sub(s.now), time.Second))
	if err != nil {
		s.problem(fmt.Errorf("cannot tell which objects of namespace %s are orphaned: %w", namespace, err), condition.OrphanedObjects)
		return
	}
	permits := func(key object.Key) bool { return !s.excludes(key) && s.subject.Permit(key) == nil }
	owned := func(n gate.Neighbour) bool {
		return len(s.cluster.Claimed(n.Key)) > 0 || s.traits.Tracked != nil && s.traits.Tracked(n)
	}
	keys := gate.Orphans(*s.app.Orphans, inside, permits, owned)
	if len(keys) == 0 {
		return
	}
	names := make([]string, len(keys))
	for i, key := range keys {
		names[i] = key.String()
	}
	s.problem(condition.Newf(condition.OrphanedObjects, "Application has %d orphaned resources: %s", len(keys), condition.Summary(names)), condition.OrphanedObjects)
}
