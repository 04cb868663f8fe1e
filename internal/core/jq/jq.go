// Package jq finds the parts of an object that a jq expression points to.
//
// In go an expression as its users write it, and an object; out come the paths to
// what del(expression) would delete. Expressions come from whoever may declare an
// application, so that they are held to what points: nothing that defines, counts or
// multiplies, and one second.
package jq

import (
	"context"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/itchyny/gojq"
)

// Limits of an expression and of what it finds.
const (
	maxLength = 4096 // bytes
	maxArrays = 4    // that an expression collects
	maxPaths  = 10000

	// Patience is how long one expression may take for one object.
	Patience = time.Second
)

// Path leads to a value within an object: a string for a field, an int for an item.
type Path []any

// Expression is a jq path expression. It is safe for concurrent use.
type Expression struct {
	text string
	code *gojq.Code
}

// Parse reads an expression such as .spec.containers[] | select(.name == "x") | .image.
func Parse(text string) (*Expression, error) {
	if len(text) > maxLength {
		return nil, fmt.Errorf("expression of %d bytes: more than %d", len(text), maxLength)
	}
	query, err := gojq.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("expression %q: %w", text, err)
	}
	l := limits{}
	if l.check(reflect.ValueOf(query)); l.why != "" {
		return nil, fmt.Errorf("expression %q: %s", text, l.why)
	}
	whole, err := gojq.Parse("path(" + text + "\n)")
	if err != nil {
		return nil, fmt.Errorf("expression %q: %w", text, err)
	}
	code, err := gojq.Compile(whole)
	if err != nil {
		return nil, fmt.Errorf("expression %q: %w", text, err)
	}
	return &Expression{text: text, code: code}, nil
}

// pointing are the functions that an expression may call.
var pointing = []string{
	"all", "any", "arrays", "ascii_downcase", "ascii_upcase", "booleans", "contains", "empty", "endswith", "first", "getpath", "has",
	"in", "index", "inside", "isvalid", "iterables", "join", "keys", "last", "length", "ltrimstr", "map", "not", "nulls", "numbers",
	"objects", "paths", "recurse", "rindex", "rtrimstr", "scalars", "select", "split", "startswith", "strings", "test", "to_entries",
	"tonumber", "tostring", "type", "unique", "values", "IN",
}

// limits looks through the syntax of an expression for what it may not contain.
type limits struct {
	arrays int
	why    string
}

func (l *limits) check(v reflect.Value) {
	if l.why != "" {
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			l.node(v.Interface())
			l.check(v.Elem())
		}
	case reflect.Struct:
		for i := range v.NumField() {
			l.check(v.Field(i))
		}
	case reflect.Slice:
		for i := range v.Len() {
			l.check(v.Index(i))
		}
	default:
	}
}

func (l *limits) node(n any) {
	switch n := n.(type) {
	case *gojq.Query:
		switch {
		case len(n.Imports) > 0 || n.Meta != nil:
			l.why = "it imports something"
		case n.Op == gojq.OpMul || n.Op == gojq.OpAdd || n.Op >= gojq.OpAssign:
			l.why = fmt.Sprintf("%s is not for expressions that only point to something", n.Op)
		}
	case *gojq.FuncDef:
		l.why = "it defines a function"
	case *gojq.Reduce, *gojq.Foreach, *gojq.Label:
		l.why = "reduce, foreach and label are not for expressions that only point to something"
	case *gojq.Func:
		if !strings.HasPrefix(n.Name, "$") && (!slices.Contains(pointing, n.Name) || n.Name == "recurse" && len(n.Args) > 0) {
			l.why = fmt.Sprintf("the function %s is not for expressions that only point to something", n.Name)
		}
	case *gojq.Array:
		if l.arrays++; l.arrays > maxArrays {
			l.why = fmt.Sprintf("it makes more than %d arrays", maxArrays)
		}
	}
}

// ErrSlow says that an expression took too long for an object.
var ErrSlow = errors.New("took too long")

// Paths returns where the expression points to in obj, the last first, so that they
// can be deleted one by one. An expression that fails on obj, such as one that looks
// into a list that is not there, points to nothing; one that takes too long fails
// with ErrSlow.
func (e *Expression) Paths(obj map[string]any) ([]Path, error) {
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	var paths []Path
	iter := e.code.RunWithContext(ctx, plain(obj))
	for {
		v, more := iter.Next()
		if !more {
			break
		}
		if err, failed := v.(error); failed {
			if ctx.Err() != nil {
				return nil, fmt.Errorf("expression %q: %w: more than %s", e.text, ErrSlow, Patience)
			}
			_ = err // what is not there is not pointed to
			return nil, nil
		}
		path, ok := v.([]any)
		if !ok || len(path) == 0 || !straight(path) {
			return nil, nil
		}
		if paths = append(paths, path); len(paths) > maxPaths {
			return nil, fmt.Errorf("expression %q: %w: it points to more than %d places", e.text, ErrSlow, maxPaths)
		}
	}
	slices.SortFunc(paths, func(a, b Path) int { return -compare(a, b) })
	return slices.CompactFunc(paths, func(a, b Path) bool { return compare(a, b) == 0 }), nil
}

// straight reports whether a path consists of names and positions; a slice is neither.
func straight(path []any) bool {
	for _, step := range path {
		switch step := step.(type) {
		case string:
		case int:
			if step < 0 {
				return false
			}
		default:
			return false
		}
	}
	return true
}

// compare orders paths so that what is contained comes after what contains it.
func compare(a, b Path) int {
	return slices.CompareFunc(a, b, func(a, b any) int {
		switch a := a.(type) {
		case int:
			if b, ok := b.(int); ok {
				return a - b
			}
			return -1
		case string:
			if b, ok := b.(string); ok {
				return strings.Compare(a, b)
			}
		}
		return 1
	})
}

// plain copies a value into the types that the interpreter knows.
func plain(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for name, child := range v {
			out[name] = plain(child)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, child := range v {
			out[i] = plain(child)
		}
		return out
	case int64:
		if v >= math.MinInt && v <= math.MaxInt {
			return int(v)
		}
		return float64(v)
	case int32:
		return int(v)
	case float32:
		return float64(v)
	case nil, bool, string, int, float64:
		return v
	}
	return fmt.Sprint(v)
}
