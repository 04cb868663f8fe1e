package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/plumbline-dev/plumbline/internal/core/app"
	"github.com/plumbline-dev/plumbline/internal/core/diff"
	"github.com/plumbline-dev/plumbline/internal/core/gate"
	"github.com/plumbline-dev/plumbline/internal/core/kinds"
	"github.com/plumbline-dev/plumbline/internal/core/object"
	core "github.com/plumbline-dev/plumbline/internal/core/schema"
	"github.com/plumbline-dev/plumbline/internal/driver/kube"
	"github.com/plumbline-dev/plumbline/internal/driver/livestate"
	"github.com/plumbline-dev/plumbline/internal/engine/apply"
	"github.com/plumbline-dev/plumbline/internal/engine/fleet"
	"github.com/plumbline-dev/plumbline/internal/engine/reconcile"
)

// cluster joins the connection to an API server and the memory of its live
// objects into the port that the engine asks for.
type cluster struct {
	kube    *kube.Cluster
	live    memory
	narrow  bool // nothing that lives in no namespace may be seen
	schemas *fleet.Schemas

	mu      sync.Mutex
	views   map[string]*kube.Cluster             // by impersonated user
	waiting map[schema.GroupKind]map[app.ID]bool // who could not do with a kind as it is
}

var _ reconcile.Cluster = (*cluster)(nil)

// memory is of a whole cluster, or of some of its namespaces.
type memory interface {
	Require(ctx context.Context, user string, resources []livestate.Resource) error
	Release(user string)
	Users(gk schema.GroupKind) []string
	Claim(owner string, keys []object.Key)
	Claimed(key object.Key) []string
	Owned(owner string) []object.Key
	Keys(gk schema.GroupKind) []object.Key
	Meta(key object.Key) (livestate.Meta, bool)
	Get(key object.Key) (*unstructured.Unstructured, bool)
	GetMetadata(key object.Key) (*metav1.PartialObjectMetadata, bool)
	Mentions(key object.Key, texts ...string) bool
	Observe(gvk schema.GroupVersionKind, raw []byte, writer string)
	Pending() []schema.GroupKind
	Count() int
	Stats() livestate.Stats
	Close()
}

func newCluster(k *kube.Cluster, live memory) *cluster {
	c := &cluster{kube: k, live: live, views: map[string]*kube.Cluster{}, waiting: map[schema.GroupKind]map[app.ID]bool{}}
	c.schemas = fleet.NewSchemas(documents{k}, nil)
	return c
}

// documents reads structural types through a connection.
type documents struct{ kube *kube.Cluster }

func (d documents) Document(ctx context.Context, gv schema.GroupVersion) ([]byte, error) {
	doc, _, err := d.kube.Schemas(ctx, gv)
	return doc, err
}

func (c *cluster) Resource(ctx context.Context, gk schema.GroupKind, version string) (reconcile.Resource, error) {
	res, err := c.kube.Mapping(ctx, gk, version)
	if unknown := (*kinds.UnknownKindError)(nil); errors.As(err, &unknown) {
		if len(unknown.Served) > 0 && version != "" {
			res, err = c.kube.Mapping(ctx, gk, "")
			return reconcile.Resource(res), err
		}
		if err := c.undefined(ctx, gk); err != nil {
			return reconcile.Resource{}, err
		}
		return reconcile.Resource{}, &reconcile.UnknownKindError{Kind: gk}
	}
	return reconcile.Resource(res), err
}

func (c *cluster) Inside(ctx context.Context, live *unstructured.Unstructured) ([]gate.Neighbour, error) {
	return c.kube.Inside(ctx, live)
}

func (c *cluster) Version() string       { return c.kube.KubeVersion() }
func (c *cluster) APIVersions() []string { return c.kube.APIVersions() }

func (c *cluster) Schemas(ctx context.Context, gv schema.GroupVersion) (*core.Set, error) {
	return c.schemas.Get(ctx, gv)
}

// owner is how live state names an application.
func owner(id app.ID) string { return id.Kind + "/" + id.Namespace + "/" + id.Name }

func ownerID(text string) app.ID {
	parts := strings.SplitN(text, "/", 3)
	if len(parts) != 3 {
		return app.ID{}
	}
	return app.ID{Kind: parts[0], Namespace: parts[1], Name: parts[2]}
}

func (c *cluster) Require(ctx context.Context, user app.ID, resources []reconcile.Resource) map[schema.GroupKind]error {
	list := make([]livestate.Resource, len(resources))
	for i, r := range resources {
		list[i] = livestate.Resource{GVR: r.GVR, GVK: r.GVK, Namespaced: r.Namespaced}
	}
	err := c.live.Require(ctx, owner(user), list)
	if err == nil {
		return nil
	}
	failed := map[schema.GroupKind]error{}
	if each := (*livestate.RequireError)(nil); errors.As(err, &each) {
		for _, k := range each.Kinds {
			failed[k.GVK.GroupKind()] = k
		}
	} else {
		for _, r := range resources {
			failed[r.GVK.GroupKind()] = err
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for gk := range failed {
		if c.waiting[gk] == nil {
			c.waiting[gk] = map[app.ID]bool{}
		}
		c.waiting[gk][user] = true
	}
	return failed
}

func (c *cluster) Release(user app.ID)                  { c.live.Release(owner(user)) }
func (c *cluster) Claim(user app.ID, keys []object.Key) { c.live.Claim(owner(user), keys) }
func (c *cluster) Claimed(key object.Key) []app.ID {
	var ids []app.ID
	for _, name := range c.live.Claimed(key) {
		ids = append(ids, ownerID(name))
	}
	return ids
}

func (c *cluster) Owned(user app.ID) []object.Key { return c.live.Owned(owner(user)) }

func (c *cluster) Meta(key object.Key) (reconcile.Meta, bool) {
	m, ok := c.live.Meta(key)
	return reconcile.Meta{UID: string(m.UID), ResourceVersion: m.ResourceVersion, Going: !m.Deleted.IsZero()}, ok
}

func (c *cluster) Live(key object.Key) (*unstructured.Unstructured, bool) { return c.live.Get(key) }

// as returns the connection that acts as a user.
func (c *cluster) as(user string) (*kube.Cluster, error) {
	if user == "" {
		return c.kube, nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if view := c.views[user]; view != nil {
		return view, nil
	}
	view, err := c.kube.Impersonate(user, groups(user)...)
	if err == nil {
		c.views[user] = view
	}
	return view, err
}

// groups of a service account; other users come with none.
func groups(user string) []string {
	name, ok := strings.CutPrefix(user, "system:serviceaccount:")
	if !ok {
		return nil
	}
	namespace, _, _ := strings.Cut(name, ":")
	return []string{"system:serviceaccounts", "system:serviceaccounts:" + namespace, "system:authenticated"}
}

func writeOptions(o apply.Options) kube.WriteOptions {
	out := kube.WriteOptions{Manager: o.Manager, Force: true, DryRun: o.DryRun, FieldValidation: "Strict"}
	if o.Lenient {
		out.FieldValidation = "Ignore"
	}
	return out
}

func (c *cluster) Apply(ctx context.Context, obj *unstructured.Unstructured, opts apply.Options) (*unstructured.Unstructured, error) {
	as, err := c.as(opts.RunAs)
	if err != nil {
		return nil, err
	}
	if err := c.takeOver(ctx, as, obj, opts); err != nil {
		return nil, err
	}
	var out *unstructured.Unstructured
	var text []byte
	err = until(ctx, retryLimit, func() (bool, error) {
		var err error
		out, text, err = as.ApplyText(ctx, obj, writeOptions(opts))
		return err == nil || !settling(err), err
	})
	if err == nil && !opts.DryRun {
		c.live.Observe(out.GroupVersionKind(), text, owner(opts.User))
	}
	return out, err
}

// retryLimit bounds the patience with a definition that is not served everywhere yet.
const retryLimit = 5 * time.Second

// settling reports whether the server says that it is about to serve the kind:
// for a moment after a definition is established some of it does not know yet.
func settling(err error) bool {
	return apierrors.IsInternalError(err) && strings.Contains(err.Error(), "error resolving resource")
}

// takeOver makes the fields of opts.Takeover ours where the live object has any.
func (c *cluster) takeOver(ctx context.Context, as *kube.Cluster, obj *unstructured.Unstructured, opts apply.Options) error {
	if len(opts.Takeover) == 0 || opts.DryRun {
		return nil
	}
	if !c.live.Mentions(object.KeyOf(obj), diff.UpdatesBy(opts.Takeover)...) { // as almost always
		return nil
	}
	live, ok := c.live.GetMetadata(object.KeyOf(obj)) // cheaper than the whole object
	if !ok {
		return nil
	}
	from := diff.Updaters(live.ManagedFields, opts.Takeover)
	if len(from) == 0 {
		return nil
	}
	gvk := obj.GroupVersionKind()
	res, err := c.kube.Mapping(ctx, gvk.GroupKind(), gvk.Version)
	if err != nil {
		return err
	}
	_, err = as.TakeOver(ctx, kube.Ref{Resource: res, Namespace: obj.GetNamespace(), Name: obj.GetName()}, from, opts.Manager)
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

func (c *cluster) Replace(ctx context.Context, obj *unstructured.Unstructured, opts apply.Options) (*unstructured.Unstructured, error) {
	as, err := c.as(opts.RunAs)
	if err != nil {
		return nil, err
	}
	out, text, err := as.ReplaceText(ctx, obj, writeOptions(opts))
	if err == nil && !opts.DryRun {
		c.live.Observe(out.GroupVersionKind(), text, owner(opts.User))
	}
	return out, err
}

func (c *cluster) DropFinalizer(ctx context.Context, live *unstructured.Unstructured, finalizer string, opts apply.Options) (*unstructured.Unstructured, error) {
	as, err := c.as(opts.RunAs)
	if err != nil {
		return nil, err
	}
	ref, err := c.ref(ctx, object.KeyOf(live))
	if err != nil {
		return nil, err
	}
	left := slices.DeleteFunc(slices.Clone(live.GetFinalizers()), func(f string) bool { return f == finalizer })
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{
		"finalizers": left, "uid": live.GetUID(), "resourceVersion": live.GetResourceVersion(),
	}})
	if err != nil {
		return nil, err
	}
	out, err := as.Patch(ctx, ref, types.MergePatchType, patch, kube.WriteOptions{Manager: opts.Manager})
	if apierrors.IsNotFound(err) {
		return live, nil
	}
	if err == nil && out.GetDeletionTimestamp() == nil { // otherwise it may be gone with its last finalizer
		if text, err := out.MarshalJSON(); err == nil {
			c.live.Observe(out.GroupVersionKind(), text, owner(opts.User))
		}
	}
	return out, err
}

func (c *cluster) ref(ctx context.Context, key object.Key) (kube.Ref, error) {
	res, err := c.kube.Mapping(ctx, key.GroupKind(), "")
	return kube.Ref{Resource: res, Namespace: key.Namespace, Name: key.Name}, err
}

func (c *cluster) Delete(ctx context.Context, key object.Key, opts apply.DeleteOptions) error {
	as, err := c.as(opts.RunAs)
	if err != nil {
		return err
	}
	ref, err := c.ref(ctx, key)
	if err != nil {
		return err
	}
	return as.Delete(ctx, ref, kube.DeleteOptions{UID: types.UID(opts.UID), ResourceVersion: opts.Version, Propagation: propagation(opts.Propagation)})
}

func propagation(text string) metav1.DeletionPropagation {
	switch text {
	case "foreground":
		return metav1.DeletePropagationForeground
	case "orphan":
		return metav1.DeletePropagationOrphan
	}
	return metav1.DeletePropagationBackground
}

func (c *cluster) Read(ctx context.Context, key object.Key) (*unstructured.Unstructured, error) {
	ref, err := c.ref(ctx, key)
	if err != nil {
		return nil, err
	}
	live, err := c.kube.Get(ctx, ref)
	if apierrors.IsNotFound(err) {
		return nil, &apply.MissingError{Key: key}
	}
	return live, err
}

func (c *cluster) Gone(ctx context.Context, key object.Key, uid string) error {
	return until(ctx, 0, func() (bool, error) {
		live, err := c.Read(ctx, key)
		if missing := (*apply.MissingError)(nil); errors.As(err, &missing) {
			return true, nil
		}
		return err != nil || string(live.GetUID()) != uid, err
	})
}

// establishTimeout bounds the wait for a definition to be served.
const establishTimeout = 30 * time.Second

func (c *cluster) Established(ctx context.Context, name string) error {
	key := object.Key{Group: "apiextensions.k8s.io", Kind: "CustomResourceDefinition", Name: name}
	err := until(ctx, establishTimeout, func() (bool, error) {
		crd, err := c.Read(ctx, key)
		return err != nil || kinds.Established(crd), err
	})
	c.definitionChanged(name)
	if err != nil {
		return fmt.Errorf("waiting for the definition to be served: %w", err)
	}
	return nil
}

// definitionChanged forgets what is known of the kinds of "plural.group".
func (c *cluster) definitionChanged(name string) {
	_, group, _ := strings.Cut(name, ".")
	c.kube.Invalidate()
	c.schemas.Forget(group)
}

// until asks again and again, with growing pauses, until done says so, the limit
// (0: none) is reached or ctx ends, and returns what done said last.
func until(ctx context.Context, limit time.Duration, done func() (bool, error)) error {
	if limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, limit)
		defer cancel()
	}
	for pause := 20 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		ok, err := done()
		if ok {
			return err
		}
		select {
		case <-ctx.Done():
			return errors.Join(err, ctx.Err())
		case <-time.After(pause):
		}
	}
}
