package health

import "k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

func customResourceDefinition(obj *unstructured.Unstructured) Status {
	cs := conditions(obj)
	if len(cs) == 0 {
		return Status{Progressing, "Waits for the API server to report a status"}
	}
	if c := find(cs, "Terminating"); c.isTrue() {
		return Status{Progressing, c.because("Terminating")}
	}
	if c := find(cs, "NamesAccepted"); c.isFalse() {
		return Status{Degraded, c.because("Names not accepted")}
	}
	switch c := find(cs, "Established"); {
	case c.isTrue():
	case c.Reason == "Installing" || !c.exists():
		return Status{Progressing, c.because("Not established")}
	default:
		return Status{Degraded, c.because("Not established")}
	}
	if c := find(cs, "NonStructuralSchema"); c.isTrue() {
		return Status{Degraded, c.because("Schema violations")}
	}
	return Status{Code: Healthy}
}
