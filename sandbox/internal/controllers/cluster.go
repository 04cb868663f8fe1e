package controllers

import (
	"context"
	"time"

	"k8s.io/apiserver/pkg/quota/v1/generic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/keyutil"
	"k8s.io/klog/v2"
	kubecontroller "k8s.io/kubernetes/pkg/controller"
	"k8s.io/kubernetes/pkg/controller/certificates/rootcacertpublisher"
	"k8s.io/kubernetes/pkg/controller/clusterroleaggregation"
	nodelifecycle "k8s.io/kubernetes/pkg/controller/nodelifecycle"
	resourcequotacontroller "k8s.io/kubernetes/pkg/controller/resourcequota"
	serviceaccountcontroller "k8s.io/kubernetes/pkg/controller/serviceaccount"
	"k8s.io/kubernetes/pkg/controller/tainteviction"
	quotainstall "k8s.io/kubernetes/pkg/quota/v1/install"
	"k8s.io/kubernetes/pkg/serviceaccount"
)

func serviceAccounts(ctx context.Context, e *env) (loop, error) {
	client, err := e.client("service-account-controller")
	if err != nil {
		return nil, err
	}
	core := e.informers.Core().V1()
	c, err := serviceaccountcontroller.NewServiceAccountsController(klog.FromContext(ctx), core.ServiceAccounts(), core.Namespaces(), client,
		serviceaccountcontroller.DefaultServiceAccountsControllerOptions())
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) { c.Run(ctx, workers) }, nil
}

// serviceAccountTokens fills Secrets of type
// kubernetes.io/service-account-token. It acts as the controller manager
// itself, because it has no service account.
func serviceAccountTokens(ctx context.Context, e *env) (loop, error) {
	key, err := keyutil.PrivateKeyFromFile(e.SigningKey)
	if err != nil {
		return nil, err
	}
	tokens, err := serviceaccount.JWTTokenGenerator(serviceaccount.LegacyIssuer, key)
	if err != nil {
		return nil, err
	}
	cfg := rest.CopyConfig(e.Client)
	cfg.UserAgent = manager + "/tokens-controller"
	client, err := kubernetes.NewForConfig(cfg)
	if err != nil {
		return nil, err
	}
	core := e.informers.Core().V1()
	c, err := serviceaccountcontroller.NewTokensController(klog.FromContext(ctx), core.ServiceAccounts(), core.Secrets(), client,
		serviceaccountcontroller.TokensControllerOptions{TokenGenerator: tokens, RootCA: e.RootCA})
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) { c.Run(ctx, workers) }, nil
}

func rootCA(_ context.Context, e *env) (loop, error) {
	client, err := e.client("root-ca-cert-publisher")
	if err != nil {
		return nil, err
	}
	core := e.informers.Core().V1()
	c, err := rootcacertpublisher.NewPublisher(core.ConfigMaps(), core.Namespaces(), client, e.RootCA)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) { c.Run(ctx, 1) }, nil
}

// nodeLifecycle takes the not-ready taint from nodes that report Ready and
// gives it back when their leases run out. The timing is
// kube-controller-manager's default.
func nodeLifecycle(ctx context.Context, e *env) (loop, error) {
	const (
		monitorPeriod, startupGrace, monitorGrace = 5 * time.Second, time.Minute, 50 * time.Second
		evictionRate, secondaryEvictionRate       = 0.1, 0.01
		largeCluster, unhealthyZone               = 50, 0.55
	)
	client, err := e.client("node-controller")
	if err != nil {
		return nil, err
	}
	core := e.informers.Core().V1()
	c, err := nodelifecycle.NewNodeLifecycleController(ctx,
		e.informers.Coordination().V1().Leases(), core.Pods(), core.Nodes(), e.informers.Apps().V1().DaemonSets(), client,
		monitorPeriod, startupGrace, monitorGrace, evictionRate, secondaryEvictionRate, largeCluster, unhealthyZone)
	if err != nil {
		return nil, err
	}
	return c.Run, nil
}

func taintEviction(ctx context.Context, e *env) (loop, error) {
	client, err := e.client("node-controller")
	if err != nil {
		return nil, err
	}
	core := e.informers.Core().V1()
	c, err := tainteviction.New(ctx, client, core.Pods(), core.Nodes(), "taint-eviction-controller")
	if err != nil {
		return nil, err
	}
	return c.Run, nil
}

func clusterRoles(_ context.Context, e *env) (loop, error) {
	client, err := e.client("clusterrole-aggregation-controller")
	if err != nil {
		return nil, err
	}
	c := clusterroleaggregation.NewClusterRoleAggregation(e.informers.Rbac().V1().ClusterRoles(), client.RbacV1())
	return func(ctx context.Context) { c.Run(ctx, workers) }, nil
}

func quotas(ctx context.Context, e *env) (loop, error) {
	client, err := e.client("resourcequota-controller")
	if err != nil {
		return nil, err
	}
	resources := client.Discovery().ServerPreferredNamespacedResources
	quota, err := quotainstall.NewQuotaConfigurationForControllers(generic.ListerFuncForResourceFunc(e.informers.ForResource), e.informers)
	if err != nil {
		return nil, err
	}
	c, err := resourcequotacontroller.NewController(ctx, &resourcequotacontroller.ControllerOptions{
		QuotaClient:               client.CoreV1(),
		ResourceQuotaInformer:     e.informers.Core().V1().ResourceQuotas(),
		ResyncPeriod:              kubecontroller.StaticResyncPeriodFunc(5 * time.Minute),
		InformerFactory:           e.mixed,
		ReplenishmentResyncPeriod: kubecontroller.StaticResyncPeriodFunc(12 * time.Hour),
		DiscoveryFunc:             resources,
		IgnoredResourcesFunc:      quota.IgnoredResources,
		InformersStarted:          e.started,
		Registry:                  generic.NewRegistry(quota.Evaluators()),
		UpdateFilter:              quotainstall.DefaultUpdateFilter(),
	})
	if err != nil {
		return nil, err
	}
	return parallel(
		func(ctx context.Context) { c.Run(ctx, workers) },
		func(ctx context.Context) { c.Sync(ctx, resources, 15*discoveryPeriod) },
	), nil
}
