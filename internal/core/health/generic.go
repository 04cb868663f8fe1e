package health

import "k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

// generic judges a kind without a rule by the conditions that most controllers
// share. False means that it shows none.
//
// A Ready or Available that is not True is Progressing, never Degraded: without
// knowing the kind, "not yet" and "never" look alike.
func generic(obj *unstructured.Unstructured) (Status, bool) {
	if _, reports := number(obj.Object, "status", "observedGeneration"); reports {
		if status, behind := unobserved(obj); behind {
			return status, true
		}
	}
	cs := conditions(obj)
	if c := find(cs, "Reconciling"); c.isTrue() {
		return Status{Progressing, c.because("Reconciling")}, true
	}
	for _, typ := range []string{"Stalled", "Degraded", "Failed"} {
		if c := find(cs, typ); c.isTrue() {
			return Status{Degraded, c.because(typ)}, true
		}
	}
	for _, typ := range []string{"Ready", "Available"} {
		c := find(cs, typ)
		generation := count(obj.Object, "metadata", "generation")
		switch {
		case !c.exists():
			continue
		case c.ObservedGeneration != 0 && c.ObservedGeneration < generation:
			return waitsForController(generation, c.ObservedGeneration), true
		case c.isTrue():
			return Status{Code: Healthy}, true
		default:
			return Status{Progressing, c.because("Not " + lower(typ))}, true
		}
	}
	return Status{}, false
}

// lower turns a condition type into a word of a sentence.
func lower(typ string) string {
	return string(typ[0]|0x20) + typ[1:] // the callers' types are ASCII letters
}

// verdictByReady judges kinds whose controller sets Ready to False only for
// failures, never while it is still busy.
func verdictByReady(obj *unstructured.Unstructured) Status {
	if _, reports := number(obj.Object, "status", "observedGeneration"); reports {
		if status, behind := unobserved(obj); behind {
			return status
		}
	}
	switch c := find(conditions(obj), "Ready"); {
	case c.isTrue():
		return Status{Code: Healthy}
	case c.isFalse():
		return Status{Degraded, c.because("Not ready")}
	default:
		return Status{Progressing, c.because("Waits for its controller to report readiness")}
	}
}
