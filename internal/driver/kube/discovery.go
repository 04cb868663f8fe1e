package kube

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/plumbline-dev/plumbline/internal/core/kinds"
	"golang.org/x/sync/singleflight"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"
)

// settleFor is the shortest time between two looks at the kinds once they are
// known to have changed.
const settleFor = time.Second

// discoverer knows the kinds of a cluster. It asks only when it has to.
type discoverer struct {
	client  *discovery.DiscoveryClient
	timeout time.Duration
	every   time.Duration
	flight  singleflight.Group

	mu      sync.Mutex
	kinds   *kinds.Set
	version string
	looked  time.Time // when the last look started
	stale   bool      // kinds changed since
	failure error     // of the last look
}

func newDiscoverer(client rest.Interface, options Options) *discoverer {
	return &discoverer{
		client:  discovery.NewDiscoveryClient(client),
		timeout: options.Timeout,
		every:   options.DiscoverEvery,
	}
}

// first looks for the first time.
func (d *discoverer) first(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, d.timeout)
	defer cancel()
	return d.look(ctx)
}

// refresh looks once for all who ask at the same time, and goes on for the
// others when one of them gives up.
func (d *discoverer) refresh(ctx context.Context) error {
	done := d.flight.DoChan("", func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), d.timeout)
		defer cancel()
		return nil, d.look(ctx)
	})
	select {
	case result := <-done:
		return result.Err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (d *discoverer) look(ctx context.Context) error {
	d.mu.Lock()
	d.looked, d.stale = time.Now(), false
	before := d.kinds
	d.mu.Unlock()

	found, version, err := d.ask(ctx, before)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.failure = err
	if err != nil {
		d.stale = true
		return err
	}
	d.kinds, d.version = found, version
	return nil
}

func (d *discoverer) ask(ctx context.Context, before *kinds.Set) (*kinds.Set, string, error) {
	info, err := d.client.ServerVersionWithContext(ctx)
	if err != nil {
		return nil, "", fmt.Errorf("version: %w", err)
	}
	groups, lists, err := discovery.ServerGroupsAndResourcesWithContext(ctx, d.client)
	failed, partial := discovery.GroupDiscoveryFailedErrorGroups(err)
	if err != nil && !partial {
		return nil, "", fmt.Errorf("discovery: %w", err)
	}
	if !slices.ContainsFunc(groups, func(g *metav1.APIGroup) bool { return g.Name == "" }) {
		return nil, "", errors.New("discovery: the answer lacks the core group: is discovery permitted to this user?")
	}
	return kinds.New(groups, lists, failed, before), info.GitVersion, nil
}

// Mapping returns how gk is addressed in version, or in the version that the
// server prefers when version is empty.
//
// Known kinds cost no request. It fails with *kinds.UnknownKindError when the server
// does not have the kind and with *kinds.UnavailableGroupError when that cannot be
// told. A kind that is not found is looked for again, at most once in
// Options.DiscoverEvery.
func (c *Cluster) Mapping(ctx context.Context, gk schema.GroupKind, version string) (kinds.Resource, error) {
	return c.discovery.mapping(ctx, gk, version)
}

func (d *discoverer) mapping(ctx context.Context, gk schema.GroupKind, version string) (kinds.Resource, error) {
	d.mu.Lock()
	res, err := d.kinds.Find(gk, version)
	age, stale, failure := time.Since(d.looked), d.stale, d.failure
	d.mu.Unlock()

	switch {
	case err == nil && (!stale || age < settleFor || failure != nil && age < d.every):
		return res, nil
	case err == nil:
		if d.refresh(ctx) != nil {
			return res, nil // what was true is the best guess
		}
	case stale && failure == nil:
		if err := sleep(ctx, settleFor-age); err != nil {
			return kinds.Resource{}, &kinds.UnavailableGroupError{Group: gk.Group, Cause: err}
		}
		fallthrough
	case age >= d.every:
		if err := d.refresh(ctx); err != nil {
			return kinds.Resource{}, &kinds.UnavailableGroupError{Group: gk.Group, Cause: err}
		}
	case failure != nil:
		return kinds.Resource{}, &kinds.UnavailableGroupError{Group: gk.Group, Cause: failure}
	default:
		return kinds.Resource{}, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.kinds.Find(gk, version)
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(max(d, 0))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// inNamespaces returns the kinds that live in namespaces, after a new look where
// the last one was incomplete.
func (c *Cluster) inNamespaces(ctx context.Context) ([]kinds.Resource, error) {
	d := c.discovery
	d.mu.Lock()
	list, err := d.kinds.InNamespaces()
	fresh := err == nil && !d.stale
	d.mu.Unlock()
	if fresh {
		return list, nil
	}
	if err := d.refresh(ctx); err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.kinds.InNamespaces()
}

// Invalidate says that the kinds of the cluster changed, as when a
// CustomResourceDefinition or an APIService did. The next Mapping looks again.
func (c *Cluster) Invalidate() {
	c.discovery.mu.Lock()
	defer c.discovery.mu.Unlock()
	c.discovery.stale = true
}

// KubeVersion returns the server's version, such as "v1.37.2".
func (c *Cluster) KubeVersion() string {
	c.discovery.mu.Lock()
	defer c.discovery.mu.Unlock()
	return c.discovery.version
}

// APIVersions returns the sorted "v1", "apps/v1", "apps/v1/Deployment" that the
// server has, as chart templates ask for them. A group that stopped answering
// is still listed with what was last known of it. The slice is shared and must
// not be changed.
func (c *Cluster) APIVersions() []string {
	c.discovery.mu.Lock()
	defer c.discovery.mu.Unlock()
	return c.discovery.kinds.Versions()
}

// UnavailableGroups returns the group versions that did not answer when they
// were last asked, and why. While there are any, APIVersions may lack kinds.
func (c *Cluster) UnavailableGroups() map[schema.GroupVersion]error {
	c.discovery.mu.Lock()
	defer c.discovery.mu.Unlock()
	return c.discovery.kinds.Unavailable()
}
