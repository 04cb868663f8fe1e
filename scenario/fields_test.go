package scenario

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// lay sets path=value pairs; values are JSON where they can be, and text otherwise.
func lay(obj map[string]any, pairs []string) error {
	for _, pair := range pairs {
		path, text, ok := strings.Cut(pair, "=")
		if !ok {
			return fmt.Errorf("%q is not path=value", pair)
		}
		value := parse(path, text)
		if _, err := assign(obj, steps(path), whole(value)); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	return nil
}

// parse reads a value as JSON where it can be; labels and annotations are texts.
func parse(path, text string) any {
	var value any
	if json.Unmarshal([]byte(text), &value) != nil {
		return text
	}
	if value != nil && (strings.Contains(path, "annotations.") || strings.Contains(path, "labels.")) {
		return text
	}
	return value
}

// whole turns numbers without a fraction into integers, as objects have them.
func whole(value any) any {
	switch v := value.(type) {
	case float64:
		if v == float64(int64(v)) {
			return int64(v)
		}
	case map[string]any:
		for k := range v {
			v[k] = whole(v[k])
		}
	case []any:
		for i := range v {
			v[i] = whole(v[i])
		}
	}
	return value
}

// steps splits a path at dots; "\." is a dot within a step.
func steps(path string) []string {
	const dot = "\x00"
	parts := strings.Split(strings.ReplaceAll(path, `\.`, dot), ".")
	for i := range parts {
		parts[i] = strings.ReplaceAll(parts[i], dot, ".")
	}
	return parts
}

// assign sets value at path below node and returns the node; nil removes.
func assign(node any, path []string, value any) (any, error) {
	if len(path) == 0 {
		return value, nil
	}
	if node == nil {
		node = map[string]any{}
	}
	switch n := node.(type) {
	case map[string]any:
		below, err := assign(n[path[0]], path[1:], value)
		if err != nil {
			return nil, err
		}
		n[path[0]] = below
		if below == nil {
			delete(n, path[0])
		}
		return n, nil
	case []any:
		i, err := strconv.Atoi(path[0])
		if err != nil || i >= len(n) {
			return nil, fmt.Errorf("%q is no index of a list of %d", path[0], len(n))
		}
		n[i], err = assign(n[i], path[1:], value)
		return n, err
	}
	return nil, fmt.Errorf("%T has no %q", node, path[0])
}
