// Package nodes gives a sandbox its nodes. A client goes in; Node objects come
// out that are Ready, renew their leases and play the life of every pod bound
// to them. Nothing is ever executed: no image is pulled and no process starts.
package nodes

import (
	"context"
	"fmt"
	"log/slog"
	"os"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/retry"
	"k8s.io/utils/clock"
	kwok "sigs.k8s.io/kwok/pkg/kwok/controllers"
	"sigs.k8s.io/kwok/pkg/log"
)

const (
	leaseSeconds = 40 // as the kubelet
	parallel     = 8  // pods changed at once
	podCIDR      = "10.244.0.0/16"

	// holder names the holder of every node lease. It is the same in every run,
	// so a restarted sandbox does not wait for its own leases to expire.
	holder = "plumbline-sandbox"
)

// Options describe the nodes.
type Options struct {
	Count   int      // nodes that shall exist; more are left alone
	Version string   // what the nodes report as their kubelet's version
	Log     *os.File // where the node simulator writes
}

// Start makes the missing nodes and plays their part until ctx ends. It returns
// before the nodes are Ready.
func Start(ctx context.Context, cfg *rest.Config, o Options) error {
	client, err := kubernetes.NewForConfig(cfg)
	if err != nil {
		return fmt.Errorf("nodes: client: %w", err)
	}
	dyn, err := dynamic.NewForConfig(cfg)
	if err != nil {
		return fmt.Errorf("nodes: client: %w", err)
	}
	life, err := stages()
	if err != nil {
		return fmt.Errorf("nodes: %w", err)
	}
	sim, err := kwok.NewController(kwok.Config{
		Clock:                     clock.RealClock{},
		TypedClient:               client,
		DynamicClient:             dyn,
		ManageAllNodes:            true,
		CIDR:                      podCIDR,
		NodeIP:                    "10.0.0.1",
		LocalStages:               life,
		PodPlayStageParallelism:   parallel,
		NodePlayStageParallelism:  parallel,
		NodeLeaseDurationSeconds:  leaseSeconds,
		NodeLeaseParallelism:      parallel,
		PodsOnNodeSyncParallelism: parallel,
		ID:                        holder,
	})
	if err != nil {
		return fmt.Errorf("nodes: %w", err)
	}
	if err := sim.Start(log.NewContext(ctx, log.NewLogger(o.Log, slog.LevelWarn))); err != nil {
		return fmt.Errorf("nodes: %w", err)
	}
	for i := 1; i <= o.Count; i++ {
		if err := create(ctx, client, node(i, o.Version)); err != nil {
			return err
		}
	}
	return nil
}

// create adds n, and brings an older node of the same name to n's version.
func create(ctx context.Context, client kubernetes.Interface, n *corev1.Node) error {
	api := client.CoreV1().Nodes()
	_, err := api.Create(ctx, n, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		err = retry.RetryOnConflict(retry.DefaultRetry, func() error {
			old, err := api.Get(ctx, n.Name, metav1.GetOptions{})
			if err != nil || old.Status.NodeInfo.KubeletVersion == n.Status.NodeInfo.KubeletVersion {
				return err
			}
			old.Status.NodeInfo = n.Status.NodeInfo
			_, err = api.UpdateStatus(ctx, old, metav1.UpdateOptions{})
			return err
		})
	}
	if err != nil {
		return fmt.Errorf("node %s: %w", n.Name, err)
	}
	return nil
}

func node(i int, version string) *corev1.Node {
	name := fmt.Sprintf("node-%d", i)
	room := corev1.ResourceList{
		corev1.ResourceCPU:              resource.MustParse("256"),
		corev1.ResourceMemory:           resource.MustParse("1Ti"),
		corev1.ResourceEphemeralStorage: resource.MustParse("10Ti"),
		corev1.ResourcePods:             resource.MustParse("20k"),
	}
	return &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{
			Name: name,
			Labels: map[string]string{
				corev1.LabelHostname:           name,
				corev1.LabelOSStable:           "linux",
				corev1.LabelArchStable:         "amd64",
				corev1.LabelInstanceTypeStable: "sandbox",
				corev1.LabelTopologyRegion:     "sandbox",
				corev1.LabelTopologyZone:       "sandbox-" + string(rune('a'+(i-1)%3)),
			},
			Annotations: map[string]string{"kwok.x-k8s.io/node": "fake"},
		},
		Status: corev1.NodeStatus{
			Capacity:    room,
			Allocatable: room,
			Addresses: []corev1.NodeAddress{
				{Type: corev1.NodeInternalIP, Address: fmt.Sprintf("10.0.%d.%d", i/250, i%250+1)},
				{Type: corev1.NodeHostName, Address: name},
			},
			NodeInfo: corev1.NodeSystemInfo{
				KubeletVersion:          version,
				KubeProxyVersion:        version,
				ContainerRuntimeVersion: "simulated://kwok",
				KernelVersion:           "simulated",
				OSImage:                 "simulated",
				OperatingSystem:         "linux",
				Architecture:            "amd64",
			},
		},
	}
}

// Usable says whether n is Ready and free of the taints that a cluster itself
// puts on unready nodes. A node that someone cordoned is usable.
func Usable(n *corev1.Node) bool {
	for _, t := range n.Spec.Taints {
		if t.Key == corev1.TaintNodeNotReady || t.Key == corev1.TaintNodeUnreachable {
			return false
		}
	}
	for _, c := range n.Status.Conditions {
		if c.Type == corev1.NodeReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}
