package health

import "k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

// podDisruptionBudget is Healthy even while it forbids disruptions: that is its
// purpose. Only a budget that cannot be computed is Degraded.
func podDisruptionBudget(obj *unstructured.Unstructured) Status {
	if field(obj.Object, "status") == nil {
		return Status{Progressing, "Waits for its controller to report a status"}
	}
	if status, behind := unobserved(obj); behind {
		return status
	}
	if c := find(conditions(obj), "DisruptionAllowed"); c.Reason == "SyncFailed" {
		return Status{Degraded, c.because("Budget cannot be computed")}
	}
	return Status{Code: Healthy}
}
