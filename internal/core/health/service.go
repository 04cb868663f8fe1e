package health

import "k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

func service(obj *unstructured.Unstructured) Status {
	if text(obj.Object, "spec", "type") == "LoadBalancer" && !hasAddress(obj) {
		return Status{Progressing, "Waits for a load balancer address"}
	}
	return Status{Code: Healthy}
}

func hasAddress(obj *unstructured.Unstructured) bool {
	return len(list(obj.Object, "status", "loadBalancer", "ingress")) > 0
}
