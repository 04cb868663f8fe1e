package health

import (
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

func daemonSet(obj *unstructured.Unstructured) Status {
	if status, behind := unobserved(obj); behind {
		return status
	}
	if text(obj.Object, "spec", "updateStrategy", "type") == "OnDelete" {
		return Status{Healthy, "Pods are updated when they are deleted by hand"}
	}
	desired := count(obj.Object, "status", "desiredNumberScheduled")
	if updated := count(obj.Object, "status", "updatedNumberScheduled"); updated < desired {
		return Status{Progressing, fmt.Sprintf("%d of %d pods updated", updated, desired)}
	}
	if available := count(obj.Object, "status", "numberAvailable"); available < desired {
		return Status{Progressing, fmt.Sprintf("%d of %d pods available", available, desired)}
	}
	return Status{Code: Healthy}
}
