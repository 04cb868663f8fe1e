package action

import (
	"encoding/json"
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/jsonmergepatch"
)

// Patches returns the JSON merge patches (RFC 7396) that make one state of an object
// the other: of the object, and of its status, for kinds that keep that apart. The
// first of them holds for that very state of the object alone. A patch that is nil
// changes nothing.
func Patches(from, to *unstructured.Unstructured) (object, status []byte, err error) {
	before, err := json.Marshal(from.Object)
	if err != nil {
		return nil, nil, fmt.Errorf("%s %s: %w", from.GetKind(), from.GetName(), err)
	}
	after, err := json.Marshal(to.Object)
	if err != nil {
		return nil, nil, fmt.Errorf("%s %s: %w", from.GetKind(), from.GetName(), err)
	}
	whole, err := jsonmergepatch.CreateThreeWayJSONMergePatch(before, after, before)
	if err != nil {
		return nil, nil, fmt.Errorf("%s %s: %w", from.GetKind(), from.GetName(), err)
	}
	var patch map[string]any
	if err := json.Unmarshal(whole, &patch); err != nil {
		return nil, nil, err
	}
	apart := map[string]any{}
	if s, has := patch["status"]; has {
		apart["status"] = s
		delete(patch, "status")
	}
	if object, err = bound(patch, from.GetResourceVersion()); err != nil {
		return nil, nil, err
	}
	version := from.GetResourceVersion()
	if object != nil {
		version = "" // another one by then
	}
	status, err = bound(apart, version)
	return object, status, err
}

// bound writes a patch that fails once the object has changed.
func bound(patch map[string]any, version string) ([]byte, error) {
	if len(patch) == 0 {
		return nil, nil
	}
	if version != "" {
		meta, _ := patch["metadata"].(map[string]any)
		if meta == nil {
			meta = map[string]any{}
			patch["metadata"] = meta
		}
		meta["resourceVersion"] = version
	}
	return json.Marshal(patch)
}
