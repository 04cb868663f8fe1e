package controllers

import (
	"context"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/metadata"
	"k8s.io/kubernetes/pkg/controller/garbagecollector"
	namespacecontroller "k8s.io/kubernetes/pkg/controller/namespace"
)

func namespaces(ctx context.Context, e *env) (loop, error) {
	const account = "namespace-controller"
	client, err := e.client(account)
	if err != nil {
		return nil, err
	}
	meta, err := metadata.NewForConfig(e.config(account))
	if err != nil {
		return nil, err
	}
	c := namespacecontroller.NewNamespaceController(ctx, client, meta,
		client.Discovery().ServerPreferredNamespacedResources,
		e.informers.Core().V1().Namespaces(), 5*time.Minute, corev1.FinalizerKubernetes)
	return func(ctx context.Context) { c.Run(ctx, 2*workers) }, nil
}

func garbage(ctx context.Context, e *env) (loop, error) {
	const account = "generic-garbage-collector"
	client, err := e.client(account)
	if err != nil {
		return nil, err
	}
	meta, err := metadata.NewForConfig(e.config(account))
	if err != nil {
		return nil, err
	}
	ignored := map[schema.GroupResource]struct{}{}
	for r := range garbagecollector.DefaultIgnoredResources() {
		ignored[r] = struct{}{}
	}
	graph := garbagecollector.NewDependencyGraphBuilder(ctx, meta, e.mapper, ignored, e.mixed, e.started)
	gc, err := garbagecollector.NewComposedGarbageCollector(ctx, client, meta, e.mapper, graph)
	if err != nil {
		return nil, err
	}
	return parallel(
		func(ctx context.Context) { gc.Run(ctx, 2*workers, discoveryPeriod) },
		func(ctx context.Context) { gc.Sync(ctx, client.Discovery(), discoveryPeriod) },
	), nil
}
