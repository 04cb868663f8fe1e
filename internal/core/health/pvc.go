package health

import (
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

func persistentVolumeClaim(obj *unstructured.Unstructured) Status {
	switch phase := text(obj.Object, "status", "phase"); phase {
	case "Bound":
		return Status{Code: Healthy}
	case "Pending":
		return Status{Progressing, "Waits for a volume; see the events of the claim"}
	case "Lost":
		return Status{Degraded, join("The bound volume is gone", text(obj.Object, "spec", "volumeName"))}
	default:
		return Status{Unknown, fmt.Sprintf("Claim phase %q", phase)}
	}
}
