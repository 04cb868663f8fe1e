package health

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

const (
	ignoreRestartPolicy = "argocd.argoproj.io/ignore-restart-policy"
	hookAnnotation      = "argocd.argoproj.io/hook"
)

func pod(obj *unstructured.Unstructured) Status {
	serves := longRunning(obj)
	if serves {
		if stuck := stuckContainers(obj); len(stuck) > 0 {
			return Status{Degraded, capital(firstFew(stuck, "; "))}
		}
	}
	switch phase := text(obj.Object, "status", "phase"); phase {
	case "Pending":
		return Status{Progressing, pending(obj)}
	case "Succeeded":
		return Status{Code: Healthy}
	case "Failed":
		return Status{Degraded, failure(obj)}
	case "Running":
		if serves {
			return running(obj)
		}
		return Status{Progressing, "Runs to completion"}
	default:
		return Status{Unknown, fmt.Sprintf("Pod phase %q", phase)}
	}
}

// longRunning tells a pod that serves from one that runs to its end.
func longRunning(obj *unstructured.Unstructured) bool {
	switch text(obj.Object, "spec", "restartPolicy") {
	case "Always", "": // the API server's default
		return true
	}
	return text(obj.Object, "metadata", "annotations", ignoreRestartPolicy) == "true" &&
		text(obj.Object, "metadata", "annotations", hookAnnotation) == ""
}

// containerStatuses returns the statuses of all containers, in starting order.
func containerStatuses(obj *unstructured.Unstructured) []map[string]any {
	var out []map[string]any
	for _, name := range []string{"initContainerStatuses", "containerStatuses"} {
		for _, entry := range list(obj.Object, "status", name) {
			if m, ok := entry.(map[string]any); ok {
				out = append(out, m)
			}
		}
	}
	return out
}

// stuckContainers says which containers wait for something that will not come
// by itself, such as an image that does not exist.
func stuckContainers(obj *unstructured.Unstructured) []string {
	var out []string
	for _, c := range containerStatuses(obj) {
		reason := text(c, "state", "waiting", "reason")
		if strings.HasPrefix(reason, "Err") || strings.HasSuffix(reason, "Error") || strings.HasSuffix(reason, "BackOff") {
			out = append(out, join("container "+text(c, "name"), reason, text(c, "state", "waiting", "message")))
		}
	}
	return out
}

func pending(obj *unstructured.Unstructured) string {
	if c := find(conditions(obj), "PodScheduled"); c.isFalse() {
		return c.because("Not scheduled")
	}
	for _, c := range containerStatuses(obj) {
		if reason := text(c, "state", "waiting", "reason"); reason != "" {
			return join("Container "+text(c, "name"), reason, text(c, "state", "waiting", "message"))
		}
	}
	return "Pending"
}

func failure(obj *unstructured.Unstructured) string {
	if message := join(text(obj.Object, "status", "reason"), text(obj.Object, "status", "message")); message != "" {
		return join("Pod failed", message)
	}
	for _, c := range containerStatuses(obj) {
		if ended := terminated(c, "state"); ended != "" && count(c, "state", "terminated", "exitCode") != 0 {
			return ended
		}
	}
	return "Pod failed"
}

// terminated describes how a container ended: "Container app: OOMKilled, exit code 137".
func terminated(container map[string]any, state string) string {
	end, ok := field(container, state, "terminated").(map[string]any)
	if !ok {
		return ""
	}
	reason := text(end, "reason")
	if reason == "" {
		reason = "terminated"
	}
	return fmt.Sprintf("Container %s: %s, exit code %d", text(container, "name"), reason, count(end, "exitCode"))
}

func running(obj *unstructured.Unstructured) Status {
	ready := find(conditions(obj), "Ready")
	if ready.isTrue() {
		return Status{Code: Healthy}
	}
	for _, entry := range list(obj.Object, "status", "containerStatuses") {
		c, _ := entry.(map[string]any)
		if ended := terminated(c, "lastState"); ended != "" {
			return Status{Degraded, ended + ", then restarted"}
		}
	}
	return Status{Progressing, ready.because("Not ready")}
}

func capital(s string) string { return strings.ToUpper(s[:1]) + s[1:] }
