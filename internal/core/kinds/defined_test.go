package kinds

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

func TestDefinedBy(t *testing.T) {
	definition := func(group, kind, established string) *unstructured.Unstructured {
		return &unstructured.Unstructured{Object: map[string]any{
			"metadata": map[string]any{"name": "boats.example.org"},
			"spec":     map[string]any{"group": group, "names": map[string]any{"kind": kind}},
			"status":   map[string]any{"conditions": []any{map[string]any{"type": "Established", "status": established}}},
		}}
	}
	going := definition("example.org", "Boat", "True")
	going.SetDeletionTimestamp(&metav1.Time{Time: time.Unix(1, 0)})
	for name, c := range map[string]struct {
		reason string
		crd    *unstructured.Unstructured
		want   string
	}{
		"served":      {"an established definition serves its kind", definition("example.org", "Boat", "True"), "boats.example.org"},
		"other kind":  {"a group may define several kinds", definition("example.org", "Ship", "True"), ""},
		"other group": {"two groups may define a kind of one name", definition("example.com", "Boat", "True"), ""},
		"early":       {"what is not established is not served", definition("example.org", "Boat", "False"), ""},
		"going":       {"a definition that is being deleted takes its kind along", going, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got := DefinedBy(schema.GroupKind{Group: "example.org", Kind: "Boat"}, []*unstructured.Unstructured{c.crd})
			if got != c.want {
				t.Errorf("%s: %q, not %q", c.reason, got, c.want)
			}
		})
	}
}
