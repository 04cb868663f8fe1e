package kube

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/plumbline-dev/plumbline/internal/core/apierror"
	"github.com/plumbline-dev/plumbline/internal/core/kinds"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utiljson "k8s.io/apimachinery/pkg/util/json"
)

// Get reads one object. apierrors.IsNotFound is true for the error only when
// the server said that this object does not exist.
func (c *Cluster) Get(ctx context.Context, ref Ref) (*unstructured.Unstructured, error) {
	call, err := ref.get()
	if err != nil {
		return nil, err
	}
	return c.object(ctx, call)
}

// GetMetadata reads the metadata of one object, managed fields included.
func (c *Cluster) GetMetadata(ctx context.Context, ref Ref) (*metav1.PartialObjectMetadata, error) {
	call, err := ref.get()
	if err != nil {
		return nil, err
	}
	return c.metadata(ctx, call)
}

func (r Ref) get() (call, error) {
	out := r.call("get", http.MethodGet)
	if r.Name == "" {
		return call{}, &apierror.RequestError{Verb: "get", Key: out.key(), Err: errors.New("the name is missing")}
	}
	return out, nil
}

// ListOptions narrow a list.
type ListOptions struct {
	Namespace string // empty for all
	Labels    string // label selector
	Fields    string // field selector
	PageSize  int    // 0 means 250
}

var errNotList = errors.New("the answer is not a list")

// List reads all objects of a kind, page by page. It returns all of them or an
// error, never a part. When the server forgot the list half-way it starts
// again once.
func (c *Cluster) List(ctx context.Context, res kinds.Resource, opts ListOptions) ([]*unstructured.Unstructured, error) {
	if opts.PageSize == 0 {
		opts.PageSize = 250
	}
	items, err := c.list(ctx, res, opts)
	if apierrors.IsResourceExpired(err) || apierrors.IsGone(err) {
		return c.list(ctx, res, opts)
	}
	return items, err
}

func (c *Cluster) list(ctx context.Context, res kinds.Resource, opts ListOptions) ([]*unstructured.Unstructured, error) {
	var items []*unstructured.Unstructured
	next := ""
	for {
		call := call{verb: "list", method: http.MethodGet, resource: res, namespace: opts.Namespace, params: map[string]string{
			"labelSelector": opts.Labels,
			"fieldSelector": opts.Fields,
			"limit":         strconv.Itoa(opts.PageSize),
			"continue":      next,
		}}
		raw, err := c.send(ctx, call)
		if err != nil {
			return nil, err
		}
		page, more, err := readPage(raw, res)
		if err != nil {
			return nil, &apierror.RequestError{Verb: "list", Key: call.key(), Err: err}
		}
		items = append(items, page...)
		if next = more; next == "" {
			return items, nil
		}
	}
}

// readPage returns the objects of one page and where the next one begins.
func readPage(raw []byte, res kinds.Resource) ([]*unstructured.Unstructured, string, error) {
	content := map[string]any{}
	if err := utiljson.Unmarshal(raw, &content); err != nil {
		return nil, "", errNotList
	}
	list := &unstructured.UnstructuredList{Object: content}
	rawItems, present := content["items"]
	items, isList := rawItems.([]any)
	if !present || !isList && rawItems != nil || !strings.HasSuffix(list.GetKind(), "List") {
		return nil, "", errNotList
	}
	out := make([]*unstructured.Unstructured, 0, len(items))
	for _, item := range items {
		object, ok := item.(map[string]any)
		if !ok {
			return nil, "", errNotList
		}
		u := &unstructured.Unstructured{Object: object}
		u.SetGroupVersionKind(res.GVK) // lists of built-in kinds leave it out
		out = append(out, u)
	}
	return out, list.GetContinue(), nil
}
