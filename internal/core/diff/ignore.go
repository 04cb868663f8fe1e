package diff

import (
	"fmt"
	"strconv"
	"strings"

	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
)

// pointers are parsed JSON pointers to parts of an object that are not compared.
type pointers [][]string

// parsePointers reads RFC 6901 pointers. The root cannot be ignored.
func parsePointers(texts []string) (pointers, error) {
	unescape := strings.NewReplacer("~1", "/", "~0", "~")
	out := make(pointers, 0, len(texts))
	for _, text := range texts {
		rest, ok := strings.CutPrefix(text, "/")
		if !ok || rest == "" {
			return nil, fmt.Errorf("ignored field %q: not a JSON pointer such as /spec/replicas", text)
		}
		tokens := strings.Split(rest, "/")
		for i, token := range tokens {
			tokens[i] = unescape.Replace(token)
		}
		out = append(out, tokens)
	}
	return out, nil
}

// drop returns v without what the pointers lead to. It copies only what it
// changes. Items of lists are emptied rather than removed, so that the items
// behind them keep their index.
func (ps pointers) drop(v map[string]any) map[string]any {
	for _, tokens := range ps {
		if next, changed := drop(v, tokens); changed {
			v = next.(map[string]any)
		}
	}
	return v
}

func drop(v any, tokens []string) (any, bool) {
	switch v := v.(type) {
	case map[string]any:
		child, ok := v[tokens[0]]
		if !ok {
			return v, false
		}
		if len(tokens) == 1 {
			return without(v, tokens[0]), true
		}
		next, changed := drop(child, tokens[1:])
		if !changed {
			return v, false
		}
		return with(v, tokens[0], next), true
	case []any:
		i, err := strconv.Atoi(tokens[0])
		if err != nil || i < 0 || i >= len(v) {
			return v, false
		}
		var next any
		if len(tokens) > 1 {
			var changed bool
			if next, changed = drop(v[i], tokens[1:]); !changed {
				return v, false
			}
		}
		out := append([]any(nil), v...)
		out[i] = next
		return out, true
	}
	return v, false
}

// dropSet returns set without the fields under the pointers. A token that is a
// number stands for any item there, since a set names items by key.
func (ps pointers) dropSet(set *fieldpath.Set) *fieldpath.Set {
	for _, tokens := range ps {
		parts := make([]any, len(tokens))
		for i, token := range tokens {
			parts[i] = token
			if _, err := strconv.Atoi(token); err == nil {
				parts[i] = fieldpath.MatchAnyPathElement()
			}
		}
		matcher, err := fieldpath.PrefixMatcher(parts...)
		if err != nil {
			continue // cannot happen: the parts are strings and wildcards
		}
		set = set.Difference(set.FilterIncludeMatches(matcher))
	}
	return set
}
