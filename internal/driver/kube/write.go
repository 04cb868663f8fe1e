package kube

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/plumbline-dev/plumbline/internal/core/apierror"
	"github.com/plumbline-dev/plumbline/internal/core/kinds"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
)

// WriteOptions tune a write. The zero value persists and lets the server
// choose how to treat unknown fields.
type WriteOptions struct {
	Manager         string // field manager; required for Apply
	Force           bool   // take fields from other managers; Apply only
	DryRun          bool   // let the server validate and answer without persisting
	Subresource     string // what of the object is written; Patch only
	FieldValidation string // "Strict", "Warn" or "Ignore"; "" means the server's default, "Warn"
}

func (o WriteOptions) params() map[string]string {
	p := map[string]string{"fieldManager": o.Manager, "fieldValidation": o.FieldValidation}
	if o.DryRun {
		p["dryRun"] = metav1.DryRunAll
	}
	return p
}

var errNoManager = errors.New("a field manager is required")

// Apply server-side applies obj and returns it as stored. A field that another
// manager owns is a conflict (apierrors.IsConflict) unless opts.Force.
func (c *Cluster) Apply(ctx context.Context, obj *unstructured.Unstructured, opts WriteOptions) (*unstructured.Unstructured, error) {
	out, _, err := c.ApplyText(ctx, obj, opts)
	return out, err
}

// ApplyText is Apply that also returns the object as the server wrote it, in JSON.
func (c *Cluster) ApplyText(ctx context.Context, obj *unstructured.Unstructured, opts WriteOptions) (*unstructured.Unstructured, []byte, error) {
	call, err := c.about(ctx, "apply", obj)
	if err != nil {
		return nil, nil, err
	}
	if opts.Manager == "" {
		return nil, nil, &apierror.RequestError{Verb: "apply", Key: call.key(), Err: errNoManager}
	}
	call.method, call.content, call.params = http.MethodPatch, types.ApplyPatchType, opts.params()
	call.params["force"] = strconv.FormatBool(opts.Force)
	return c.objectAndText(ctx, call)
}

// Create creates obj, whose name the server makes up when only generateName is
// set, and returns it as stored.
func (c *Cluster) Create(ctx context.Context, obj *unstructured.Unstructured, opts WriteOptions) (*unstructured.Unstructured, error) {
	call, err := c.about(ctx, "create", obj)
	if err != nil {
		return nil, err
	}
	call.method, call.params, call.name = http.MethodPost, opts.params(), ""
	out, err := c.object(ctx, call)
	var failed *apierror.RequestError
	if errors.As(err, &failed) {
		if failed.Key.Name = obj.GetName(); failed.Key.Name == "" {
			failed.Key.Name = obj.GetGenerateName() + "*"
		}
	}
	return out, err
}

// Replace puts obj in place of what is stored, and fails with a conflict when
// obj carries a resource version that is not the stored one.
func (c *Cluster) Replace(ctx context.Context, obj *unstructured.Unstructured, opts WriteOptions) (*unstructured.Unstructured, error) {
	out, _, err := c.ReplaceText(ctx, obj, opts)
	return out, err
}

// ReplaceText is Replace that also returns the object as the server wrote it, in JSON.
func (c *Cluster) ReplaceText(ctx context.Context, obj *unstructured.Unstructured, opts WriteOptions) (*unstructured.Unstructured, []byte, error) {
	call, err := c.about(ctx, "replace", obj)
	if err != nil {
		return nil, nil, err
	}
	call.method, call.params = http.MethodPut, opts.params()
	return c.objectAndText(ctx, call)
}

// about returns the call that sends obj.
func (c *Cluster) about(ctx context.Context, verb string, obj *unstructured.Unstructured) (call, error) {
	gvk := obj.GroupVersionKind()
	out := call{
		verb:      verb,
		resource:  kinds.Resource{GVK: gvk},
		namespace: obj.GetNamespace(),
		name:      obj.GetName(),
	}
	res, err := c.Mapping(ctx, gvk.GroupKind(), gvk.Version)
	if err != nil {
		return call{}, &apierror.RequestError{Verb: verb, Key: out.key(), Err: err}
	}
	out.resource = res
	if out.name == "" && verb != "create" {
		return call{}, &apierror.RequestError{Verb: verb, Key: out.key(), Err: errors.New("the name is missing")}
	}
	if out.body, err = json.Marshal(obj.Object); err != nil {
		return call{}, &apierror.RequestError{Verb: verb, Key: out.key(), Err: errors.New("the object cannot be written as JSON")}
	}
	return out, nil
}

// Patch sends a patch of the given type for one object and returns the object
// as stored.
func (c *Cluster) Patch(ctx context.Context, ref Ref, kind types.PatchType, patch []byte, opts WriteOptions) (*unstructured.Unstructured, error) {
	call := ref.call("patch", http.MethodPatch)
	call.sub = opts.Subresource
	call.content, call.body, call.params = kind, patch, opts.params()
	return c.object(ctx, call)
}

// Ref names one object of a known kind.
type Ref struct {
	Resource  kinds.Resource
	Namespace string // empty for cluster-scoped kinds
	Name      string
}

func (r Ref) call(verb, method string) call {
	return call{verb: verb, method: method, resource: r.Resource, namespace: r.Namespace, name: r.Name}
}

// DeleteOptions say which object is meant and what becomes of its dependents.
type DeleteOptions struct {
	UID             types.UID                  // the object that was seen; required
	ResourceVersion string                     // its state, when that matters
	Propagation     metav1.DeletionPropagation // "" means Background
	DryRun          bool
}

var errNoUID = errors.New("a UID is required, so that no other object is deleted")

// Delete asks for the deletion of one object. It returns nil when the object
// does not exist any more, or will not once its finalizers are done. An object
// of the same name that is another one is a *apierror.PreconditionError.
func (c *Cluster) Delete(ctx context.Context, ref Ref, opts DeleteOptions) error {
	call := ref.call("delete", http.MethodDelete)
	if ref.Name == "" {
		return &apierror.RequestError{Verb: "delete", Key: call.key(), Err: errors.New("the name is missing")}
	}
	if opts.UID == "" {
		return &apierror.RequestError{Verb: "delete", Key: call.key(), Err: errNoUID}
	}
	if opts.Propagation == "" {
		opts.Propagation = metav1.DeletePropagationBackground
	}
	body := metav1.DeleteOptions{
		TypeMeta:          metav1.TypeMeta{APIVersion: "v1", Kind: "DeleteOptions"},
		Preconditions:     &metav1.Preconditions{UID: &opts.UID},
		PropagationPolicy: &opts.Propagation,
	}
	if opts.ResourceVersion != "" {
		body.Preconditions.ResourceVersion = &opts.ResourceVersion
	}
	if opts.DryRun {
		body.DryRun = []string{metav1.DryRunAll}
	}
	raw, err := json.Marshal(body)
	if err != nil {
		return &apierror.RequestError{Verb: "delete", Key: call.key(), Err: err}
	}
	call.body = raw
	_, err = c.send(ctx, call)
	var answer apierrors.APIStatus
	switch {
	case apierrors.IsNotFound(err):
		return nil
	case apierrors.IsConflict(err) && errors.As(err, &answer) && strings.Contains(answer.Status().Message, "recondition"):
		return &apierror.PreconditionError{Key: call.key(), Err: errors.Unwrap(err)}
	}
	return err
}
