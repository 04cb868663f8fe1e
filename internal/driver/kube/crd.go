package kube

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/plumbline-dev/plumbline/internal/core/apierror"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/yaml"
)

// DigestAnnotation holds the digest of the manifest that a
// CustomResourceDefinition was last applied from.
const DigestAnnotation = "plumbline.dev/applied-digest"

var crdKind = schema.GroupKind{Group: "apiextensions.k8s.io", Kind: "CustomResourceDefinition"}

// EnsureCRD brings the CustomResourceDefinitions in manifest, YAML documents,
// into the cluster under the field manager and waits until they are served. A
// definition that was applied from the same text before is read and not
// written. It waits for as long as ctx lasts.
func (c *Cluster) EnsureCRD(ctx context.Context, manifest []byte, manager string) error {
	crds, err := readCRDs(manifest)
	if err != nil {
		return err
	}
	res, err := c.Mapping(ctx, crdKind, "v1")
	if err != nil {
		return err
	}
	for _, crd := range crds {
		ref := Ref{Resource: res, Name: crd.GetName()}
		live, err := c.Get(ctx, ref)
		if err != nil && !apierrors.IsNotFound(err) {
			return err
		}
		if err != nil || live.GetAnnotations()[DigestAnnotation] != crd.GetAnnotations()[DigestAnnotation] {
			if live, err = c.Apply(ctx, crd, WriteOptions{Manager: manager, Force: true}); err != nil {
				return err
			}
			c.Invalidate()
		}
		if err := c.established(ctx, ref, live); err != nil {
			return err
		}
	}
	return nil
}

// readCRDs reads the documents and stamps each with its digest.
func readCRDs(manifest []byte) ([]*unstructured.Unstructured, error) {
	var crds []*unstructured.Unstructured
	decoder := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(manifest), 4096)
	for n := 0; ; n++ {
		content := map[string]any{}
		err := decoder.Decode(&content)
		if errors.Is(err, io.EOF) {
			return crds, nil
		}
		if err != nil {
			return nil, fmt.Errorf("custom resource definitions: document %d: %s", n, apierror.OneLine(err.Error()))
		}
		if len(content) == 0 {
			continue
		}
		crd := &unstructured.Unstructured{Object: content}
		if crd.GroupVersionKind() != crdKind.WithVersion("v1") || crd.GetName() == "" {
			return nil, fmt.Errorf("custom resource definitions: document %d: it is %s %q", n, crd.GroupVersionKind(), crd.GetName())
		}
		delete(content, "status")
		raw, err := json.Marshal(content)
		if err != nil {
			return nil, fmt.Errorf("custom resource definitions: document %d: %w", n, err)
		}
		sum := sha256.Sum256(raw)
		annotations := crd.GetAnnotations()
		if annotations == nil {
			annotations = map[string]string{}
		}
		annotations[DigestAnnotation] = hex.EncodeToString(sum[:])
		crd.SetAnnotations(annotations)
		crds = append(crds, crd)
	}
}

// established waits until the server serves the definition that ref names,
// which live is the last known state of.
func (c *Cluster) established(ctx context.Context, ref Ref, live *unstructured.Unstructured) error {
	wrap := func(err error) error {
		return &apierror.RequestError{Verb: "establish", Key: ref.call("", "").key(), Err: err}
	}
	for {
		done, err := settled(live)
		if err != nil {
			return wrap(err)
		}
		if done {
			return nil
		}
		if live, err = c.next(ctx, ref, live); err != nil {
			if ctx.Err() != nil {
				return wrap(fmt.Errorf("the server does not serve it yet: %w", ctx.Err()))
			}
			return wrap(err)
		}
	}
}

// settled reports whether the definition is established, and an error when its
// names are taken, which waiting does not mend.
func settled(crd *unstructured.Unstructured) (bool, error) {
	conditions, _, _ := unstructured.NestedSlice(crd.Object, "status", "conditions")
	done := false
	for _, c := range conditions {
		condition, _ := c.(map[string]any)
		switch {
		case condition["type"] == "Established" && condition["status"] == "True":
			done = true
		case condition["type"] == "NamesAccepted" && condition["status"] == "False":
			return false, fmt.Errorf("its names are not accepted: %v", condition["message"])
		}
	}
	return done, nil
}

// next waits for the change after live, or reads again when the watch ends.
func (c *Cluster) next(ctx context.Context, ref Ref, live *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	gvr := ref.Resource.GVR
	body, err := c.client.Get().AbsPath("apis", gvr.Group, gvr.Version, gvr.Resource).
		Param("watch", "true").
		Param("fieldSelector", "metadata.name="+ref.Name).
		Param("resourceVersion", live.GetResourceVersion()).
		Param("timeoutSeconds", "60").
		Stream(ctx)
	if err != nil {
		if apierrors.IsGone(err) || apierrors.IsResourceExpired(err) {
			return c.Get(ctx, ref)
		}
		return nil, err
	}
	defer body.Close()
	var event struct {
		Type   string         `json:"type"`
		Object map[string]any `json:"object"`
	}
	if json.NewDecoder(body).Decode(&event) != nil || (event.Type != "ADDED" && event.Type != "MODIFIED") {
		// The watch ended; not faster than this, should it always end at once.
		if err := sleep(ctx, settleFor); err != nil {
			return nil, err
		}
		return c.Get(ctx, ref)
	}
	return &unstructured.Unstructured{Object: event.Object}, nil
}
