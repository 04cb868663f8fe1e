// Package scheduler runs kube-scheduler's scheduling loop inside the process.
// Clients go in; pods bound to nodes come out. It has no leader election and no
// listener, because a sandbox has exactly one.
package scheduler

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/dynamic/dynamicinformer"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/events"
	kubescheduler "k8s.io/kubernetes/pkg/scheduler"
	"k8s.io/kubernetes/pkg/scheduler/profile"
)

// Start schedules with the default profile until ctx ends. It returns once the
// scheduler knows every node and pod; done is closed when it has stopped.
func Start(ctx context.Context, cfg *rest.Config) (done <-chan struct{}, err error) {
	client, err := kubernetes.NewForConfig(cfg)
	if err != nil {
		return nil, fmt.Errorf("scheduler: client: %w", err)
	}
	dyn, err := dynamic.NewForConfig(cfg)
	if err != nil {
		return nil, fmt.Errorf("scheduler: client: %w", err)
	}
	name, err := cache.NewInformerName("kube-scheduler")
	if err != nil {
		return nil, fmt.Errorf("scheduler: %w", err)
	}
	broadcaster := events.NewBroadcaster(&events.EventSinkImpl{Interface: client.EventsV1()})
	informers := kubescheduler.NewInformerFactory(client, 0, name)
	dynInformers := dynamicinformer.NewFilteredDynamicSharedInformerFactory(dyn, 0, corev1.NamespaceAll, nil)
	recorders := profile.RecorderFactory(func(name string) events.EventRecorderLogger {
		return broadcaster.NewRecorder(scheme.Scheme, name)
	})
	sched, err := kubescheduler.New(ctx, client, informers, dynInformers, recorders, kubescheduler.WithKubeConfig(cfg))
	if err != nil {
		return nil, fmt.Errorf("scheduler: %w", err)
	}
	broadcaster.StartRecordingToSink(ctx.Done())
	informers.Start(ctx.Done())
	dynInformers.Start(ctx.Done())
	informers.WaitForCacheSync(ctx.Done())
	dynInformers.WaitForCacheSync(ctx.Done())
	if err := sched.WaitForHandlersSync(ctx); err != nil {
		broadcaster.Shutdown()
		return nil, fmt.Errorf("scheduler: caches: %w", err)
	}
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		defer broadcaster.Shutdown()
		sched.Run(ctx)
	}()
	return stopped, nil
}
