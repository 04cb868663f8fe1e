package kube

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"

	"github.com/plumbline-dev/plumbline/internal/core/apierror"
	"github.com/plumbline-dev/plumbline/internal/core/kinds"
	"github.com/plumbline-dev/plumbline/internal/core/object"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	"k8s.io/client-go/rest"
)

// errNotObject does not wrap the parser's error, which quotes the answer.
var errNotObject = errors.New("the answer is not a JSON object")

// call is one request about one object or one kind.
type call struct {
	verb      string // as errors name it
	method    string
	resource  kinds.Resource
	namespace string
	name      string // empty for the collection
	sub       string // subresource; empty: the object itself
	params    map[string]string
	content   types.PatchType
	accept    string
	body      []byte
}

func (c call) key() object.Key {
	return object.Key{Group: c.resource.GVK.Group, Kind: c.resource.GVK.Kind, Namespace: c.namespace, Name: c.name}
}

// path returns the path of the call. Names come from manifests, so a name
// that would lead elsewhere is refused.
func (c call) path() ([]string, error) {
	gvr := c.resource.GVR
	path := []string{"apis", gvr.Group, gvr.Version}
	if gvr.Group == "" {
		path = []string{"api", gvr.Version}
	}
	if c.resource.Namespaced && (c.namespace != "" || c.method != http.MethodGet || c.name != "") {
		if err := segment("namespace", c.namespace); err != nil {
			return nil, err
		}
		path = append(path, "namespaces", c.namespace)
	}
	path = append(path, gvr.Resource)
	if c.name != "" {
		if err := segment("name", c.name); err != nil {
			return nil, err
		}
		path = append(path, c.name)
	}
	if c.sub != "" {
		path = append(path, c.sub)
	}
	return path, nil
}

func segment(what, value string) error {
	if value == "" {
		return fmt.Errorf("the %s is missing", what)
	}
	if reasons := rest.IsValidPathSegmentName(value); len(reasons) > 0 {
		return fmt.Errorf("%s %q: %s", what, value, reasons[0])
	}
	return nil
}

// send performs the call and returns the body of the answer. The request's
// body is not pooled: a transport may read it after the answer came.
func (c *Cluster) send(ctx context.Context, call call) ([]byte, error) {
	path, err := call.path()
	if err != nil {
		return nil, &apierror.RequestError{Verb: call.verb, Key: call.key(), Err: err}
	}
	ctx, cancel := context.WithTimeout(ctx, c.options.Timeout)
	defer cancel()
	req := c.client.Verb(call.method).AbsPath(path...)
	for _, name := range slices.Sorted(maps.Keys(call.params)) {
		if value := call.params[name]; value != "" {
			req = req.Param(name, value)
		}
	}
	if call.accept != "" {
		req = req.SetHeader("Accept", call.accept)
	}
	if call.body != nil {
		content := string(call.content)
		if content == "" {
			content = "application/json"
		}
		req = req.SetHeader("Content-Type", content).Body(call.body)
	}
	result := req.Do(ctx)
	if err := result.Error(); err != nil {
		return nil, c.explain(call, err)
	}
	raw, err := result.Raw()
	if err != nil {
		return nil, c.explain(call, err)
	}
	return raw, nil
}

// explain ties err to what was asked. A 404 that does not speak of the object
// is never passed on as "not found".
func (c *Cluster) explain(call call, err error) error {
	if apierror.LacksKind(err) {
		c.Invalidate()
		gvk := call.resource.GVK
		return &apierror.RequestError{Verb: call.verb, Key: call.key(), Err: &kinds.UnknownKindError{GroupKind: gvk.GroupKind(), Version: gvk.Version}}
	}
	return &apierror.RequestError{Verb: call.verb, Key: call.key(), Err: err}
}

// object performs the call and decodes the object in the answer.
func (c *Cluster) object(ctx context.Context, call call) (*unstructured.Unstructured, error) {
	obj, _, err := c.objectAndText(ctx, call)
	return obj, err
}

// objectAndText is object that also returns the answer as the server wrote it.
func (c *Cluster) objectAndText(ctx context.Context, call call) (*unstructured.Unstructured, []byte, error) {
	raw, err := c.send(ctx, call)
	if err != nil {
		return nil, nil, err
	}
	content := map[string]any{}
	if err := utiljson.Unmarshal(raw, &content); err != nil {
		return nil, nil, &apierror.RequestError{Verb: call.verb, Key: call.key(), Err: errNotObject}
	}
	obj := &unstructured.Unstructured{Object: content}
	if obj.GetKind() != call.resource.GVK.Kind || (call.name != "" && obj.GetName() != call.name) {
		err := fmt.Errorf("the answer is another object: %s %q", obj.GetKind(), obj.GetName())
		return nil, nil, &apierror.RequestError{Verb: call.verb, Key: call.key(), Err: err}
	}
	return obj, raw, nil
}

// metadata performs the call and decodes the metadata in the answer.
func (c *Cluster) metadata(ctx context.Context, call call) (*metav1.PartialObjectMetadata, error) {
	call.accept = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
	raw, err := c.send(ctx, call)
	if err != nil {
		return nil, err
	}
	out := &metav1.PartialObjectMetadata{}
	if err := utiljson.Unmarshal(raw, out); err != nil {
		return nil, &apierror.RequestError{Verb: call.verb, Key: call.key(), Err: errNotObject}
	}
	if out.Name != call.name || out.UID == "" {
		err := fmt.Errorf("the answer is another object: %q", out.Name)
		return nil, &apierror.RequestError{Verb: call.verb, Key: call.key(), Err: err}
	}
	out.SetGroupVersionKind(call.resource.GVK)
	return out, nil
}
