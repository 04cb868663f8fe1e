package object

import (
	"fmt"
	"slices"
)

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
