package object

import (
	"encoding/base64"
	"maps"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// FoldStringData moves a Secret's stringData into its data, as the API server
// does when it stores one. The server forgets stringData, so only data can be
// owned, and a change of it be seen. Other objects, and a Secret whose
// stringData or data is not what it should be, are left for the server to refuse.
func FoldStringData(obj *unstructured.Unstructured) {
	if obj.GetKind() != "Secret" || obj.GetAPIVersion() != "v1" {
		return
	}
	plain, ok := obj.Object["stringData"].(map[string]any)
	if !ok {
		return
	}
	given, ok := obj.Object["data"].(map[string]any)
	if !ok && obj.Object["data"] != nil {
		return
	}
	data := make(map[string]any, len(given)+len(plain))
	maps.Copy(data, given)
	for name, value := range plain {
		text, ok := value.(string)
		if !ok {
			return
		}
		data[name] = base64.StdEncoding.EncodeToString([]byte(text))
	}
	delete(obj.Object, "stringData")
	if len(data) > 0 {
		obj.Object["data"] = data
	}
}
