// Package action knows what can be done to a running object besides delivering it:
// restart, scale, suspend, retry and the like.
//
// In go a live object, the name of an action, its parameters and the time; out come
// the object as it should be, or further objects to create. The package writes nothing.
package action

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Action is something that can be done to an object.
type Action struct {
	Name     string      `json:"name"`
	Disabled bool        `json:"disabled,omitempty"` // makes no sense as the object stands
	Params   []Parameter `json:"params,omitempty"`
}

// Parameter is what a user says of how.
type Parameter struct {
	Name    string `json:"name"`
	Default string `json:"default,omitempty"` // as the object stands now; empty: it has to be given
}

// Change is one write that an action consists of.
type Change struct {
	Object *unstructured.Unstructured // as it should be
	Create bool                       // it is a new one
}

// Book lists and performs actions.
type Book interface {
	// List returns what can be done to an object, by name.
	List(obj *unstructured.Unstructured) ([]Action, error)
	// Run returns what an action changes. The object itself is left as it is. It fails
	// with *UnknownError for an action that List does not have.
	Run(obj *unstructured.Unstructured, name string, params map[string]string, now time.Time) ([]Change, error)
}

// UnknownError reports an action that there is not for an object.
type UnknownError struct {
	Name string
	Kind string
	Has  []string
}

func (e *UnknownError) Error() string {
	if len(e.Has) == 0 {
		return fmt.Sprintf("there are no actions for a %s", e.Kind)
	}
	return fmt.Sprintf("there is no action %q for a %s: there is %s", e.Name, e.Kind, strings.Join(e.Has, ", "))
}

// Find returns the action of a name out of a list.
func Find(list []Action, obj *unstructured.Unstructured, name string) (Action, error) {
	var has []string
	for _, a := range list {
		if a.Name == name {
			return a, nil
		}
		has = append(has, a.Name)
	}
	return Action{}, &UnknownError{Name: name, Kind: obj.GetKind(), Has: has}
}

// Builtin is the Book of the actions that need no configuration.
type Builtin struct{}

// List implements Book.
func (Builtin) List(obj *unstructured.Unstructured) ([]Action, error) {
	var list []Action
	known := builtin(obj)
	for _, name := range slices.Sorted(maps.Keys(known)) {
		entry := known[name]
		a := Action{Name: name, Disabled: entry.useless != nil && entry.useless(view{obj})}
		if entry.param != "" {
			a.Params = []Parameter{{Name: entry.param, Default: entry.now(view{obj})}}
		}
		list = append(list, a)
	}
	return list, nil
}

// Run implements Book.
func (b Builtin) Run(obj *unstructured.Unstructured, name string, params map[string]string, now time.Time) ([]Change, error) {
	entry, known := builtin(obj)[name]
	if !known {
		list, err := b.List(obj)
		if err == nil {
			_, err = Find(list, obj, name)
		}
		return nil, err
	}
	for given := range params {
		if given != entry.param {
			return nil, fmt.Errorf("action %s has no parameter %q", name, given)
		}
	}
	if entry.makes != nil {
		made, err := entry.makes(view{obj}, now)
		return []Change{{Object: made, Create: true}}, err
	}
	changed := obj.DeepCopy()
	err := entry.change(view{changed}, params[entry.param], now)
	return []Change{{Object: changed}}, err
}

// entry is one built-in action: it changes the object, or makes another one.
type entry struct {
	change  func(v view, value string, now time.Time) error
	makes   func(v view, now time.Time) (*unstructured.Unstructured, error)
	useless func(v view) bool // nil: never
	param   string            // its one parameter; empty: it has none
	now     func(v view) string
}

// view reads and changes fields of an object.
type view struct{ *unstructured.Unstructured }

func (v view) flag(path ...string) bool {
	b, _, _ := unstructured.NestedBool(v.Object, path...)
	return b
}

func (v view) text(path ...string) string {
	s, _, _ := unstructured.NestedString(v.Object, path...)
	return s
}

func (v view) number(path ...string) (int64, bool) {
	n, found, _ := unstructured.NestedInt64(v.Object, path...)
	return n, found
}

func (v view) has(path ...string) bool {
	_, found, _ := unstructured.NestedFieldNoCopy(v.Object, path...)
	return found
}

func (v view) set(value any, path ...string) error {
	return unstructured.SetNestedField(v.Object, value, path...)
}

func (v view) remove(path ...string) error {
	unstructured.RemoveNestedField(v.Object, path...)
	return nil
}

func (v view) note(key string) string { return v.GetAnnotations()[key] }
