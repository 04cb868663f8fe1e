package diff

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	core "github.com/plumbline-dev/plumbline/internal/core/schema"
)

// desiredWeb is what the source says, and liveWeb what became of it: scaled by an
// autoscaler, with an injected container, an image that a person set and an
// annotation of nobody's.
const (
	desiredWeb = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop, annotations: {note: source, gone: source}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - {name: app, image: "app:1", args: [a, b]}
      - {name: new, image: "new:1"}
`
	liveWeb = `
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  namespace: shop
  uid: "1"
  annotations: {note: live, own: live}
  managedFields:
  - manager: plumbline
    operation: Apply
    apiVersion: apps/v1
    fieldsV1:
      f:metadata: {f:annotations: {f:note: {}, f:own: {}}}
      f:spec:
        f:replicas: {}
        f:selector: {}
        f:template:
          f:metadata: {f:labels: {f:app: {}}}
          f:spec: {f:containers: {'k:{"name":"app"}': {.: {}, f:name: {}, f:image: {}, f:args: {}}}}
  - manager: autoscaler
    operation: Update
    apiVersion: apps/v1
    subresource: scale
    fieldsV1: {f:spec: {f:replicas: {}}}
  - manager: injector
    operation: Update
    apiVersion: apps/v1
    fieldsV1: {f:spec: {f:template: {f:spec: {f:containers: {'k:{"name":"proxy"}': {.: {}, f:name: {}, f:image: {}}}}}}}
spec:
  replicas: 7
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - {name: proxy, image: "proxy:1"}
      - {name: app, image: "app:person", args: [p, q]}
`
)

func TestRespect(t *testing.T) {
	for name, test := range map[string]struct {
		reason  string
		fields  []string
		queries []string
		manager []string
		replace bool
		want    func(obj map[string]any)
	}{
		"nothing": {reason: "nothing ignored, nothing changed", want: func(map[string]any) {}},
		"owned by another": {
			reason: "the autoscaler keeps what it owns", fields: []string{"/spec/replicas"},
			want: func(obj map[string]any) { delete(at(obj, "spec"), "replicas") },
		},
		"replaced": {
			reason: "who writes the whole object has to write what others own", fields: []string{"/spec/replicas"}, replace: true,
			want: func(obj map[string]any) { at(obj, "spec")["replicas"] = int64(7) },
		},
		"manager": {
			reason: "the same by its name", manager: []string{"autoscaler"},
			want: func(obj map[string]any) { delete(at(obj, "spec"), "replicas") },
		},
		"owned by us": {
			reason: "what nobody else owns stays as it is", fields: []string{"/metadata/annotations/note"},
			want: func(obj map[string]any) { at(obj, "metadata", "annotations")["note"] = "live" },
		},
		"not declared any more": {
			reason: "what we owned and do not declare any more stays", fields: []string{"/metadata/annotations/own"},
			want: func(obj map[string]any) { at(obj, "metadata", "annotations")["own"] = "live" },
		},
		"not there": {
			reason: "what is not there is not put there", fields: []string{"/metadata/annotations/gone"},
			want: func(obj map[string]any) { delete(at(obj, "metadata", "annotations"), "gone") },
		},
		"item by its name": {
			reason:  "an item has another position in both, and a new one is applied as it is",
			queries: []string{".spec.template.spec.containers[].image"},
			want:    func(obj map[string]any) { containerOf(obj, 0)["image"] = "app:person" },
		},
		"whole item": {
			reason: "an injected item is not declared", queries: []string{`.spec.template.spec.containers[] | select(.name == "proxy")`},
			want: func(map[string]any) {},
		},
		"list without keys": {
			reason: "an item of a list that is applied as a whole", queries: []string{`.spec.template.spec.containers[] | select(.name == "app") | .args`},
			want: func(obj map[string]any) { containerOf(obj, 0)["args"] = []any{"p", "q"} },
		},
		"everything": {
			reason: "names cannot be ignored", fields: []string{"/metadata"},
			want: func(obj map[string]any) {
				at(obj, "metadata")["annotations"] = map[string]any{"note": "live", "own": "live"}
			},
		},
		"fails on it": {reason: "what an expression fails on is not ignored", queries: []string{".spec.replicas[]"}, want: func(map[string]any) {}},
	} {
		t.Run(name, func(t *testing.T) {
			in := Input{
				Desired: decode(t, []byte(desiredWeb)), Live: decode(t, []byte(liveWeb)), Manager: "plumbline", Schemas: core.Builtin(),
				IgnoreFields: test.fields, IgnoreQueries: test.queries, IgnoreManagers: test.manager,
			}
			got, err := Respect(in, test.replace)
			if err != nil {
				t.Fatal(err)
			}
			want := decode(t, []byte(desiredWeb))
			test.want(want.Object)
			if d := cmp.Diff(want.Object, got.Object); d != "" {
				t.Errorf("%s: -want +got:\n%s", test.reason, d)
			}
			if d := cmp.Diff(decode(t, []byte(desiredWeb)).Object, in.Desired.Object); d != "" {
				t.Errorf("the source's object was changed:\n%s", d)
			}
		})
	}
}

func at(obj map[string]any, names ...string) map[string]any {
	for _, name := range names {
		obj = obj[name].(map[string]any)
	}
	return obj
}

func containerOf(obj map[string]any, i int) map[string]any {
	return at(obj, "spec", "template", "spec")["containers"].([]any)[i].(map[string]any)
}

// Where the types are not known, lists are taken as a whole: an item of one keeps its
// live value if both have as many.
func TestRespectUntyped(t *testing.T) {
	const kind = "apiVersion: example.org/v1\nkind: Boat\nmetadata: {name: b, namespace: shop}\n"
	desired := decode(t, []byte(kind+"spec: {sails: 2, crew: [{name: ann, rank: 1}, {name: bob, rank: 2}], ports: [a]}"))
	live := decode(t, []byte(kind+"spec: {sails: 5, crew: [{name: ann, rank: 8}, {name: bob, rank: 9}], ports: [x, y]}"))
	got, err := Respect(Input{
		Desired: desired, Live: live, Manager: "plumbline", Schemas: core.Builtin().WithUntyped(desired.GroupVersionKind()),
		IgnoreFields: []string{"/spec/sails", "/spec/ports/0"}, IgnoreQueries: []string{`.spec.crew[] | select(.name == "bob") | .rank`},
	}, false)
	if err != nil {
		t.Fatal(err)
	}
	want := decode(t, []byte(kind+"spec: {sails: 5, crew: [{name: ann, rank: 1}, {name: bob, rank: 9}], ports: [a]}"))
	if d := cmp.Diff(want.Object, got.Object); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}
