package assess_test

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/plumbline-dev/plumbline/internal/core/assess"
	"github.com/plumbline-dev/plumbline/internal/core/object"
)

func TestExclude(t *testing.T) {
	of := func(kinds string) []object.Manifest {
		var list []object.Manifest
		for _, kind := range strings.Fields(kinds) {
			list = append(list, object.Manifest{Object: &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": kind, "metadata": map[string]any{"name": "a"}}}})
		}
		return list
	}
	for given, want := range map[string]string{"": "", "Pod": "", "A B": "A B", "Pod A": "A", "A Pod B Pod": "A B", "A Pod": "A"} {
		input := of(given)
		rest, warnings := assess.Exclude(input, func(key object.Key) bool { return key.Kind == "Pod" })
		var kinds []string
		for _, m := range rest {
			kinds = append(kinds, m.Key().Kind)
		}
		if got := strings.Join(kinds, " "); got != want || len(warnings) != strings.Count(given, "Pod") {
			t.Errorf("of %q stays %q with %d warnings, want %q", given, got, len(warnings), want)
		}
		for i, m := range of(given) {
			if input[i].Key() != m.Key() {
				t.Errorf("%q: the input was changed", given)
			}
		}
	}
}
