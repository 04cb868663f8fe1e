// Package object names Kubernetes objects, decodes them from files and keeps
// the list of what an application owns.
//
// In go bytes and unstructured objects; out come keys, manifests that remember
// the file they came from, and inventories. It never talks to an API server and
// never changes an object it was given.
package object

import (
	"cmp"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Key identifies an object in a cluster regardless of its API version.
type Key struct {
	Group     string `json:"group,omitempty"`
	Kind      string `json:"kind"`
	Namespace string `json:"namespace,omitempty"` // empty for cluster-scoped objects
	Name      string `json:"name"`
}

// KeyOf returns the key of obj as it is written, without defaulting its namespace.
func KeyOf(obj *unstructured.Unstructured) Key {
	gvk := obj.GroupVersionKind()
	return Key{Group: gvk.Group, Kind: gvk.Kind, Namespace: obj.GetNamespace(), Name: obj.GetName()}
}

// GroupKind returns the kind part of the key.
func (k Key) GroupKind() schema.GroupKind {
	return schema.GroupKind{Group: k.Group, Kind: k.Kind}
}

// String returns "apps/Deployment shop/api", "v1/Service shop/api" style text:
// the group is left out for core kinds and the namespace for cluster-scoped ones.
func (k Key) String() string {
	var b strings.Builder
	if k.Group != "" {
		b.WriteString(k.Group)
		b.WriteByte('/')
	}
	b.WriteString(k.Kind)
	b.WriteByte(' ')
	if k.Namespace != "" {
		b.WriteString(k.Namespace)
		b.WriteByte('/')
	}
	b.WriteString(k.Name)
	return b.String()
}

// Compare orders keys by group, kind, namespace and name.
func (k Key) Compare(other Key) int {
	return cmp.Or(
		cmp.Compare(k.Group, other.Group),
		cmp.Compare(k.Kind, other.Kind),
		cmp.Compare(k.Namespace, other.Namespace),
		cmp.Compare(k.Name, other.Name),
	)
}

// Origin says where in a source a manifest was written.
type Origin struct {
	File  string `json:"file,omitempty"`  // slash-separated, relative to the root of the source
	Index int    `json:"index,omitempty"` // document within the file, from 0
}

// Manifest is a desired object and where it came from. The object is shared
// and must not be changed; DeepCopy it first.
type Manifest struct {
	Object *unstructured.Unstructured
	Origin Origin
}

// Key returns the key of the manifest's object.
func (m Manifest) Key() Key { return KeyOf(m.Object) }
