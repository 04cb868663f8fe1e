package health

import (
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

func statefulSet(obj *unstructured.Unstructured) Status {
	if status, behind := unobserved(obj); behind {
		return status
	}
	if count(obj.Object, "status", "observedGeneration") == 0 {
		return Status{Progressing, "Waits for its controller to report a status"}
	}
	replicas := wanted(obj)
	if ready := count(obj.Object, "status", "readyReplicas"); ready < replicas {
		return Status{Progressing, fmt.Sprintf("%d of %d replicas ready", ready, replicas)}
	}
	strategy := text(obj.Object, "spec", "updateStrategy", "type")
	rolling, _ := field(obj.Object, "spec", "updateStrategy", "rollingUpdate").(map[string]any)
	if strategy == "RollingUpdate" && rolling != nil {
		return partitioned(obj, rolling)
	}
	if strategy == "OnDelete" {
		return Status{Healthy, "Pods are updated when they are deleted by hand"}
	}
	current, update := text(obj.Object, "status", "currentRevision"), text(obj.Object, "status", "updateRevision")
	if current != update {
		return Status{Progressing, fmt.Sprintf("Replicas updated to revision %s: %d, others are at %s", update, count(obj.Object, "status", "updatedReplicas"), current)}
	}
	return Status{Code: Healthy}
}

// partitioned judges a rollout to the replicas from a given ordinal upwards.
func partitioned(obj *unstructured.Unstructured, rolling map[string]any) Status {
	partition, ok := number(rolling, "partition")
	if !ok {
		return Status{Code: Healthy}
	}
	updated, goal := count(obj.Object, "status", "updatedReplicas"), wanted(obj)-partition
	switch {
	case updated < goal && partition > 0:
		return Status{Progressing, fmt.Sprintf("%d of %d replicas updated, from partition %d upwards", updated, goal, partition)}
	case updated < goal:
		return Status{Progressing, fmt.Sprintf("%d of %d replicas updated", updated, goal)}
	}
	return Status{Code: Healthy}
}
