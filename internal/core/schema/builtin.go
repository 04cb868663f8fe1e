package schema

import (
	"bytes"
	"compress/gzip"
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"sync"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/kube-openapi/pkg/validation/spec"
)

//go:generate go run builtin_gen.go -version v1.37.2 -out builtin.json.gz ${OPENAPI_V3_DIR}

//go:embed builtin.json.gz
var builtinBytes []byte

// catalogue is the content of the embedded file: every type of one Kubernetes
// version by name, without descriptions.
type catalogue struct {
	Version string                     `json:"version"`
	Schemas map[string]json.RawMessage `json:"schemas"`
}

// Builtin returns the types of the kinds that Kubernetes itself brings, at
// BuiltinVersion, for use without a cluster. A group and version is parsed when
// its first converter is asked for.
func Builtin() *Set { return builtin().set }

// BuiltinVersion is the Kubernetes version whose types Builtin holds.
func BuiltinVersion() string { return builtin().version }

type builtinSet struct {
	set     *Set
	version string
}

var builtin = sync.OnceValue(func() builtinSet {
	c, err := readCatalogue(builtinBytes)
	if err != nil {
		panic("schema: the embedded catalogue is damaged: " + err.Error()) // a build fault; a test reads it
	}
	set := (&Set{}).clone()
	hash := hashOf(builtinBytes)
	for gv, roots := range c.roots() {
		load := func() (map[string]*spec.Schema, error) { return c.closure(roots) }
		set.documents[gv] = &document{hash: hash, load: load}
	}
	return builtinSet{set: set, version: c.Version}
})

func readCatalogue(packed []byte) (catalogue, error) {
	var c catalogue
	r, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return c, err
	}
	raw, err := io.ReadAll(r)
	if err != nil {
		return c, err
	}
	return c, json.Unmarshal(raw, &c)
}

// roots returns the names of the types that are kinds, by group and version.
func (c catalogue) roots() map[schema.GroupVersion][]string {
	marker := []byte(kindExtension)
	out := map[schema.GroupVersion][]string{}
	for name, raw := range c.Schemas {
		if !bytes.Contains(raw, marker) {
			continue
		}
		var kind struct {
			Kinds []any `json:"x-kubernetes-group-version-kind"`
		}
		if json.Unmarshal(raw, &kind) != nil {
			continue
		}
		for _, item := range kind.Kinds {
			if gvk, ok := kindOf(item); ok {
				out[gvk.GroupVersion()] = append(out[gvk.GroupVersion()], name)
			}
		}
	}
	return out
}

// closure parses the named types and every type they refer to.
func (c catalogue) closure(names []string) (map[string]*spec.Schema, error) {
	raws := map[string]json.RawMessage{}
	for len(names) > 0 {
		name := names[len(names)-1]
		names = names[:len(names)-1]
		raw, ok := c.Schemas[name]
		if _, seen := raws[name]; seen || !ok {
			continue
		}
		raws[name] = raw
		names = append(names, references(raw)...)
	}
	out := make(map[string]*spec.Schema, len(raws))
	for name, raw := range raws {
		var s spec.Schema
		if err := json.Unmarshal(raw, &s); err != nil {
			return nil, fmt.Errorf("type %q: %w", name, err)
		}
		out[name] = &s
	}
	return out, nil
}

func references(raw []byte) []string {
	const prefix = `"$ref":"#/components/schemas/`
	var names []string
	for rest := string(raw); ; {
		_, after, found := strings.Cut(rest, prefix)
		if !found {
			return names
		}
		name, next, _ := strings.Cut(after, `"`)
		names, rest = append(names, name), next
	}
}
