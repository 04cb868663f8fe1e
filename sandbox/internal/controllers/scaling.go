package controllers

import (
	"context"
	"time"

	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/scale"
	disruptioncontroller "k8s.io/kubernetes/pkg/controller/disruption"
	"k8s.io/kubernetes/pkg/controller/podautoscaler"
	"k8s.io/kubernetes/pkg/controller/podautoscaler/metrics"
	resourceclient "k8s.io/metrics/pkg/client/clientset/versioned/typed/metrics/v1beta1"
	"k8s.io/metrics/pkg/client/custom_metrics"
	"k8s.io/metrics/pkg/client/external_metrics"
)

// The autoscaler's timing is kube-controller-manager's default.
const (
	autoscalePeriod    = 15 * time.Second
	downscaleWindow    = 5 * time.Minute
	cpuInitialization  = 5 * time.Minute
	readinessDelay     = 30 * time.Second
	autoscaleTolerance = 0.1
)

func disruption(ctx context.Context, e *env) (loop, error) {
	const account = "disruption-controller"
	client, err := e.client(account)
	if err != nil {
		return nil, err
	}
	scales, err := e.scales(e.config(account), client)
	if err != nil {
		return nil, err
	}
	core, apps := e.informers.Core().V1(), e.informers.Apps().V1()
	c := disruptioncontroller.NewDisruptionController(ctx,
		core.Pods(), e.informers.Policy().V1().PodDisruptionBudgets(), core.ReplicationControllers(),
		apps.ReplicaSets(), apps.Deployments(), apps.StatefulSets(),
		client, e.mapper, scales, client.Discovery())
	return func(ctx context.Context) { c.Run(ctx, workers) }, nil
}

// autoscalers needs a metrics API to scale anything. Without one it reports
// FailedGetResourceMetric on each autoscaler, as in any cluster.
func autoscalers(ctx context.Context, e *env) (loop, error) {
	const account = "horizontal-pod-autoscaler"
	cfg := e.config(account)
	client, err := e.client(account)
	if err != nil {
		return nil, err
	}
	scales, err := e.scales(cfg, client)
	if err != nil {
		return nil, err
	}
	resources, err := resourceclient.NewForConfig(cfg)
	if err != nil {
		return nil, err
	}
	external, err := external_metrics.NewForConfig(cfg)
	if err != nil {
		return nil, err
	}
	versions := custom_metrics.NewAvailableAPIsGetter(client.Discovery())
	custom := custom_metrics.NewForConfig(cfg, e.mapper, versions)
	c := podautoscaler.NewHorizontalController(ctx,
		client.CoreV1(), scales, client.AutoscalingV2(), e.mapper,
		metrics.NewRESTMetricsClient(resources, custom, external),
		e.informers.Autoscaling().V2().HorizontalPodAutoscalers(), e.informers.Core().V1().Pods(),
		autoscalePeriod, downscaleWindow, autoscaleTolerance, cpuInitialization, readinessDelay)
	return parallel(
		func(ctx context.Context) {
			custom_metrics.PeriodicallyInvalidate(versions, autoscalePeriod, ctx.Done())
		},
		func(ctx context.Context) { c.Run(ctx, workers) },
	), nil
}

func (e *env) scales(cfg *rest.Config, client kubernetes.Interface) (scale.ScalesGetter, error) {
	kinds := scale.NewDiscoveryScaleKindResolver(client.Discovery())
	return scale.NewForConfig(cfg, e.mapper, dynamic.LegacyAPIPathResolverFunc, kinds)
}
