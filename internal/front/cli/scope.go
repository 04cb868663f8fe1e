package cli

import (
	"context"
	"errors"
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/plumbline-dev/plumbline/internal/core/assess"
)

// scopesOf finds the scope of every kind, asking the cluster if there is one.
func scopesOf(ctx context.Context, objects []*unstructured.Unstructured, live Live) (assess.Scopes, error) {
	var failed error
	scopes := assess.ScopesOf(objects, func(gvk schema.GroupVersionKind) (namespaced, known bool) {
		if live == nil {
			return false, false
		}
		namespaced, err := live.Namespaced(ctx, gvk)
		if err != nil && !errors.Is(err, ErrNoKind) && failed == nil {
			failed = fmt.Errorf("kind %s: %w", gvk.GroupKind(), err)
		}
		return namespaced, err == nil
	})
	return scopes, failed
}
