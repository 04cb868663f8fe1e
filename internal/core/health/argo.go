package health

import (
	"fmt"
	"strconv"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// application passes on what the Application says about itself.
func application(obj *unstructured.Unstructured) Status {
	switch code := Code(text(obj.Object, "status", "health", "status")); code {
	case "":
		return Status{Progressing, "Waits for its first comparison"}
	case Healthy, Suspended, Progressing, Missing, Degraded, Unknown:
		return Status{code, text(obj.Object, "status", "health", "message")}
	default:
		return Status{Unknown, fmt.Sprintf("Health %q is not a known verdict", code)}
	}
}

func applicationSet(obj *unstructured.Unstructured) Status {
	cs := conditions(obj)
	if c := find(cs, "ErrorOccurred"); c.isTrue() {
		return Status{Degraded, c.because("Applications cannot be generated")}
	}
	if c := find(cs, "RolloutProgressing"); c.isTrue() {
		return Status{Progressing, c.because("Rollout")}
	}
	switch c := find(cs, "ResourcesUpToDate"); {
	case c.isTrue():
		return Status{Code: Healthy}
	case c.isFalse():
		return Status{Degraded, c.because("Applications are not up to date")}
	default:
		return Status{Progressing, "Waits for its controller to report a status"}
	}
}

func workflow(obj *unstructured.Unstructured) Status {
	message := text(obj.Object, "status", "message")
	switch phase := text(obj.Object, "status", "phase"); phase {
	case "", "Pending", "Running":
		return Status{Progressing, join("Workflow runs", message)}
	case "Succeeded":
		return Status{Code: Healthy}
	case "Failed", "Error":
		return Status{Degraded, join("Workflow "+lower(phase), message)}
	default:
		return Status{Unknown, fmt.Sprintf("Workflow phase %q", phase)}
	}
}

// rollout follows the phase that its controller computes.
func rollout(obj *unstructured.Unstructured) Status {
	generation := count(obj.Object, "metadata", "generation")
	observed, err := strconv.ParseInt(text(obj.Object, "status", "observedGeneration"), 10, 64) // a string in this kind
	if err != nil {
		observed = count(obj.Object, "status", "observedGeneration")
	}
	if observed < generation {
		return waitsForController(generation, observed)
	}
	cs, message := conditions(obj), text(obj.Object, "status", "message")
	if c := find(cs, "InvalidSpec"); c.isTrue() {
		return Status{Degraded, c.because("Rollout is invalid")}
	}
	if c := find(cs, "Progressing"); c.Reason == "ProgressDeadlineExceeded" || c.Reason == "RolloutAborted" {
		return Status{Degraded, c.because("Rollout failed")}
	}
	switch phase := text(obj.Object, "status", "phase"); phase {
	case "Healthy":
		return Status{Code: Healthy}
	case "Paused":
		return Status{Suspended, join("Rollout is paused", message)}
	case "Degraded":
		return Status{Degraded, join("Rollout failed", message)}
	case "Progressing", "":
		return Status{Progressing, join("Rollout continues", message)}
	default:
		return Status{Unknown, fmt.Sprintf("Rollout phase %q", phase)}
	}
}
