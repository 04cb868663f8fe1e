//go:build unix

package main

import (
	"context"
	"fmt"
	"os"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/restmapper"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/yaml"
)

// manager is the field manager of what the demo itself creates.
const manager = "demo"

var (
	applications = schema.GroupVersionResource{Group: "argoproj.io", Version: "v1alpha1", Resource: "applications"}
	namespaces   = schema.GroupVersionResource{Version: "v1", Resource: "namespaces"}
)

// cluster is a connection that watches.
type cluster struct {
	client dynamic.Interface
	mapper meta.ResettableRESTMapper
	events chan<- event
}

// event is one change of one object. Either side is nil when the object was not
// there before, or is gone.
type event struct {
	old, new *unstructured.Unstructured
}

// either returns the newest state that is known.
func (e event) either() *unstructured.Unstructured {
	if e.new != nil {
		return e.new
	}
	return e.old
}

func connect(kubeconfig string, events chan<- event) (*cluster, error) {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("kubeconfig %s: %w", kubeconfig, err)
	}
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	known, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return nil, err
	}
	mapper := restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(known))
	return &cluster{client: client, mapper: mapper, events: events}, nil
}

// deliver makes sure that the Application of a manifest exists and names the
// repository at url. An Application that exists keeps everything else.
func (c *cluster) deliver(ctx context.Context, manifest, url string) (*unstructured.Unstructured, error) {
	text, err := os.ReadFile(manifest)
	if err != nil {
		return nil, err
	}
	application, err := parse(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", manifest, err)
	}
	if err := unstructured.SetNestedField(application.Object, url, "spec", "source", "repoURL"); err != nil {
		return nil, fmt.Errorf("%s: %w", manifest, err)
	}
	there := c.client.Resource(applications).Namespace(application.GetNamespace())
	live, err := there.Get(ctx, application.GetName(), metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return there.Create(ctx, application, metav1.CreateOptions{FieldManager: manager})
	}
	if err != nil {
		return nil, err
	}
	if at, _, _ := unstructured.NestedString(live.Object, "spec", "source", "repoURL"); at == url {
		return live, nil
	}
	if err := unstructured.SetNestedField(live.Object, url, "spec", "source", "repoURL"); err != nil {
		return nil, err
	}
	return there.Update(ctx, live, metav1.UpdateOptions{FieldManager: manager})
}

func parse(text []byte) (*unstructured.Unstructured, error) {
	object, err := yaml.YAMLToJSON(text)
	if err != nil {
		return nil, err
	}
	var obj unstructured.Unstructured
	return &obj, obj.UnmarshalJSON(object)
}

// resource finds where a kind is served.
func (c *cluster) resource(kind schema.GroupKind) (*meta.RESTMapping, error) {
	mapping, err := c.mapper.RESTMapping(kind)
	if meta.IsNoMatchError(err) {
		c.mapper.Reset()
		mapping, err = c.mapper.RESTMapping(kind)
	}
	return mapping, err
}

// watch sends what happens to the objects of a resource until ctx ends. An
// empty namespace means all.
func (c *cluster) watch(ctx context.Context, resource schema.GroupVersionResource, namespace string) error {
	var there dynamic.ResourceInterface = c.client.Resource(resource)
	if namespace != "" {
		there = c.client.Resource(resource).Namespace(namespace)
	}
	informer := cache.NewSharedInformer(&cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) { return there.List(ctx, o) },
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			return there.Watch(ctx, o)
		},
	}, &unstructured.Unstructured{}, 0)
	send := func(e event) {
		select {
		case c.events <- e:
		case <-ctx.Done():
		}
	}
	_, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(obj any) { send(event{new: obj.(*unstructured.Unstructured)}) },
		UpdateFunc: func(old, obj any) { send(event{old.(*unstructured.Unstructured), obj.(*unstructured.Unstructured)}) },
		DeleteFunc: func(obj any) {
			if gone, ok := obj.(cache.DeletedFinalStateUnknown); ok {
				obj = gone.Obj
			}
			if u, ok := obj.(*unstructured.Unstructured); ok {
				send(event{old: u})
			}
		},
	})
	if err != nil {
		return err
	}
	go informer.RunWithContext(ctx)
	return nil
}

// since reports whether an object was made after a moment. Objects know the
// second they were made in.
func since(obj *unstructured.Unstructured, moment time.Time) bool {
	return !obj.GetCreationTimestamp().Time.Before(moment.Truncate(time.Second))
}
