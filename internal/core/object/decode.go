package object

import (
	"bytes"
	"fmt"
	"slices"
)

// Limits bound what a Decoder accepts. A zero field means its default.
type Limits struct {
	File      int   // bytes of one file; default DefaultFileLimit
	Depth     int   // nesting of maps and lists; default DefaultDepthLimit
	Expanded  int64 // bytes of all decoded values with aliases expanded; default DefaultExpandedLimit
	Documents int   // of all files together; default DefaultDocumentsLimit
}

// Keys says what becomes of equal keys in a mapping.
type Keys int

// What may become of them.
const (
	UniqueKeys  Keys = iota // they are an error
	LastKeyWins             // the last one counts
)

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

	// Keys says what becomes of equal keys in a YAML mapping.
	Keys Keys

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
	if err := parseYAML(data, d.Keys, b.add); err != nil {
		return nil, inFile(file, err)
	}
	return slices.Clip(b.out), nil
}

// DecodeJSON is the function DecodeJSON within the decoder's limits.
func (d *Decoder) DecodeJSON(file string, data []byte) ([]Manifest, error) {
	docs, err := d.documents(file, data)
	if err != nil {
		return nil, err
	}
	return d.build(file, docs)
}

// DecodeJSONList is DecodeJSON for a text that may hold lists of objects as well.
// Nulls, also in a list, are nothing.
func (d *Decoder) DecodeJSONList(file string, data []byte) ([]Manifest, error) {
	docs, err := d.documents(file, data)
	if err != nil {
		return nil, err
	}
	var out []document
	for _, doc := range docs {
		list, isList := doc.value.([]any)
		if !isList {
			out = append(out, doc)
		}
		for _, v := range list {
			out = append(out, document{value: v, line: doc.line})
		}
	}
	return d.build(file, out)
}

// documents are the values of a JSON text.
func (d *Decoder) documents(file string, data []byte) ([]document, error) {
	data, err := d.accept(file, data)
	if err != nil {
		return nil, err
	}
	docs, err := parseJSON(data)
	if err != nil {
		return nil, inFile(file, err)
	}
	return docs, nil
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
