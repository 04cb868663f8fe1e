package reconcile_test

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/managedfields"
	"k8s.io/apimachinery/pkg/util/managedfields/managedfieldstest"

	"github.com/plumbline-dev/plumbline/internal/core/app"
	"github.com/plumbline-dev/plumbline/internal/core/gate"
	"github.com/plumbline-dev/plumbline/internal/core/object"
	core "github.com/plumbline-dev/plumbline/internal/core/schema"
	"github.com/plumbline-dev/plumbline/internal/engine/apply"
	"github.com/plumbline-dev/plumbline/internal/engine/reconcile"
)

// cluster is an API server in memory. Its applies are those of apimachinery's
// field manager over the types of Kubernetes itself, so that what is stored and
// who owns it is what a server would have; it has no defaults, no admission and
// no controllers: statuses are set with edit.
type cluster struct {
	t       *testing.T
	mu      sync.Mutex
	objects map[object.Key]*unstructured.Unstructured
	count   int
	writes  []string // "apply ConfigMap shop/a"; dry runs are left out

	unknown map[string]bool  // kinds that are not served
	blind   map[string]error // kinds that cannot be looked at
	refuse  map[string]error // by write
	holds   map[string]bool  // names of objects that a finalizer keeps
	claims  map[object.Key][]app.ID
}

var clusterScoped = []string{"Namespace", "ClusterRole"}

func newCluster(t *testing.T) *cluster {
	return &cluster{t: t, objects: map[object.Key]*unstructured.Unstructured{}, unknown: map[string]bool{}, blind: map[string]error{}, refuse: map[string]error{}, holds: map[string]bool{}, claims: map[object.Key][]app.ID{}}
}

func (c *cluster) stamp(obj *unstructured.Unstructured) {
	c.count++
	if obj.GetUID() == "" {
		obj.SetUID(types.UID(fmt.Sprintf("uid-%d", c.count)))
	}
	obj.SetResourceVersion(strconv.Itoa(c.count))
	c.objects[object.KeyOf(obj)] = obj
}

func fields(gvk schema.GroupVersionKind) (*managedfields.FieldManager, error) {
	converter, err := core.Builtin().Converter(gvk)
	if err != nil {
		return nil, err
	}
	return managedfieldstest.NewFakeFieldManager(converter, gvk), nil
}

func (c *cluster) Apply(_ context.Context, obj *unstructured.Unstructured, opts apply.Options) (*unstructured.Unstructured, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	key := object.KeyOf(obj)
	call := "apply " + key.String()
	if !opts.DryRun {
		c.writes = append(c.writes, call)
	}
	if err := c.refuse[call]; err != nil {
		return nil, err
	}
	manager, err := fields(obj.GroupVersionKind())
	if err != nil {
		return nil, err
	}
	old := c.objects[key]
	live := old.DeepCopy()
	if old == nil {
		live = &unstructured.Unstructured{Object: map[string]any{"apiVersion": obj.GetAPIVersion(), "kind": obj.GetKind(), "metadata": map[string]any{}}}
	}
	merged, err := manager.Apply(live, obj.DeepCopy(), opts.Manager, true)
	if err != nil {
		return nil, err
	}
	next := merged.(*unstructured.Unstructured)
	if !opts.DryRun {
		c.stamp(next)
	}
	return next.DeepCopy(), nil
}

func (c *cluster) Replace(ctx context.Context, obj *unstructured.Unstructured, opts apply.Options) (*unstructured.Unstructured, error) {
	return c.Apply(ctx, obj, opts)
}

func (c *cluster) Delete(_ context.Context, key object.Key, opts apply.DeleteOptions) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	call := "delete " + key.String()
	c.writes = append(c.writes, call)
	if err := c.refuse[call]; err != nil {
		return err
	}
	live := c.objects[key]
	switch {
	case live == nil:
		return nil
	case string(live.GetUID()) != opts.UID:
		return apierrors.NewConflict(schema.GroupResource{Resource: key.Kind}, key.Name, fmt.Errorf("the UID differs"))
	case c.holds[key.Name] || len(live.GetFinalizers()) > 0:
		next := live.DeepCopy()
		gone := metaNow
		next.SetDeletionTimestamp(&gone)
		c.stamp(next)
	default:
		delete(c.objects, key)
	}
	return nil
}

func (c *cluster) DropFinalizer(_ context.Context, live *unstructured.Unstructured, finalizer string, _ apply.Options) (*unstructured.Unstructured, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	key := object.KeyOf(live)
	call := "release " + key.String()
	c.writes = append(c.writes, call)
	if err := c.refuse[call]; err != nil {
		return nil, err
	}
	now := c.objects[key]
	if now == nil {
		return live, nil
	}
	next := now.DeepCopy()
	next.SetFinalizers(slices.DeleteFunc(next.GetFinalizers(), func(f string) bool { return f == finalizer }))
	if next.GetDeletionTimestamp() != nil && len(next.GetFinalizers()) == 0 {
		delete(c.objects, key)
		return next, nil
	}
	c.stamp(next)
	return next.DeepCopy(), nil
}

// Inside lists the other objects of a namespace.
func (c *cluster) Inside(_ context.Context, live *unstructured.Unstructured) ([]gate.Neighbour, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.refuse["inside "+live.GetName()]; err != nil {
		return nil, err
	}
	var list []gate.Neighbour
	for key, obj := range c.objects {
		if key.Namespace == live.GetName() {
			list = append(list, gate.NeighbourOf(key, obj))
		}
	}
	return list, nil
}

func (c *cluster) Read(_ context.Context, key object.Key) (*unstructured.Unstructured, error) {
	if live, ok := c.Live(key); ok {
		return live, nil
	}
	return nil, &apply.MissingError{Key: key}
}

func (c *cluster) Gone(context.Context, object.Key, string) error { return nil }
func (c *cluster) Established(context.Context, string) error      { return nil }
func (c *cluster) Version() string                                { return "v1.37.2" }
func (c *cluster) APIVersions() []string                          { return []string{"v1", "apps/v1"} }
func (c *cluster) Release(app.ID)                                 {}
func (c *cluster) Claimed(key object.Key) []app.ID                { return c.claims[key] }

func (c *cluster) Claim(user app.ID, keys []object.Key) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for key := range c.claims {
		c.claims[key] = slices.DeleteFunc(c.claims[key], func(id app.ID) bool { return id == user })
	}
	for _, key := range keys {
		c.claims[key] = append(c.claims[key], user)
	}
}

func (c *cluster) Schemas(context.Context, schema.GroupVersion) (*core.Set, error) {
	return core.Builtin(), nil
}

func (c *cluster) Resource(_ context.Context, gk schema.GroupKind, version string) (reconcile.Resource, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.unknown[gk.Kind] {
		return reconcile.Resource{}, &reconcile.UnknownKindError{Kind: gk}
	}
	if version == "" {
		version = "v1"
	}
	return reconcile.Resource{GVK: gk.WithVersion(version), Namespaced: !slices.Contains(clusterScoped, gk.Kind)}, nil
}

func (c *cluster) Require(_ context.Context, _ app.ID, resources []reconcile.Resource) map[schema.GroupKind]error {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := map[schema.GroupKind]error{}
	for _, r := range resources {
		if err := c.blind[r.GVK.Kind]; err != nil {
			out[r.GVK.GroupKind()] = err
		}
	}
	return out
}

func (c *cluster) Owned(user app.ID) []object.Key {
	c.mu.Lock()
	defer c.mu.Unlock()
	var keys []object.Key
	for key, obj := range c.objects {
		if owner, ok := settings.Owner(key, obj.GetLabels(), obj.GetAnnotations()); ok && owner == user {
			keys = append(keys, key)
		}
	}
	return keys
}

func (c *cluster) Meta(key object.Key) (reconcile.Meta, bool) {
	live, ok := c.Live(key)
	if !ok {
		return reconcile.Meta{}, false
	}
	return reconcile.Meta{UID: string(live.GetUID()), ResourceVersion: live.GetResourceVersion(), Going: live.GetDeletionTimestamp() != nil}, true
}

func (c *cluster) Live(key object.Key) (*unstructured.Unstructured, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	live, ok := c.objects[key]
	return live.DeepCopy(), ok
}

// edit changes an object as somebody else.
func (c *cluster) edit(key object.Key, change func(*unstructured.Unstructured)) {
	c.t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	old := c.objects[key]
	if old == nil {
		c.t.Fatalf("%s is not there", key)
	}
	next := old.DeepCopy()
	change(next)
	manager, err := fields(next.GroupVersionKind())
	if err != nil {
		c.t.Fatal(err)
	}
	updated, err := manager.Update(old.DeepCopy(), next, "hand")
	if err != nil {
		c.t.Fatal(err)
	}
	c.stamp(updated.(*unstructured.Unstructured))
}

// names lists what is stored as "Kind name", sorted.
func (c *cluster) names() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var list []string
	for key := range c.objects {
		list = append(list, key.Kind+" "+key.Name)
	}
	slices.Sort(list)
	return list
}

// wrote returns the writes since the last call.
func (c *cluster) wrote() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	list := c.writes
	c.writes = nil
	return list
}
