package health

import "k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

// toolkit judges the kinds of Flux. While suspended, the status stays as it was
// and says nothing about the newest spec.
func toolkit(obj *unstructured.Unstructured) Status {
	if truth(obj.Object, "spec", "suspend") {
		return Status{Suspended, "Suspended by spec.suspend"}
	}
	if status, behind := unobserved(obj); behind {
		return status
	}
	cs := conditions(obj)
	if c := find(cs, "Stalled"); c.isTrue() {
		return Status{Degraded, c.because("Stalled until the object changes")}
	}
	switch c := find(cs, "Ready"); {
	case c.isTrue():
		return Status{Code: Healthy}
	case c.isFalse() && (c.Reason == "Progressing" || c.Reason == "DependencyNotReady"):
		return Status{Progressing, c.because("Not ready")}
	case c.isFalse():
		return Status{Degraded, c.because("Not ready")}
	default:
		return Status{Progressing, c.because("Waits for its controller to report readiness")}
	}
}
