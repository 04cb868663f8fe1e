package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/plumbline-dev/plumbline/internal/core/kinds"
	core "github.com/plumbline-dev/plumbline/internal/core/schema"
	"github.com/plumbline-dev/plumbline/internal/driver/kube"
	"github.com/plumbline-dev/plumbline/internal/front/cli"
)

// manager is the field manager of requests in users' objects.
const manager = "plumb"

// cluster joins the driver to what the commands ask for.
type cluster struct {
	*kube.Cluster
	watcher dynamic.Interface
	schemas map[schema.GroupVersion]*core.Set
}

var _ cli.Cluster = (*cluster)(nil)

// connect reaches the cluster that a kubeconfig names.
func connect(ctx context.Context, to cli.ClusterFlags) (cli.Cluster, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = to.Kubeconfig
	config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, &clientcmd.ConfigOverrides{CurrentContext: to.Context}).ClientConfig()
	if clientcmd.IsEmptyConfig(err) {
		return nil, errors.New("kubeconfig: there is none: give one with --kubeconfig or KUBECONFIG")
	}
	if err != nil {
		return nil, fmt.Errorf("kubeconfig: %w", err)
	}
	client, err := kube.Connect(ctx, config, kube.Options{UserAgent: "plumb/" + version, Timeout: 30 * time.Second})
	if err != nil {
		return nil, err
	}
	config.UserAgent = "plumb/" + version
	watcher, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("cluster %s: %w", config.Host, err)
	}
	return &cluster{Cluster: client, watcher: watcher, schemas: map[schema.GroupVersion]*core.Set{}}, nil
}

// translate gives errors the form that commands tell apart.
func translate(err error) error {
	var unknown *kinds.UnknownKindError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &unknown):
		return fmt.Errorf("%w: %w", cli.ErrNoKind, err)
	case apierrors.IsNotFound(err):
		return fmt.Errorf("%w: %w", cli.ErrNotFound, err)
	case apierrors.IsConflict(err):
		return fmt.Errorf("%w: %w", cli.ErrConflict, err)
	}
	return err
}

func (c *cluster) resource(ctx context.Context, kind schema.GroupVersionKind) (kinds.Resource, error) {
	res, err := c.Mapping(ctx, kind.GroupKind(), kind.Version)
	return res, translate(err)
}

// List implements cli.Objects.
func (c *cluster) List(ctx context.Context, kind schema.GroupVersionKind, namespace string) ([]*unstructured.Unstructured, error) {
	res, err := c.resource(ctx, kind)
	if err != nil {
		return nil, err
	}
	objects, err := c.Cluster.List(ctx, res, kube.ListOptions{Namespace: namespace})
	return objects, translate(err)
}

// Get implements cli.Objects.
func (c *cluster) Get(ctx context.Context, kind schema.GroupVersionKind, namespace, name string) (*unstructured.Unstructured, error) {
	res, err := c.resource(ctx, kind)
	if err != nil {
		return nil, err
	}
	obj, err := c.Cluster.Get(ctx, kube.Ref{Resource: res, Namespace: namespace, Name: name})
	return obj, translate(err)
}

// Patch implements cli.Objects.
func (c *cluster) Patch(ctx context.Context, obj *unstructured.Unstructured, mergePatch []byte) (*unstructured.Unstructured, error) {
	res, err := c.resource(ctx, obj.GroupVersionKind())
	if err != nil {
		return nil, err
	}
	ref := kube.Ref{Resource: res, Namespace: obj.GetNamespace(), Name: obj.GetName()}
	next, err := c.Cluster.Patch(ctx, ref, types.MergePatchType, mergePatch, kube.WriteOptions{Manager: manager, FieldValidation: "Strict"})
	return next, translate(err)
}

// PatchStatus implements cli.Objects.
func (c *cluster) PatchStatus(ctx context.Context, obj *unstructured.Unstructured, mergePatch []byte) error {
	res, err := c.resource(ctx, obj.GroupVersionKind())
	if err != nil {
		return err
	}
	ref := kube.Ref{Resource: res, Namespace: obj.GetNamespace(), Name: obj.GetName()}
	_, err = c.Cluster.Patch(ctx, ref, types.MergePatchType, mergePatch, kube.WriteOptions{Manager: manager, Subresource: "status"})
	if apierrors.IsNotFound(err) { // its kind keeps no status apart
		_, err = c.Cluster.Patch(ctx, ref, types.MergePatchType, mergePatch, kube.WriteOptions{Manager: manager})
	}
	return translate(err)
}

// Create implements cli.Objects.
func (c *cluster) Create(ctx context.Context, obj *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	made, err := c.Cluster.Create(ctx, obj, kube.WriteOptions{Manager: manager, FieldValidation: "Strict"})
	return made, translate(err)
}

// Namespaced implements cli.Live.
func (c *cluster) Namespaced(ctx context.Context, kind schema.GroupVersionKind) (bool, error) {
	res, err := c.resource(ctx, kind)
	return res.Namespaced, err
}

// Schemas implements cli.Live.
func (c *cluster) Schemas(ctx context.Context, gv schema.GroupVersion) (*core.Set, error) {
	if set := c.schemas[gv]; set != nil {
		return set, nil
	}
	doc, _, err := c.Cluster.Schemas(ctx, gv)
	if err != nil {
		return nil, err
	}
	set, err := (&core.Set{}).With(gv, doc)
	if err == nil {
		c.schemas[gv] = set
	}
	return set, err
}

// DryRun implements cli.Live.
func (c *cluster) DryRun(ctx context.Context, obj *unstructured.Unstructured, manager string) (*unstructured.Unstructured, error) {
	return c.Apply(ctx, obj, kube.WriteOptions{Manager: manager, Force: true, DryRun: true})
}

// rewatch is the pause before a watch that ended is begun again.
const rewatch = time.Second

// Watch implements cli.Objects: it lists, watches from there, and begins again
// when the server ends the watch.
func (c *cluster) Watch(ctx context.Context, kind schema.GroupVersionKind, where cli.Where, visit func(cli.Event) bool) error {
	res, err := c.resource(ctx, kind)
	if err != nil {
		return err
	}
	client := c.watcher.Resource(res.GVR).Namespace(where.Namespace)
	opts := metav1.ListOptions{}
	if where.Name != "" {
		opts.FieldSelector = fields.OneTermEqualSelector("metadata.name", where.Name).String()
	}
	seen := map[types.NamespacedName]*unstructured.Unstructured{}
	for {
		opts.ResourceVersion = ""
		objects, err := client.List(ctx, opts)
		if err != nil {
			return fmt.Errorf("watch %s: %w", kind.Kind, err)
		}
		if !visitAll(objects, seen, visit) {
			return nil
		}
		opts.ResourceVersion = objects.GetResourceVersion()
		w, err := client.Watch(ctx, opts)
		if err != nil {
			return fmt.Errorf("watch %s: %w", kind.Kind, err)
		}
		done := drain(w, seen, visit)
		w.Stop()
		if done {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(rewatch):
		}
	}
}

// visitAll reports the objects of a list, and those that are no longer in it;
// false when the visitor has seen enough.
func visitAll(list *unstructured.UnstructuredList, seen map[types.NamespacedName]*unstructured.Unstructured, visit func(cli.Event) bool) bool {
	before := maps.Clone(seen)
	for i := range list.Items {
		obj := &list.Items[i]
		name := nameOf(obj)
		delete(before, name)
		seen[name] = obj
		if !visit(cli.Event{Object: obj}) {
			return false
		}
	}
	gone := slices.SortedFunc(maps.Keys(before), func(a, b types.NamespacedName) int { return slices.Compare([]byte(a.String()), []byte(b.String())) })
	for _, name := range gone {
		delete(seen, name)
		if !visit(cli.Event{Object: before[name], Gone: true}) {
			return false
		}
	}
	return true
}

// drain reports events until the watch ends; true when the visitor has seen enough.
func drain(w watch.Interface, seen map[types.NamespacedName]*unstructured.Unstructured, visit func(cli.Event) bool) bool {
	for e := range w.ResultChan() {
		obj, ok := e.Object.(*unstructured.Unstructured)
		if !ok || (e.Type != watch.Added && e.Type != watch.Modified && e.Type != watch.Deleted) {
			continue
		}
		gone := e.Type == watch.Deleted
		if seen[nameOf(obj)] = obj; gone {
			delete(seen, nameOf(obj))
		}
		if !visit(cli.Event{Object: obj, Gone: gone}) {
			return true
		}
	}
	return false
}

func nameOf(obj *unstructured.Unstructured) types.NamespacedName {
	return types.NamespacedName{Namespace: obj.GetNamespace(), Name: obj.GetName()}
}
