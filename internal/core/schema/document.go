package schema

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/managedfields"
	"k8s.io/kube-openapi/pkg/validation/spec"
)

// MaxDocument is the size in bytes of the largest document a Set accepts. The
// largest one of Kubernetes itself is below 3 MiB.
const MaxDocument = 64 << 20

const kindExtension = "x-kubernetes-group-version-kind"

// document is the types of one group and version. They are built once, on first
// use, from the schemas that load returns.
type document struct {
	hash string
	load func() (map[string]*spec.Schema, error)

	once      sync.Once
	converter Converter
	kinds     map[schema.GroupVersionKind]bool
	err       error
}

// parse reads doc at once, so that a malformed document is refused where it
// arrives and its bytes need not be kept.
func parse(doc []byte, hash string) (*document, error) {
	if len(doc) > MaxDocument {
		return nil, fmt.Errorf("too large: %d bytes, at most %d", len(doc), MaxDocument)
	}
	var body struct {
		Components struct {
			Schemas map[string]*spec.Schema `json:"schemas"`
		} `json:"components"`
	}
	if err := json.Unmarshal(doc, &body); err != nil {
		return nil, fmt.Errorf("not an OpenAPI document: %w", err)
	}
	d := &document{hash: hash, load: func() (map[string]*spec.Schema, error) { return body.Components.Schemas, nil }}
	if _, _, err := d.types(); err != nil {
		return nil, err
	}
	return d, nil
}

func (d *document) types() (Converter, map[schema.GroupVersionKind]bool, error) {
	d.once.Do(func() {
		schemas, err := d.load()
		d.load = nil
		if err == nil {
			d.converter, err = convert(schemas)
		}
		d.kinds, d.err = kindsOf(schemas), err
	})
	return d.converter, d.kinds, d.err
}

func convert(schemas map[string]*spec.Schema) (Converter, error) {
	for name, s := range schemas {
		if s == nil {
			return nil, fmt.Errorf("type %q: is null", name)
		}
	}
	converter, err := managedfields.NewTypeConverter(schemas, false)
	if err != nil {
		return nil, errors.New(strings.ReplaceAll(err.Error(), "\n", "; "))
	}
	return converter, nil
}

func kindsOf(schemas map[string]*spec.Schema) map[schema.GroupVersionKind]bool {
	kinds := map[schema.GroupVersionKind]bool{}
	for _, s := range schemas {
		if s == nil {
			continue
		}
		list, _ := s.Extensions[kindExtension].([]any)
		for _, item := range list {
			if gvk, ok := kindOf(item); ok {
				kinds[gvk] = true
			}
		}
	}
	return kinds
}

func kindOf(item any) (schema.GroupVersionKind, bool) {
	m, ok := item.(map[string]any)
	if !ok {
		return schema.GroupVersionKind{}, false
	}
	group, okGroup := m["group"].(string)
	version, okVersion := m["version"].(string)
	kind, okKind := m["kind"].(string)
	gvk := schema.GroupVersionKind{Group: group, Version: version, Kind: kind}
	return gvk, okGroup && okVersion && okKind && kind != ""
}

func hashOf(doc []byte) string {
	sum := sha256.Sum256(doc)
	return hex.EncodeToString(sum[:16])
}
