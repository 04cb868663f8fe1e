package controllers

import "context"

// controller is one entry of the catalogue. Names are those of
// kube-controller-manager's --controllers flag; the last two stand in for a
// cloud provider and have no name there.
type controller struct {
	name  string
	build func(context.Context, *env) (loop, error)
}

// deletion lists what a cluster needs for deletes to finish.
var deletion = []controller{
	{"namespace-controller", namespaces},
	{"garbage-collector-controller", garbage},
}

var everythingElse = []controller{
	{"serviceaccount-controller", serviceAccounts},
	{"serviceaccount-token-controller", serviceAccountTokens},
	{"root-ca-certificate-publisher-controller", rootCA},
	{"node-lifecycle-controller", nodeLifecycle},
	{"taint-eviction-controller", taintEviction},
	{"pod-garbage-collector-controller", orphanedPods},
	{"clusterrole-aggregation-controller", clusterRoles},
	{"resourcequota-controller", quotas},
	{"deployment-controller", deployments},
	{"replicaset-controller", replicaSets},
	{"replicationcontroller-controller", replicationControllers},
	{"statefulset-controller", statefulSets},
	{"daemonset-controller", daemonSets},
	{"job-controller", jobs},
	{"cronjob-controller", cronJobs},
	{"ttl-after-finished-controller", finishedJobs},
	{"disruption-controller", disruption},
	{"horizontal-pod-autoscaler-controller", autoscalers},
	{"endpoints-controller", endpoints},
	{"endpointslice-controller", endpointSlices},
	{"endpointslice-mirroring-controller", endpointSliceMirrors},
	{"persistentvolume-binder-controller", volumes},
	{"persistentvolumeclaim-protection-controller", claimProtection},
	{"persistentvolume-protection-controller", volumeProtection},
	{"instant-volume-provisioner", provision},
	{"load-balancer-addresses", addresses},
}

func catalogue(s Set) []controller {
	if s == None {
		return deletion
	}
	return append(append([]controller{}, deletion...), everythingElse...)
}
