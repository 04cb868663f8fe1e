package diff_test

import (
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/plumbline-dev/plumbline/internal/core/diff"
	"github.com/plumbline-dev/plumbline/internal/core/schema"
)

func ExampleCompute() {
	object := func(data, managed string) *unstructured.Unstructured {
		obj := &unstructured.Unstructured{}
		text := `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"api","namespace":"shop"` + managed + `},"data":` + data + `}`
		if err := obj.UnmarshalJSON([]byte(text)); err != nil {
			panic(err)
		}
		return obj
	}
	change, err := diff.Compute(diff.Input{
		Desired: object(`{"log":"debug"}`, ""),
		Live: object(`{"log":"info","old":"1","theirs":"2"}`, `,"managedFields":[
			{"manager":"plumbline","operation":"Apply","apiVersion":"v1","fieldsV1":{"f:data":{"f:log":{},"f:old":{}}}}]`),
		Manager: "plumbline",
		Schemas: schema.Builtin(),
	})
	fmt.Println(change, err)
	// Output: ~ ConfigMap shop/api  data.log: info -> debug, data.old: removed <nil>
}
