package object_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/plumbline-dev/plumbline/internal/core/object"
)

func TestFoldStringData(t *testing.T) {
	type fields = map[string]any
	of := func(kind string, rest fields) fields {
		rest["apiVersion"], rest["kind"] = "v1", kind
		return rest
	}
	for name, test := range map[string]struct {
		reason   string
		in, want fields
	}{
		"alone":     {"text becomes base64 in data", of("Secret", fields{"stringData": fields{"a": "x"}}), of("Secret", fields{"data": fields{"a": "eA=="}})},
		"both":      {"stringData wins, as on the server", of("Secret", fields{"data": fields{"a": "eQ==", "b": "eg=="}, "stringData": fields{"a": "x"}}), of("Secret", fields{"data": fields{"a": "eA==", "b": "eg=="}})},
		"empty":     {"nothing is nothing", of("Secret", fields{"stringData": fields{}}), of("Secret", fields{})},
		"no text":   {"what is no text is for the server to refuse", of("Secret", fields{"stringData": fields{"a": int64(1)}}), of("Secret", fields{"stringData": fields{"a": int64(1)}})},
		"no map":    {"what is no map is for the server to refuse", of("Secret", fields{"data": "x", "stringData": fields{"a": "x"}}), of("Secret", fields{"data": "x", "stringData": fields{"a": "x"}})},
		"not meant": {"other kinds keep their fields", of("ConfigMap", fields{"stringData": fields{"a": "x"}}), of("ConfigMap", fields{"stringData": fields{"a": "x"}})},
	} {
		t.Run(name, func(t *testing.T) {
			obj := &unstructured.Unstructured{Object: test.in}
			object.FoldStringData(obj)
			if d := cmp.Diff(test.want, obj.Object); d != "" {
				t.Errorf("%s (-want +got):\n%s", test.reason, d)
			}
		})
	}
}
