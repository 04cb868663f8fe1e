package object

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Limits bound what a Decoder accepts. A zero field means its default.
type Limits struct {
	File      int   // bytes of one file; default DefaultFileLimit
	Depth     int   // nesting of maps and lists; default DefaultDepthLimit
	Expanded  int64 // bytes of all decoded values with aliases expanded; default DefaultExpandedLimit
	Documents int   // of all files together; default DefaultDocumentsLimit
}

// The defaults of Limits. They are far above what an API server accepts, which
// is about 1.5 MiB for one object.
const (
	DefaultFileLimit      = 32 << 20
	DefaultDepthLimit     = 500
	DefaultExpandedLimit  = 256 << 20
	DefaultDocumentsLimit = 100_000
)

// nodeCost is what one value weighs against Limits.Expanded besides its text.
const nodeCost = 16

// A Decoder turns files into manifests and adds up what they weigh, so that
// many files together stay within one limit. The zero value is ready to use.
// It must not be used by two goroutines at once.
type Decoder struct {
	Limits Limits

	// LastKeyWins takes the last of several equal keys of a YAML mapping
	// instead of refusing the file.
	LastKeyWins bool

	spent int64
	seen  int // documents
}

// Decode turns one YAML or JSON file into the objects it declares, in order.
//
// A file may hold many documents; empty ones and those of comments alone are
// left out and not counted. Objects whose kind ends in "List" and that have
// items are replaced by their items. YAML is read as version 1.1, the way
// kubectl reads it: an unquoted yes is true. Whole numbers become int64, others
// float64. The name of the file is used for origins and errors only.
//
// It fails with *DecodeError, which names document and line, when the text is
// not YAML, repeats a key, exceeds a limit or declares something that has no
// apiVersion, kind or name.
func Decode(file string, data []byte) ([]Manifest, error) {
	var d Decoder
	return d.Decode(file, data)
}

// DecodeJSON is Decode for text that must be JSON: one object or several in a row.
func DecodeJSON(file string, data []byte) ([]Manifest, error) {
	var d Decoder
	return d.DecodeJSON(file, data)
}

// Decode is the function Decode within the decoder's limits.
func (d *Decoder) Decode(file string, data []byte) ([]Manifest, error) {
	data, err := d.accept(file, data)
	if err != nil {
		return nil, err
	}
	if looksLikeJSON(data) {
		if docs, err := parseJSON(data); err == nil {
			return d.build(file, docs)
		}
		// "{a: b}" is YAML too, and YAML's messages carry lines.
	}
	b := d.builder(file)
	defer b.close()
	if err := parseYAML(data, !d.LastKeyWins, b.add); err != nil {
		return nil, inFile(file, err)
	}
	return slices.Clip(b.out), nil
}

// DecodeJSON is the function DecodeJSON within the decoder's limits.
func (d *Decoder) DecodeJSON(file string, data []byte) ([]Manifest, error) {
	data, err := d.accept(file, data)
	if err != nil {
		return nil, err
	}
	docs, err := parseJSON(data)
	if err != nil {
		return nil, inFile(file, err)
	}
	return d.build(file, docs)
}

// Manifests makes manifests of values that something else has parsed, with the
// same checks as Decode. Mappings may have keys of any type. The values belong
// to the manifests afterwards.
func (d *Decoder) Manifests(file string, values ...any) ([]Manifest, error) {
	docs := make([]document, len(values))
	for i, v := range values {
		docs[i].value = v
	}
	return d.build(file, docs)
}

var utf8BOM = []byte("\xef\xbb\xbf")

func (d *Decoder) accept(file string, data []byte) ([]byte, error) {
	limit := d.Limits.File
	if limit == 0 {
		limit = DefaultFileLimit
	}
	if len(data) > limit {
		return nil, &DecodeError{File: file, Problem: ProblemLimit, Detail: fmt.Sprintf("has %d bytes, more than the limit of %d", len(data), limit)}
	}
	if bytes.HasPrefix(data, []byte("\xff\xfe")) || bytes.HasPrefix(data, []byte("\xfe\xff")) {
		return nil, &DecodeError{File: file, Problem: ProblemSyntax, Detail: "is UTF-16 text; save it as UTF-8"}
	}
	return bytes.TrimPrefix(data, utf8BOM), nil
}

// document is one parsed document of a file.
type document struct {
	value any // as the parser gave it; nil for an empty document
	line  int // where it begins, from 1
}

// build makes manifests of parsed documents.
func (d *Decoder) build(file string, docs []document) ([]Manifest, error) {
	b := d.builder(file)
	defer b.close()
	for _, doc := range docs {
		if err := b.add(doc); err != nil {
			return nil, err
		}
	}
	return slices.Clip(b.out), nil
}

// builder makes manifests of the documents of one file, one by one, so that a
// bad one ends the work on the file.
type builder struct {
	d     *Decoder
	file  string
	n     normaliser
	docs  int // limit
	index int
	out   []Manifest
}

func (d *Decoder) builder(file string) *builder {
	b := &builder{d: d, file: file, docs: d.Limits.Documents}
	b.n = normaliser{depthLimit: d.Limits.Depth, limit: d.Limits.Expanded, spent: d.spent}
	if b.n.depthLimit == 0 {
		b.n.depthLimit = DefaultDepthLimit
	}
	if b.n.limit == 0 {
		b.n.limit = DefaultExpandedLimit
	}
	if b.docs == 0 {
		b.docs = DefaultDocumentsLimit
	}
	return b
}

func (b *builder) close() { b.d.spent = b.n.spent }

func (b *builder) add(doc document) error {
	b.d.seen++
	if b.d.seen > b.docs {
		return b.fail(doc, limitError("brings the number of documents above the limit of %d", b.docs))
	}
	if doc.value == nil {
		return nil
	}
	value, err := b.n.value(doc.value, 0)
	if err != nil {
		return b.fail(doc, err)
	}
	content, ok := value.(map[string]any)
	if !ok {
		return b.fail(doc, fmt.Errorf("is %s, not a Kubernetes object", nameOf(value)))
	}
	b.out, err = flatten(b.out, content, Origin{File: b.file, Index: b.index})
	if err != nil {
		return b.fail(doc, err)
	}
	b.index++
	return nil
}

func (b *builder) fail(doc document, err error) error {
	problem := ProblemNotObject
	if p, ok := errors.AsType[*problemError](err); ok {
		problem = p.problem
	}
	return &DecodeError{File: b.file, Document: b.index, Line: doc.line, Problem: problem, Detail: err.Error()}
}

// flatten appends the object, or the items when it is a list.
func flatten(out []Manifest, content map[string]any, origin Origin) ([]Manifest, error) {
	items, isList, err := itemsOf(content)
	if err != nil {
		return nil, err
	}
	if !isList {
		if err := check(content); err != nil {
			return nil, err
		}
		return append(out, Manifest{Object: &unstructured.Unstructured{Object: content}, Origin: origin}), nil
	}
	for i, item := range items {
		if item == nil {
			continue
		}
		m, ok := item.(map[string]any)
		if !ok {
			return nil, fmt.Errorf("items[%d] is %s, not a Kubernetes object", i, nameOf(item))
		}
		inherit(m, content)
		if out, err = flatten(out, m, origin); err != nil {
			return nil, fmt.Errorf("items[%d]: %w", i, err)
		}
	}
	return out, nil
}

// itemsOf tells a list from an object. A kind of one's own may end in "List"
// without being one; what decides is that it has items.
func itemsOf(content map[string]any) (items []any, isList bool, err error) {
	kind, _ := content["kind"].(string)
	if !strings.HasSuffix(kind, "List") {
		return nil, false, nil
	}
	raw, has := content["items"]
	items, isList = raw.([]any)
	if isList || !has && kind != "List" {
		return items, isList, nil
	}
	if raw == nil {
		return nil, true, nil
	}
	if kind != "List" {
		return nil, false, nil
	}
	return nil, false, fmt.Errorf("items is %s, want a list", nameOf(raw))
}

// inherit gives an item of a typed list the kind it has by being in the list.
func inherit(item, list map[string]any) {
	kind, _ := list["kind"].(string)
	if kind == "List" {
		return
	}
	if _, has := item["kind"]; !has {
		item["kind"] = strings.TrimSuffix(kind, "List")
	}
	if _, has := item["apiVersion"]; !has {
		item["apiVersion"] = list["apiVersion"]
	}
}

// check refuses what no API server takes and what the engine could misread:
// labels or annotations that are not text would silently count as none.
func check(content map[string]any) error {
	for _, field := range []string{"apiVersion", "kind"} {
		if err := wantText(content, field, field); err != nil {
			return err
		}
	}
	raw, has := content["metadata"]
	if !has || raw == nil {
		return fmt.Errorf("%s has no metadata.name", content["kind"])
	}
	meta, ok := raw.(map[string]any)
	if !ok {
		return fmt.Errorf("metadata is %s, want a mapping", nameOf(raw))
	}
	nameField := "name"
	if _, has := meta["name"]; !has && meta["generateName"] != nil {
		nameField = "generateName"
	}
	if err := wantText(meta, nameField, "metadata."+nameField); err != nil {
		return fmt.Errorf("%s %w", content["kind"], err)
	}
	if ns := meta["namespace"]; ns != nil {
		if _, ok := ns.(string); !ok {
			return fmt.Errorf("%s %q: metadata.namespace is %s, want text; put it in quotes", content["kind"], meta[nameField], nameOf(ns))
		}
	}
	for _, field := range []string{"labels", "annotations"} {
		if err := wantTextMap(meta, field); err != nil {
			return fmt.Errorf("%s %q: %w", content["kind"], meta[nameField], err)
		}
	}
	return nil
}

func wantText(m map[string]any, key, path string) error {
	v, has := m[key]
	text, ok := v.(string)
	switch {
	case !has || v == nil || ok && text == "":
		return fmt.Errorf("has no %s", path)
	case !ok:
		return fmt.Errorf("%s is %s, want text; put it in quotes", path, nameOf(v))
	}
	return nil
}

// wantTextMap also turns null into "" the way the API server's decoder does.
func wantTextMap(meta map[string]any, field string) error {
	raw := meta[field]
	if raw == nil {
		return nil
	}
	m, ok := raw.(map[string]any)
	if !ok {
		return fmt.Errorf("metadata.%s is %s, want a mapping", field, nameOf(raw))
	}
	var wrong []string
	for k, v := range m {
		switch v.(type) {
		case string:
		case nil:
			m[k] = ""
		default:
			wrong = append(wrong, k)
		}
	}
	if len(wrong) == 0 {
		return nil
	}
	first := slices.Min(wrong)
	return fmt.Errorf("metadata.%s[%q] is %s, want text; put it in quotes", field, first, nameOf(m[first]))
}

// nameOf names the type of a decoded value in a user's words.
func nameOf(v any) string {
	switch v.(type) {
	case nil:
		return "empty"
	case map[string]any, map[any]any:
		return "a mapping"
	case []any:
		return "a list"
	case string:
		return "plain text"
	case bool:
		return "a boolean"
	case int64, float64:
		return "a number"
	}
	return fmt.Sprintf("a %T", v)
}
