package diff

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	core "github.com/plumbline-dev/plumbline/internal/core/schema"
)

// FuzzCompute feeds whatever is an object. Nothing panics, and a Secret's value
// appears in no text.
func FuzzCompute(f *testing.F) {
	for _, r := range recordings(f) {
		desired, _ := r.in.Desired.MarshalJSON()
		live, _ := r.in.Live.MarshalJSON()
		f.Add(desired, live)
	}
	f.Add([]byte(`{"apiVersion":"v1","kind":"Secret","metadata":{"name":"s"},"stringData":{"a":["hunter2"]}}`),
		[]byte(`{"apiVersion":"v1","kind":"Secret","metadata":{"name":"s","managedFields":[{"manager":"plumbline","operation":"Apply","apiVersion":"v1","fieldsV1":{"f:data":{"v:{":{}}}}]},"data":"hunter2"}`))
	schemas := core.Builtin()
	f.Fuzz(func(t *testing.T, desired, live []byte) {
		in := Input{Desired: parse(desired), Live: parse(live), Manager: "plumbline", Schemas: schemas, Takeover: []string{"k*"}, IgnoreFields: []string{"/data/0/x", "/metadata/labels"}}
		change, err := Compute(in)
		shown := say(change, err)
		if in.Desired != nil && in.Desired.GetKind() == "Secret" && bytes.Contains(desired, []byte(":\"hunter2\"")) && strings.Contains(shown, "hunter2") {
			t.Errorf("a secret is shown: %s", shown)
		}
		if undecided := (*UndecidedError)(nil); err == nil && change.Kind == "" || errors.As(err, &undecided) && undecided.Cause == nil {
			t.Errorf("no verdict: %v, %v", change, err)
		}
		_, _ = Owned(in.Live, "plumbline")
		_ = DigestOf(in.Desired)
		if in.Live != nil {
			_, _ = FromDryRun(in, in.Live)
			_, _, _ = TakenOver(in.Live, "plumbline", "v1", in.Takeover)
		}
	})
}

func parse(raw []byte) *unstructured.Unstructured {
	text, err := yaml.YAMLToJSON(raw)
	if err != nil {
		return nil
	}
	obj := &unstructured.Unstructured{}
	if obj.UnmarshalJSON(text) != nil {
		return nil
	}
	return obj
}
