package object

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// normaliser turns what a parser made into the values that unstructured
// objects hold: map[string]any, []any, string, bool, int64, float64 and nil.
type normaliser struct {
	depthLimit int
	limit      int64
	spent      int64
}

func (n *normaliser) value(v any, depth int) (any, error) {
	if depth > n.depthLimit {
		return nil, limitError("is nested more than %d levels deep", n.depthLimit)
	}
	n.spent += nodeCost
	if n.spent > n.limit {
		return nil, limitError("becomes larger than %d bytes when its aliases are expanded", n.limit)
	}
	switch v := v.(type) {
	case string:
		n.spent += int64(len(v))
		if !utf8.ValidString(v) {
			return strings.ToValidUTF8(v, "\ufffd"), nil
		}
		return v, nil
	case map[any]any:
		return n.yamlMap(v, depth)
	case map[string]any:
		return n.jsonMap(v, depth)
	case []any:
		for i, item := range v {
			item, err := n.value(item, depth+1)
			if err != nil {
				return nil, err
			}
			v[i] = item
		}
		return v, nil
	case nil, bool, int64:
		return v, nil
	case int:
		return int64(v), nil
	case float64:
		return number(v)
	case uint64:
		return float64(v), nil
	case time.Time:
		return v.Format(time.RFC3339Nano), nil
	}
	return nil, fmt.Errorf("has a value of the unknown type %T", v)
}

func (n *normaliser) yamlMap(in map[any]any, depth int) (any, error) {
	out := make(map[string]any, len(in))
	for k, item := range in {
		key, err := keyText(k)
		if err != nil {
			return nil, err
		}
		if _, has := out[key]; has { // 1 and "1", true and yes
			return nil, &problemError{problem: ProblemDuplicateKey, text: fmt.Sprintf("key %q is there twice", key)}
		}
		n.spent += int64(len(key))
		if out[key], err = n.value(item, depth+1); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (n *normaliser) jsonMap(in map[string]any, depth int) (any, error) {
	for k, item := range in {
		n.spent += int64(len(k))
		item, err := n.value(item, depth+1)
		if err != nil {
			return nil, err
		}
		in[k] = item
	}
	return in, nil
}

// keyText writes a key the way a JSON object would carry it.
func keyText(k any) (string, error) {
	switch k := k.(type) {
	case string:
		return k, nil
	case int:
		return strconv.Itoa(k), nil
	case int64:
		return strconv.FormatInt(k, 10), nil
	case uint64:
		return strconv.FormatUint(k, 10), nil
	case bool:
		return strconv.FormatBool(k), nil
	case float64:
		return strconv.FormatFloat(k, 'g', -1, 64), nil
	case nil:
		return "", fmt.Errorf("has a mapping with an empty key")
	}
	return "", fmt.Errorf("has a mapping whose key is %s", nameOf(k))
}

// number returns what remains of a float after a trip through JSON, where 1.0
// is written 1 and read back as a whole number.
func number(f float64) (any, error) {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return nil, fmt.Errorf("has the number %v, which no object can hold", f)
	}
	if f != math.Trunc(f) || math.Abs(f) >= 1e21 {
		return f, nil
	}
	if i, err := strconv.ParseInt(strconv.FormatFloat(f, 'f', -1, 64), 10, 64); err == nil {
		return i, nil
	}
	return f, nil
}
