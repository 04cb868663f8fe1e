package object

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

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
