// Package schema holds the structural types of a destination's kinds.
//
// In go OpenAPI v3 documents as a Kubernetes API server publishes them, one per
// group and version; out come type converters that know which lists are keyed,
// which maps are atomic and which fields exist. A set for the Kubernetes version
// the project is built against is embedded for use without a cluster. The
// package never talks to a server, never changes a document it was given and
// knows nothing about the scope of a kind.
package schema

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/managedfields"
)

// Converter turns objects of the kinds of one document into typed values and back.
type Converter = managedfields.TypeConverter

// Set is the structural types known of one destination. A Set is immutable and
// safe for concurrent use: With, Without and WithUntyped return a new Set that
// shares every other document. The nil Set and the zero Set are empty.
type Set struct {
	documents map[schema.GroupVersion]*document
	untyped   map[schema.GroupVersionKind]bool
}

// MissingError reports a kind of which the set has no structural type.
type MissingError struct {
	Kind schema.GroupVersionKind

	// Documented is true when the document of the group and version is present
	// but does not describe the kind, which means the server does not serve it.
	Documented bool
}

func (e *MissingError) Error() string {
	gv := e.Kind.GroupVersion().String()
	if e.Documented {
		return fmt.Sprintf("kind %q: not in the schema document of %s", e.Kind.Kind, gv)
	}
	return fmt.Sprintf("kind %q: no schema document for %s", e.Kind.Kind, gv)
}

// With returns a set in which the document of gv is doc, the bytes a server
// serves at /openapi/v3/apis/<group>/<version> or /openapi/v3/api/v1. Documents
// may be bare: only components.schemas is read. When the set already holds these
// very bytes for gv, the set itself is returned.
//
// It fails when doc is larger than MaxDocument, is not JSON or describes types
// that are not structural.
func (s *Set) With(gv schema.GroupVersion, doc []byte) (*Set, error) {
	hash := hashOf(doc)
	if held := s.document(gv); held != nil && held.hash == hash {
		return s, nil
	}
	d, err := parse(doc, hash)
	if err != nil {
		return nil, fmt.Errorf("schema document of %s: %w", gv, err)
	}
	return s.replace(gv, d), nil
}

// Without returns a set that no longer holds the document of gv, nor the
// untyped kinds of it.
func (s *Set) Without(gv schema.GroupVersion) *Set {
	out := s.clone()
	delete(out.documents, gv)
	maps.DeleteFunc(out.untyped, func(gvk schema.GroupVersionKind, _ bool) bool { return gvk.GroupVersion() == gv })
	return out
}

// WithUntyped returns a set that treats gvk as a kind without a schema: every
// list and every leaf is taken as a whole. Use it for custom resources that are
// served although no document describes them; a document that does wins.
func (s *Set) WithUntyped(gvk schema.GroupVersionKind) *Set {
	out := s.clone()
	out.untyped[gvk] = true
	return out
}

// Converter returns the converter for objects of gvk. It fails with
// *MissingError when nothing is known of the kind.
func (s *Set) Converter(gvk schema.GroupVersionKind) (Converter, error) {
	d := s.document(gvk.GroupVersion())
	if d != nil {
		converter, kinds, err := d.types()
		if err != nil {
			return nil, fmt.Errorf("schema document of %s: %w", gvk.GroupVersion(), err)
		}
		if kinds[gvk] {
			return converter, nil
		}
	}
	if s != nil && s.untyped[gvk] {
		return managedfields.NewDeducedTypeConverter(), nil
	}
	return nil, &MissingError{Kind: gvk, Documented: d != nil}
}

// Hash identifies the bytes of the document of gv: equal hashes mean equal
// types. It is empty when the set has no such document. Digests of anything
// that was decided with the help of the document include it.
func (s *Set) Hash(gv schema.GroupVersion) string {
	if d := s.document(gv); d != nil {
		return d.hash
	}
	return ""
}

// GroupVersions lists the documents of the set, sorted.
func (s *Set) GroupVersions() []schema.GroupVersion {
	if s == nil {
		return nil
	}
	return slices.SortedFunc(maps.Keys(s.documents), func(a, b schema.GroupVersion) int {
		return strings.Compare(a.String(), b.String())
	})
}

func (s *Set) document(gv schema.GroupVersion) *document {
	if s == nil {
		return nil
	}
	return s.documents[gv]
}

func (s *Set) replace(gv schema.GroupVersion, d *document) *Set {
	out := s.clone()
	out.documents[gv] = d
	return out
}

func (s *Set) clone() *Set {
	out := &Set{documents: map[schema.GroupVersion]*document{}, untyped: map[schema.GroupVersionKind]bool{}}
	if s != nil {
		maps.Copy(out.documents, s.documents)
		maps.Copy(out.untyped, s.untyped)
	}
	return out
}
