package kube

import (
	"context"
	"fmt"
	"net/http"

	"github.com/plumbline-dev/plumbline/internal/core/apierror"
	"github.com/plumbline-dev/plumbline/internal/core/gate"
	"github.com/plumbline-dev/plumbline/internal/core/kinds"
	"github.com/plumbline-dev/plumbline/internal/core/object"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utiljson "k8s.io/apimachinery/pkg/util/json"
)

// Inside lists the objects that deleting a Namespace or a
// CustomResourceDefinition would delete too: all of them, or an error. It costs
// a list of metadata for each kind that may be concerned.
func (c *Cluster) Inside(ctx context.Context, live *unstructured.Unstructured) ([]gate.Neighbour, error) {
	if live.GetKind() == "Namespace" {
		return c.inNamespace(ctx, live.GetName())
	}
	group, _, _ := unstructured.NestedString(live.Object, "spec", "group")
	kind, _, _ := unstructured.NestedString(live.Object, "spec", "names", "kind")
	res, err := c.Mapping(ctx, schema.GroupKind{Group: group, Kind: kind}, "")
	if err != nil {
		return nil, err
	}
	return c.neighbours(ctx, res, "")
}

func (c *Cluster) inNamespace(ctx context.Context, namespace string) ([]gate.Neighbour, error) {
	resources, err := c.inNamespaces(ctx)
	if err != nil {
		return nil, err
	}
	var all []gate.Neighbour
	for _, res := range resources {
		list, err := c.neighbours(ctx, res, namespace)
		if err != nil {
			return nil, err
		}
		all = append(all, list...)
	}
	return all, nil
}

// neighbours lists the metadata of all objects of a kind, in one namespace or in all.
func (c *Cluster) neighbours(ctx context.Context, res kinds.Resource, namespace string) ([]gate.Neighbour, error) {
	var all []gate.Neighbour
	for next := ""; ; {
		call := call{
			verb: "list", method: http.MethodGet, resource: res, namespace: namespace,
			accept: "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1",
			params: map[string]string{"limit": "500", "continue": next},
		}
		raw, err := c.send(ctx, call)
		if err != nil {
			return nil, err
		}
		page := metav1.PartialObjectMetadataList{}
		if err := utiljson.Unmarshal(raw, &page); err != nil || page.Kind != "PartialObjectMetadataList" {
			return nil, &apierror.RequestError{Verb: "list", Key: call.key(), Err: fmt.Errorf("%w of metadata", errNotList)}
		}
		for i := range page.Items {
			m := &page.Items[i]
			key := object.Key{Group: res.GVK.Group, Kind: res.GVK.Kind, Namespace: m.Namespace, Name: m.Name}
			all = append(all, gate.NeighbourOf(key, m))
		}
		if next = page.Continue; next == "" {
			return all, nil
		}
	}
}
