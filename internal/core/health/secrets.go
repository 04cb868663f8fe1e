package health

import "k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

func sealedSecret(obj *unstructured.Unstructured) Status {
	if _, reports := number(obj.Object, "status", "observedGeneration"); reports {
		if status, behind := unobserved(obj); behind {
			return status
		}
	}
	switch c := find(conditions(obj), "Synced"); {
	case c.isTrue():
		return Status{Code: Healthy}
	case c.isFalse():
		return Status{Degraded, c.because("Not unsealed")}
	default:
		return Status{Progressing, "Waits to be unsealed"}
	}
}

func certificate(obj *unstructured.Unstructured) Status {
	if c := find(conditions(obj), "Issuing"); c.isTrue() {
		return Status{Progressing, c.because("Issuing")}
	}
	return verdictByReady(obj)
}
