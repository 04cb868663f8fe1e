package kube

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"reflect"
	"slices"

	"github.com/plumbline-dev/plumbline/internal/core/apierror"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/client-go/util/csaupgrade"
)

// takeoverTries is how often a takeover starts again when the object changes
// under it.
const takeoverTries = 5

// TakeOver makes the fields that the managers from wrote by updates belong to
// the applier into, so that the next apply can remove them. It reports whether
// there was anything to take. Nothing but managedFields changes; it fails as
// Get does when the object is missing.
func (c *Cluster) TakeOver(ctx context.Context, ref Ref, from []string, into string) (bool, error) {
	var err error
	for range takeoverTries {
		var meta *metav1.PartialObjectMetadata
		if meta, err = c.GetMetadata(ctx, ref); err != nil {
			return false, err
		}
		var patch []byte
		if patch, err = takeover(meta, from, into); err != nil {
			return false, &apierror.RequestError{Verb: "take over", Key: ref.call("", "").key(), Err: err}
		}
		if patch == nil {
			return false, nil
		}
		call := ref.call("take over", http.MethodPatch)
		call.content, call.body = types.JSONPatchType, patch
		call.params = map[string]string{"fieldManager": into}
		if _, err = c.metadata(ctx, call); !apierrors.IsConflict(err) {
			return err == nil, err
		}
	}
	return false, err
}

// takeover returns the patch that merges the managers, nil when there is
// nothing to merge. It holds the resource version, so that a change in between
// is a conflict.
func takeover(meta *metav1.PartialObjectMetadata, from []string, into string) ([]byte, error) {
	if into == "" {
		return nil, errNoManager
	}
	after := meta.DeepCopy()
	for _, manager := range slices.Compact(slices.Sorted(slices.Values(from))) {
		if err := csaupgrade.UpgradeManagedFields(after, sets.New(manager), into); err != nil {
			return nil, errors.New("its managedFields are unreadable: " + apierror.OneLine(err.Error()))
		}
	}
	if reflect.DeepEqual(meta.ManagedFields, after.ManagedFields) {
		return nil, nil
	}
	return json.Marshal([]map[string]any{
		{"op": "replace", "path": "/metadata/managedFields", "value": after.ManagedFields},
		{"op": "replace", "path": "/metadata/resourceVersion", "value": meta.ResourceVersion},
	})
}
