package health

import "k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

func ingress(obj *unstructured.Unstructured) Status {
	if !hasAddress(obj) {
		return Status{Progressing, "Waits for an address from its ingress controller"}
	}
	return Status{Code: Healthy}
}
