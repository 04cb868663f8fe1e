package health

import (
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// cronJob is Degraded only when it is idle and its last run did not succeed. A
// CronJob that never succeeded may not have had the time to.
func cronJob(obj *unstructured.Unstructured) Status {
	if truth(obj.Object, "spec", "suspend") {
		return Status{Healthy, "Suspended by spec.suspend"}
	}
	scheduled, ok := moment(obj, "lastScheduleTime")
	if !ok {
		return Status{Healthy, "Not scheduled yet"}
	}
	if active := len(list(obj.Object, "status", "active")); active > 0 {
		return Status{Healthy, fmt.Sprintf("Jobs running: %d", active)}
	}
	succeeded, ok := moment(obj, "lastSuccessfulTime")
	if !ok {
		return Status{Healthy, "No run has succeeded yet"}
	}
	if succeeded.Before(scheduled) {
		return Status{Degraded, fmt.Sprintf("The run scheduled at %s did not succeed, the last success was at %s",
			scheduled.Format(time.RFC3339), succeeded.Format(time.RFC3339))}
	}
	return Status{Code: Healthy}
}

func moment(obj *unstructured.Unstructured, name string) (time.Time, bool) {
	at, err := time.Parse(time.RFC3339, text(obj.Object, "status", name))
	return at, err == nil
}
