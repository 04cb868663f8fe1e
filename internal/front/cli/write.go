package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// Output formats.
const (
	formatText    = "text"
	formatYAML    = "yaml"
	formatJSON    = "json"
	formatWide    = "wide"
	formatUnified = "unified"
)

// writeValue prints a value as JSON or YAML, with its JSON names.
func writeValue(w io.Writer, format string, v any) error {
	if format == formatYAML {
		text, err := yaml.Marshal(v)
		if err != nil {
			return err
		}
		_, err = w.Write(text)
		return err
	}
	text, err := indented(v)
	if err != nil {
		return err
	}
	_, err = w.Write(text)
	return err
}

func indented(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// writeObjects prints objects as YAML documents, or as JSON: the object itself
// for one, a List otherwise.
func writeObjects(w io.Writer, format string, objects []*unstructured.Unstructured) error {
	if format == formatYAML {
		for _, obj := range objects {
			text, err := objectYAML(obj)
			if err != nil {
				return err
			}
			if _, err := fmt.Fprintf(w, "---\n%s", text); err != nil {
				return err
			}
		}
		return nil
	}
	if len(objects) == 1 {
		return writeValue(w, formatJSON, objects[0].Object)
	}
	items := make([]any, len(objects))
	for i, obj := range objects {
		items[i] = obj.Object
	}
	return writeValue(w, formatJSON, map[string]any{"apiVersion": "v1", "kind": "List", "items": items})
}

func objectYAML(obj *unstructured.Unstructured) (string, error) {
	text, err := yaml.Marshal(obj.Object)
	if err != nil {
		return "", fmt.Errorf("%s %s: %w", obj.GetKind(), obj.GetName(), err)
	}
	return string(text), nil
}
