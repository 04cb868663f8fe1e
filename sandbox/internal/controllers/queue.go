package controllers

import (
	"context"
	"sync"

	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/klog/v2"
)

// each calls handle for every object of i when it appears or changes, and again
// with growing delays while handle fails. Objects are read-only.
func each(i cache.SharedIndexInformer, handle func(ctx context.Context, obj any) error) (loop, error) {
	queue := workqueue.NewTypedRateLimitingQueue(workqueue.DefaultTypedControllerRateLimiter[string]())
	add := func(obj any) {
		if key, err := cache.MetaNamespaceKeyFunc(obj); err == nil {
			queue.Add(key)
		}
	}
	_, err := i.AddEventHandler(cache.ResourceEventHandlerFuncs{AddFunc: add, UpdateFunc: func(_, obj any) { add(obj) }})
	if err != nil {
		return nil, err
	}
	next := func(ctx context.Context) bool {
		key, stopped := queue.Get()
		if stopped {
			return false
		}
		defer queue.Done(key)
		obj, found, err := i.GetIndexer().GetByKey(key)
		if err == nil && found {
			err = handle(ctx, obj)
		}
		if err == nil || ctx.Err() != nil {
			queue.Forget(key)
			return true
		}
		klog.FromContext(ctx).Error(err, "object will be tried again", "key", key)
		queue.AddRateLimited(key)
		return true
	}
	return func(ctx context.Context) {
		var wg sync.WaitGroup
		wg.Go(func() {
			for next(ctx) {
			}
		})
		<-ctx.Done()
		queue.ShutDown()
		wg.Wait()
	}, nil
}
