package health

import "k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

func namespace(obj *unstructured.Unstructured) Status {
	if text(obj.Object, "status", "phase") != "Terminating" {
		return Status{Code: Healthy}
	}
	for _, typ := range []string{"NamespaceDeletionDiscoveryFailure", "NamespaceDeletionGroupVersionParsingFailure", "NamespaceDeletionContentFailure", "NamespaceFinalizersRemaining", "NamespaceContentRemaining"} {
		if c := find(conditions(obj), typ); c.isTrue() {
			return Status{Progressing, c.because("Terminating")}
		}
	}
	return Status{Progressing, "Terminating"}
}
