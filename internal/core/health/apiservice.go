package health

import "k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

func apiService(obj *unstructured.Unstructured) Status {
	c := find(conditions(obj), "Available")
	if c.isTrue() {
		return Status{Code: Healthy}
	}
	return Status{Progressing, c.because("API not available")}
}
