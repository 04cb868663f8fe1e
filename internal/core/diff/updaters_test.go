package diff_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/plumbline-dev/plumbline/internal/core/diff"
)

func TestUpdaters(t *testing.T) {
	entry := func(manager string, op metav1.ManagedFieldsOperationType, subresource string) metav1.ManagedFieldsEntry {
		return metav1.ManagedFieldsEntry{Manager: manager, Operation: op, Subresource: subresource, APIVersion: "v1", FieldsType: "FieldsV1"}
	}
	patterns := []string{"kubectl*", "engine"}
	for name, test := range map[string]struct {
		reason  string
		entries []metav1.ManagedFieldsEntry
		want    []string
	}{
		"prefix":      {"a pattern matches what begins with it", []metav1.ManagedFieldsEntry{entry("kubectl-edit", "Update", "")}, []string{"kubectl-edit"}},
		"exact":       {"a name matches itself alone", []metav1.ManagedFieldsEntry{entry("engine", "Update", ""), entry("engine-2", "Update", "")}, []string{"engine"}},
		"applies":     {"who applies is not meant", []metav1.ManagedFieldsEntry{entry("engine", "Apply", "")}, nil},
		"subresource": {"nor who reports a status", []metav1.ManagedFieldsEntry{entry("engine", "Update", "status")}, nil},
		"others":      {"nor anybody else", []metav1.ManagedFieldsEntry{entry("autoscaler", "Update", "")}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			if d := cmp.Diff(test.want, diff.Updaters(test.entries, patterns)); d != "" {
				t.Errorf("%s (-want +got):\n%s", test.reason, d)
			}
			text, err := json.Marshal(metav1.ObjectMeta{Name: "a", ManagedFields: test.entries})
			if err != nil {
				t.Fatal(err)
			}
			mentioned := slices.ContainsFunc(diff.UpdatesBy(patterns), func(s string) bool { return strings.Contains(string(text), s) })
			if len(test.want) > 0 && !mentioned {
				t.Errorf("%s: not seen in the text of the object: %s", test.reason, text)
			}
		})
	}
}
