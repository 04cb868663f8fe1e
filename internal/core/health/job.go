package health

import (
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

func job(obj *unstructured.Unstructured) Status {
	cs := conditions(obj)
	if c := find(cs, "Failed"); c.isTrue() {
		return Status{Degraded, c.because("Job failed")}
	}
	if c := find(cs, "Suspended"); c.isTrue() {
		return Status{Suspended, "Job is suspended by spec.suspend"}
	}
	if c := find(cs, "Complete"); c.isTrue() {
		return Status{Code: Healthy}
	}
	return Status{Progressing, fmt.Sprintf("Pods: %d active, %d succeeded, %d failed",
		count(obj.Object, "status", "active"), count(obj.Object, "status", "succeeded"), count(obj.Object, "status", "failed"))}
}
