package health

import (
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

func replicaSet(obj *unstructured.Unstructured) Status {
	if status, behind := unobserved(obj); behind {
		return status
	}
	if c := find(conditions(obj), "ReplicaFailure"); c.isTrue() {
		return Status{Degraded, c.because("Replicas cannot be created or deleted")}
	}
	if available := count(obj.Object, "status", "availableReplicas"); available < wanted(obj) {
		return Status{Progressing, fmt.Sprintf("%d of %d replicas available", available, wanted(obj))}
	}
	return Status{Code: Healthy}
}
