package controllers

import (
	"context"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"
)

const orphanPeriod = 10 * time.Second

// orphans deletes the pods nobody else will ever finish: those bound to a node
// that is gone, and those deleted before they were bound. It stands in for the
// pod garbage collector of kube-controller-manager, whose package would link a
// hundred packages of the kubelet.
type orphans struct {
	client kubernetes.Interface
	pods   corelisters.PodLister
	nodes  corelisters.NodeLister
	synced []cache.InformerSynced
	missed map[string]bool // nodes found missing in the last round
}

func orphanedPods(_ context.Context, e *env) (loop, error) {
	client, err := e.client("pod-garbage-collector")
	if err != nil {
		return nil, err
	}
	pods, nodes := e.informers.Core().V1().Pods(), e.informers.Core().V1().Nodes()
	o := &orphans{
		client: client,
		pods:   pods.Lister(),
		nodes:  nodes.Lister(),
		synced: []cache.InformerSynced{pods.Informer().HasSynced, nodes.Informer().HasSynced},
	}
	return o.run, nil
}

func (o *orphans) run(ctx context.Context) {
	if !cache.WaitForCacheSync(ctx.Done(), o.synced...) {
		return
	}
	wait.UntilWithContext(ctx, o.sweep, orphanPeriod)
}

func (o *orphans) sweep(ctx context.Context) {
	all, err := o.pods.List(labels.Everything())
	if err != nil {
		return // a cache does not fail
	}
	missing := map[string]bool{}
	for _, p := range all {
		if o.orphaned(p, missing) {
			o.delete(ctx, p)
		}
	}
	o.missed = missing
}

// orphaned says whether p has to go. A node counts as gone only in the second
// round, so that a node created just now is never missed.
func (o *orphans) orphaned(p *corev1.Pod, missing map[string]bool) bool {
	node := p.Spec.NodeName
	if node == "" {
		return p.DeletionTimestamp != nil
	}
	if _, err := o.nodes.Get(node); !apierrors.IsNotFound(err) {
		return false
	}
	missing[node] = true
	return o.missed[node]
}

func (o *orphans) delete(ctx context.Context, p *corev1.Pod) {
	now := int64(0)
	err := o.client.CoreV1().Pods(p.Namespace).Delete(ctx, p.Name, metav1.DeleteOptions{
		GracePeriodSeconds: &now,
		Preconditions:      &metav1.Preconditions{UID: &p.UID},
	})
	if err != nil && !apierrors.IsNotFound(err) && ctx.Err() == nil {
		klog.FromContext(ctx).Error(err, "orphaned pod stayed", "pod", klog.KObj(p))
	}
}
