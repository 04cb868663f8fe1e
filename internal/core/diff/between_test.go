package diff_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/plumbline-dev/plumbline/internal/core/diff"
	"github.com/plumbline-dev/plumbline/internal/core/object"
	"github.com/plumbline-dev/plumbline/internal/core/schema"
)

func declared(t *testing.T, text string) *unstructured.Unstructured {
	t.Helper()
	ms, err := object.Decode("x.yaml", []byte(text))
	if err != nil || len(ms) != 1 {
		t.Fatalf("%d objects, %v", len(ms), err)
	}
	return ms[0].Object
}

func TestBetween(t *testing.T) {
	const deploy = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: api, namespace: shop}
spec:
  replicas: 2
  selector: {matchLabels: {app: api}}
  template:
    metadata: {labels: {app: api}}
    spec: {containers: [{name: app, image: "nginx:1", resources: {limits: {memory: 1024Mi}}}]}
`
	for name, test := range map[string]struct{ reason, old, next, want string }{
		"same": {
			"two equal declarations do not differ, whatever the server would fill in",
			deploy, deploy, "= apps/Deployment shop/api",
		},
		"value": {
			"a value that differs is the only difference",
			deploy, strings.ReplaceAll(deploy, "replicas: 2", "replicas: 3"), "~ apps/Deployment shop/api  spec.replicas: 2 -> 3",
		},
		"spelling": {
			"the server stores a quantity in one way however it is written",
			deploy, strings.ReplaceAll(deploy, "1024Mi", "1Gi"), "= apps/Deployment shop/api",
		},
		"removed": {
			"a field that is no longer declared goes back to the server's default",
			deploy, strings.ReplaceAll(deploy, "replicas: 2", "paused: false"), "~ apps/Deployment shop/api  spec.replicas: 2 -> 1",
		},
		"secret": {
			"values of Secrets are masked, also when they are declared as text",
			"{apiVersion: v1, kind: Secret, metadata: {name: s}, stringData: {a: hunter2}}",
			"{apiVersion: v1, kind: Secret, metadata: {name: s}, stringData: {a: hunter3}}",
			"~ Secret s  data.a: ***1 -> ***2",
		},
		"secret spelling": {
			"data and stringData with the same content do not differ",
			"{apiVersion: v1, kind: Secret, metadata: {name: s}, stringData: {a: hunter2}}",
			"{apiVersion: v1, kind: Secret, metadata: {name: s}, data: {a: aHVudGVyMg==}}",
			"= Secret s",
		},
		"custom": {
			"kinds without types are compared by value",
			"{apiVersion: x.io/v1, kind: Thing, metadata: {name: a}, spec: {b: [1, 2], c: x}}",
			"{apiVersion: x.io/v1, kind: Thing, metadata: {name: a}, spec: {b: [1, 3]}}",
			"~ x.io/Thing a  spec.b: [1,2] -> [1,3], spec.c: removed",
		},
		"version": {
			"another API version is a difference by itself",
			"{apiVersion: x.io/v1, kind: Thing, metadata: {name: a}}",
			"{apiVersion: x.io/v2, kind: Thing, metadata: {name: a}}",
			"~ x.io/Thing a  apiVersion: x.io/v1 -> x.io/v2",
		},
		"status": {
			"a status is not declared, it is reported",
			"{apiVersion: v1, kind: ConfigMap, metadata: {name: a}, status: {x: 1}}",
			"{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}",
			"= ConfigMap a",
		},
		"old does not fit": {
			"an old object that its type refuses is compared by value",
			strings.ReplaceAll(deploy, "replicas: 2", "replica: 2"), deploy,
			"~ apps/Deployment shop/api  spec.replica: removed, spec.replicas: + 2, spec.strategy: + {}, and 1 more",
		},
	} {
		t.Run(name, func(t *testing.T) {
			change, err := diff.Between(declared(t, test.old), declared(t, test.next), schema.Builtin())
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(test.want, change.String()); d != "" {
				t.Errorf("%s (-want +got):\n%s", test.reason, d)
			}
		})
	}
	_, err := diff.Between(declared(t, deploy), declared(t, strings.ReplaceAll(deploy, "replicas: 2", "replica: 2")), schema.Builtin())
	if invalid := (*diff.InvalidError)(nil); !errors.As(err, &invalid) {
		t.Errorf("a new object that the server refuses: %v", err)
	}
}

func TestMasked(t *testing.T) {
	one := declared(t, `{apiVersion: v1, kind: Secret, metadata: {name: s}, data: {a: eA==, b: eQ==}}`)
	two := declared(t, `{apiVersion: v1, kind: Secret, metadata: {name: s}, data: {a: eQ==}}`)
	plain := declared(t, `{apiVersion: v1, kind: ConfigMap, metadata: {name: s}, data: {a: x}}`)
	shown := diff.Masked(one, two, plain, nil)
	want := []any{map[string]any{"a": "***1", "b": "***2"}, map[string]any{"a": "***2"}, map[string]any{"a": "x"}}
	for i, w := range want {
		if d := cmp.Diff(w, shown[i].Object["data"]); d != "" {
			t.Errorf("object %d (-want +got):\n%s", i, d)
		}
	}
	if shown[3] != nil || one.Object["data"].(map[string]any)["a"] != "eA==" {
		t.Error("nil stays nil, and the objects themselves are not changed")
	}
}
