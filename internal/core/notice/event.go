package notice

import (
	"fmt"
	"hash/fnv"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/plumbline-dev/plumbline/internal/core/app"
)

// Subject is the user's object that a notice is about.
type Subject struct {
	ID         app.ID
	UID        string
	APIVersion string
}

// Event returns a notice as the Event object that tells it, with a name that a
// second one for the same would have, too.
func Event(about Subject, n Notice, source string, now time.Time) *unstructured.Unstructured {
	h := fnv.New64a()
	fmt.Fprint(h, about.UID, n.Reason, n.Message, now.UnixNano())
	kind := "Normal"
	if n.Warning() {
		kind = "Warning"
	}
	at := now.UTC().Format(time.RFC3339)
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "Event",
		"metadata": map[string]any{
			"namespace": about.ID.Namespace, "name": fmt.Sprintf("%.230s.%016x", about.ID.Name, h.Sum64()),
		},
		"involvedObject": map[string]any{
			"apiVersion": about.APIVersion, "kind": about.ID.Kind, "namespace": about.ID.Namespace, "name": about.ID.Name, "uid": about.UID,
		},
		"reason": string(n.Reason), "message": n.Message, "type": kind,
		"source": map[string]any{"component": source}, "reportingComponent": source,
		"firstTimestamp": at, "lastTimestamp": at, "count": int64(1),
	}}
}
