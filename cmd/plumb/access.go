package main

import (
	"context"
	"errors"
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/plumbline-dev/plumbline/api/argoproj/v1alpha1"
	"github.com/plumbline-dev/plumbline/internal/core/rbac"
	"github.com/plumbline-dev/plumbline/internal/dialect/argo"
	"github.com/plumbline-dev/plumbline/internal/front/cli"
)

// access reads the policies of a control plane.
func access(ctx context.Context, from cli.Objects, controlPlane string) (policy rbac.Policy, faults, err error) {
	var data map[string]string
	cm, err := from.Get(ctx, schema.GroupVersionKind{Version: "v1", Kind: "ConfigMap"}, controlPlane, argo.AccessName)
	switch {
	case errors.Is(err, cli.ErrNotFound):
	case err != nil:
		return policy, nil, fmt.Errorf("policies: %w", err)
	default:
		if data, _, err = unstructured.NestedStringMap(cm.Object, "data"); err != nil {
			return policy, nil, fmt.Errorf("policies: %w", err)
		}
	}
	list, err := from.List(ctx, v1alpha1.GroupVersion.WithKind(v1alpha1.AppProjectKind), controlPlane)
	if err != nil {
		return policy, nil, fmt.Errorf("roles of projects: %w", err)
	}
	projects := make([]v1alpha1.AppProject, len(list))
	for i, obj := range list {
		if _, err := decode(obj, &projects[i]); err != nil {
			return policy, nil, err
		}
	}
	policy, faults = argo.DecodeAccess(data, projects)
	return policy, faults, nil
}
