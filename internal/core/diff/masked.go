package diff

import (
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/plumbline-dev/plumbline/internal/core/object"
)

// Masked returns the objects as they may be shown: those that are Secrets are
// copied without their values. Equal values have equal masks in all objects of
// one call, and nothing else can be learned from a mask. nil stays nil.
func Masked(objects ...*unstructured.Unstructured) []*unstructured.Unstructured {
	m := newMask()
	out := make([]*unstructured.Unstructured, len(objects))
	for i, obj := range objects {
		out[i] = obj
		if obj != nil && isSecret(object.KeyOf(obj)) {
			out[i] = &unstructured.Unstructured{Object: m.secret(obj.Object)}
		}
	}
	return out
}
