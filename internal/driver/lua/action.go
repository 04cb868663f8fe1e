package lua

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	lua "github.com/yuin/gopher-lua"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/plumbline-dev/plumbline/internal/core/action"
)

// Actions are those that an installation has for some kinds. They implement
// action.Book.
type Actions struct {
	Discovery *Script            // says which there are; nil: all of Scripts
	Scripts   map[string]*Script // by the name of the action
	Rest      action.Book        // further actions, where Scripts has none of the name; nil: there are none
}

// List implements action.Book.
func (a Actions) List(obj *unstructured.Unstructured) ([]action.Action, error) {
	found := map[string]action.Action{}
	if a.Rest != nil {
		rest, err := a.Rest.List(obj)
		if err != nil {
			return nil, err
		}
		for _, one := range rest {
			found[one.Name] = one
		}
	}
	own, err := a.discover(obj)
	if err != nil {
		return nil, err
	}
	for _, one := range own {
		found[one.Name] = one
	}
	var list []action.Action
	for _, name := range slices.Sorted(maps.Keys(found)) {
		list = append(list, found[name])
	}
	return list, nil
}

func (a Actions) discover(obj *unstructured.Unstructured) (list []action.Action, err error) {
	if a.Discovery == nil {
		for name := range a.Scripts {
			list = append(list, action.Action{Name: name})
		}
		return list, nil
	}
	err = a.Discovery.run(map[string]any{"obj": obj.Object}, func(v lua.LValue) error {
		value, err := fromLua(v, map[string]any{}, 0)
		if err != nil {
			return err
		}
		table, ok := value.(map[string]any)
		if !ok && v != lua.LNil {
			return fmt.Errorf("it returned a %s instead of a table of actions by name", v.Type())
		}
		for name, about := range table {
			if a.Scripts[name] != nil {
				list = append(list, discovered(name, about))
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %s", a.Discovery.name, oneLine(err))
	}
	return list, nil
}

// discovered reads what a script says about an action.
func discovered(name string, about any) action.Action {
	out := action.Action{Name: name}
	fields, _ := about.(map[string]any)
	out.Disabled, _ = fields["disabled"].(bool)
	params, _ := fields["params"].([]any)
	for _, p := range params {
		fields, _ := p.(map[string]any)
		if name, _ := fields["name"].(string); name != "" {
			param := action.Parameter{Name: name}
			if value, has := fields["default"]; has {
				param.Default = fmt.Sprint(value)
			}
			out.Params = append(out.Params, param)
		}
	}
	return out
}

// Run implements action.Book.
func (a Actions) Run(obj *unstructured.Unstructured, name string, params map[string]string, now time.Time) (changes []action.Change, err error) {
	script := a.Scripts[name]
	if script == nil {
		list, err := a.List(obj)
		if err == nil {
			_, err = action.Find(list, obj, name)
		}
		if err != nil {
			return nil, err
		}
		return a.Rest.Run(obj, name, params, now)
	}
	given := map[string]any{}
	for name, value := range params {
		given[name] = value
	}
	err = script.run(map[string]any{"obj": obj.Object, "actionParams": given}, func(v lua.LValue) (err error) {
		changes, err = changesOf(v, obj)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %s", script.name, oneLine(err))
	}
	return changes, nil
}

// changesOf reads the changed object, or a list of objects with what to do with them.
func changesOf(v lua.LValue, obj *unstructured.Unstructured) ([]action.Change, error) {
	table, ok := v.(*lua.LTable)
	if !ok {
		return nil, fmt.Errorf("it returned a %s instead of the object, or a list of objects", v.Type())
	}
	if table.Len() == 0 {
		change, err := changeOf("patch", table, obj)
		return []action.Change{change}, err
	}
	var changes []action.Change
	for i := 1; i <= table.Len(); i++ {
		item, ok := table.RawGetInt(i).(*lua.LTable)
		if !ok {
			return nil, fmt.Errorf("[%d]: it returned no table with operation and resource", i)
		}
		change, err := changeOf(item.RawGetString("operation").String(), item.RawGetString("resource"), obj)
		if err != nil {
			return nil, fmt.Errorf("[%d]: %w", i, err)
		}
		changes = append(changes, change)
	}
	return changes, nil
}

func changeOf(operation string, v lua.LValue, obj *unstructured.Unstructured) (action.Change, error) {
	value, err := fromLua(v, obj.Object, 0)
	if err != nil {
		return action.Change{}, err
	}
	content, _ := value.(map[string]any)
	made := &unstructured.Unstructured{Object: content}
	switch {
	case made.GetKind() == "" || made.GetAPIVersion() == "":
		return action.Change{}, fmt.Errorf("it returned an object without apiVersion or kind")
	case operation == "create":
		return action.Change{Object: made, Create: true}, nil
	case operation != "patch":
		return action.Change{}, fmt.Errorf("operation %.40q is neither create nor patch", operation)
	case made.GetName() != obj.GetName() || made.GetNamespace() != obj.GetNamespace() || made.GroupVersionKind() != obj.GroupVersionKind():
		return action.Change{}, fmt.Errorf("it changes %s %s, and may only change the object that it was given", made.GetKind(), made.GetName())
	}
	return action.Change{Object: made}, nil
}

// fromLua reads a value. Tables are lists or maps by their keys, and where that does
// not tell, for they are empty, as like is, what stood there before.
func fromLua(v lua.LValue, like any, depth int) (any, error) {
	if depth > maxNesting {
		return nil, fmt.Errorf("it returned tables nested more than %d levels deep", maxNesting)
	}
	switch v := v.(type) {
	case *lua.LNilType:
		return nil, nil
	case lua.LBool:
		return bool(v), nil
	case lua.LString:
		return string(v), nil
	case lua.LNumber:
		n := float64(v)
		if _, wasFloat := like.(float64); !wasFloat && n == math.Trunc(n) && math.Abs(n) < 1<<53 {
			return int64(n), nil
		}
		return n, nil
	case *lua.LTable:
		if n := v.Len(); n > 0 {
			return listFrom(v, n, like, depth)
		}
		if _, wasList := like.([]any); wasList && isEmpty(v) {
			return []any{}, nil
		}
		return mapFrom(v, like, depth)
	}
	return nil, fmt.Errorf("it returned a %s, which is no part of an object", v.Type())
}

func isEmpty(table *lua.LTable) bool {
	key, _ := table.Next(lua.LNil)
	return key == lua.LNil
}

func listFrom(table *lua.LTable, n int, like any, depth int) ([]any, error) {
	before, _ := like.([]any)
	out := make([]any, 0, n)
	for i := 1; i <= n; i++ {
		var was any
		if i <= len(before) {
			was = before[i-1]
		}
		value, err := fromLua(table.RawGetInt(i), was, depth+1)
		if err != nil {
			return nil, err
		}
		out = append(out, value)
	}
	return out, nil
}

func mapFrom(table *lua.LTable, like any, depth int) (map[string]any, error) {
	before, _ := like.(map[string]any)
	out := map[string]any{}
	var failed error
	table.ForEach(func(key, value lua.LValue) {
		child, err := fromLua(value, before[key.String()], depth+1)
		if err != nil && failed == nil {
			failed = err
		}
		out[key.String()] = child
	})
	return out, failed
}
