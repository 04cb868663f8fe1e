package health

import (
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

func deployment(obj *unstructured.Unstructured) Status {
	if truth(obj.Object, "spec", "paused") {
		return Status{Suspended, "Rollout is paused by spec.paused"}
	}
	if status, behind := unobserved(obj); behind {
		return status
	}
	cs := conditions(obj)
	if c := find(cs, "Progressing"); c.Reason == "ProgressDeadlineExceeded" {
		return Status{Degraded, join("Rollout exceeded its deadline", c.Message, replicaFailure(cs))}
	}
	replicas := wanted(obj)
	updated := count(obj.Object, "status", "updatedReplicas")
	available := count(obj.Object, "status", "availableReplicas")
	old := count(obj.Object, "status", "replicas") - updated
	switch {
	case updated < replicas:
		return Status{Progressing, join(fmt.Sprintf("%d of %d replicas updated", updated, replicas), replicaFailure(cs))}
	case old > 0:
		return Status{Progressing, fmt.Sprintf("Old replicas still to terminate: %d", old)}
	case available < updated:
		return Status{Progressing, fmt.Sprintf("%d of %d replicas available", available, updated)}
	}
	return Status{Code: Healthy}
}

// replicaFailure is why pods cannot be created, such as an exceeded quota.
func replicaFailure(cs []condition) string {
	if c := find(cs, "ReplicaFailure"); c.isTrue() {
		return join(c.Reason, c.Message)
	}
	return ""
}
