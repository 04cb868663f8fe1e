package diff

import (
	"fmt"
	"strconv"
	"strings"

	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	"github.com/plumbline-dev/plumbline/internal/core/jq"
)

// ignored is what is not compared, whoever owns it.
type ignored struct {
	fields  pointers
	queries []*jq.Expression
}

func ignoredOf(in Input) (ignored, error) {
	var out ignored
	var err error
	if out.fields, err = parsePointers(in.IgnoreFields); err != nil {
		return out, err
	}
	for _, text := range in.IgnoreQueries {
		query, err := jq.Parse(text)
		if err != nil {
			return out, fmt.Errorf("ignored %w", err)
		}
		out.queries = append(out.queries, query)
	}
	return out, nil
}

// drop returns v without what is ignored. It copies only what it changes.
func (g ignored) drop(v map[string]any) (map[string]any, error) {
	v = g.fields.drop(v)
	for _, query := range g.queries {
		paths, err := query.Paths(v)
		if err != nil {
			return nil, err
		}
		for _, path := range paths {
			next, _ := cut(v, path)
			v = next.(map[string]any)
		}
	}
	return v, nil
}

// cut returns v without what a path leads to, and whether that was there. Items
// behind one that goes move up.
func cut(v any, path jq.Path) (any, bool) {
	switch v := v.(type) {
	case map[string]any:
		name, ok := path[0].(string)
		child, have := v[name]
		if !ok || !have {
			return v, false
		}
		if len(path) == 1 {
			return without(v, name), true
		}
		if next, changed := cut(child, path[1:]); changed {
			return with(v, name, next), true
		}
	case []any:
		i, ok := path[0].(int)
		if !ok || i < 0 || i >= len(v) {
			return v, false
		}
		if len(path) == 1 {
			return append(append([]any{}, v[:i]...), v[i+1:]...), true
		}
		if next, changed := cut(v[i], path[1:]); changed {
			out := append([]any(nil), v...)
			out[i] = next
			return out, true
		}
	}
	return v, false
}

// paths lists where what is ignored lies in obj.
func (g ignored) paths(obj map[string]any) ([]jq.Path, error) {
	var all []jq.Path
	for _, tokens := range g.fields {
		if path, there := along(obj, tokens); there {
			all = append(all, path)
		}
	}
	for _, query := range g.queries {
		paths, err := query.Paths(obj)
		if err != nil {
			return nil, err
		}
		all = append(all, paths...)
	}
	return all, nil
}

// along follows the tokens of a pointer.
func along(v any, tokens []string) (path jq.Path, there bool) {
	for _, token := range tokens {
		switch at := v.(type) {
		case map[string]any:
			if v, there = at[token]; !there {
				return nil, false
			}
			path = append(path, token)
		case []any:
			i, err := strconv.Atoi(token)
			if err != nil || i < 0 || i >= len(at) {
				return nil, false
			}
			v, path = at[i], append(path, i)
		default:
			return nil, false
		}
	}
	return path, true
}

// dropSet returns set without the fields that are ignored in any of the objects it
// may be about.
func (g ignored) dropSet(set *fieldpath.Set, objects ...map[string]any) *fieldpath.Set {
	all := g.fields
	for _, query := range g.queries {
		for _, obj := range objects {
			paths, err := query.Paths(obj)
			if err != nil {
				continue // it took too long, which the comparison of values says
			}
			for _, path := range paths {
				tokens := make([]string, len(path))
				for i, step := range path {
					tokens[i] = fmt.Sprint(step)
				}
				all = append(all[:len(all):len(all)], tokens)
			}
		}
	}
	return all.dropSet(set)
}

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
