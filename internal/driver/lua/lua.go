// Package lua runs the health checks and actions that an installation configures as
// Lua scripts.
//
// A script sees one object and answers with a verdict, or with what is to become of it. It reaches no file, process,
// module or network, and ends within a second, or it is ended. What it says is bounded.
package lua

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime/metrics"
	"strings"
	"time"

	lua "github.com/yuin/gopher-lua"
	"github.com/yuin/gopher-lua/parse"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/plumbline-dev/plumbline/internal/core/health"
)

// Limits of a script at work.
const (
	patience   = time.Second
	maxScript  = 256 << 10 // bytes
	maxCalls   = 200       // deep
	maxStack   = 64 << 10  // values
	maxRepeat  = 1 << 20   // bytes that string.rep makes
	maxHeap    = 256 << 20 // bytes that the process may grow by meanwhile
	maxNesting = 100       // levels of an object
)

// Script is a compiled check or action. It is safe for concurrent use.
type Script struct {
	name  string
	proto *lua.FunctionProto
}

// Compile reads a script; name stands for it in messages.
func Compile(name, text string) (*Script, error) {
	if len(text) > maxScript {
		return nil, fmt.Errorf("%s: the script has %d bytes, more than %d", name, len(text), maxScript)
	}
	chunk, err := parse.Parse(strings.NewReader(text), name)
	if err != nil {
		return nil, fmt.Errorf("%s: %s", name, oneLine(err))
	}
	proto, err := lua.Compile(chunk, name)
	if err != nil {
		return nil, fmt.Errorf("%s: %s", name, oneLine(err))
	}
	return &Script{name: name, proto: proto}, nil
}

// Check runs the script on an object. A script that fails makes the object's health
// Unknown, with the reason; one that returns nothing says nothing about it.
func (s *Script) Check(obj *unstructured.Unstructured) (status health.Status, rated bool) {
	err := s.run(map[string]any{"obj": obj.Object}, func(v lua.LValue) (err error) {
		status, rated, err = verdict(v)
		return err
	})
	if err != nil {
		return health.Status{Code: health.Unknown, Message: fmt.Sprintf("%s: %s", s.name, oneLine(err))}, true
	}
	return status, rated
}

// run calls the script with globals and has read look at what it returns.
func (s *Script) run(globals map[string]any, read func(lua.LValue) error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("the interpreter failed: %v", r)
		}
	}()
	state := lua.NewState(lua.Options{SkipOpenLibs: true, CallStackSize: maxCalls, RegistrySize: 1 << 10, RegistryMaxSize: maxStack, RegistryGrowStep: 1 << 10})
	defer state.Close()
	ctx, cancel := context.WithTimeoutCause(context.Background(), patience, fmt.Errorf("it did not end within %s", patience))
	defer cancel()
	bounded, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	defer watchHeap(bounded, stop)()
	state.SetContext(bounded)
	openLibraries(state)
	for name, global := range globals {
		value, err := toLua(state, global, 0)
		if err != nil {
			return err
		}
		state.SetGlobal(name, value)
	}
	state.Push(state.NewFunctionFromProto(s.proto))
	if err := state.PCall(0, 1, nil); err != nil {
		if cause := context.Cause(bounded); cause != nil {
			return cause
		}
		var failed *lua.ApiError
		if errors.As(err, &failed) && failed.Object != lua.LNil {
			return errors.New(failed.Object.String())
		}
		return err
	}
	return read(state.Get(-1))
}

// watchHeap ends a script under which the process grows beyond what there may be. Most
// are over before it looks for the first time.
func watchHeap(ctx context.Context, stop context.CancelCauseFunc) (end func()) {
	var first *time.Timer
	begin := time.Now()
	var before uint64
	look := func() {
		before = heap()
		tick := time.NewTicker(2 * time.Millisecond)
		defer tick.Stop()
		for time.Since(begin) < 2*patience {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			if now := heap(); now > before+maxHeap {
				stop(fmt.Errorf("it takes more than %d MiB of memory", maxHeap>>20))
				return
			}
		}
	}
	first = time.AfterFunc(time.Millisecond, look)
	return func() { first.Stop() }
}

func heap() uint64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

// openLibraries gives a script what cannot reach out: no files, processes, modules,
// debugging or further code.
func openLibraries(state *lua.LState) {
	for _, lib := range []struct {
		name string
		open lua.LGFunction
	}{{lua.BaseLibName, lua.OpenBase}, {lua.TabLibName, lua.OpenTable}, {lua.StringLibName, lua.OpenString}, {lua.MathLibName, lua.OpenMath}, {lua.OsLibName, lua.OpenOs}} {
		state.Push(state.NewFunction(lib.open))
		state.Push(lua.LString(lib.name))
		state.Call(1, 0)
	}
	for _, name := range []string{"dofile", "loadfile", "load", "loadstring", "require", "module", "print", "collectgarbage", "newproxy", "_printregs", "getfenv", "setfenv"} {
		state.SetGlobal(name, lua.LNil)
	}
	if full, ok := state.GetGlobal(lua.OsLibName).(*lua.LTable); ok {
		safe := state.NewTable()
		for _, name := range []string{"time", "date", "clock", "difftime"} {
			safe.RawSetString(name, full.RawGetString(name))
		}
		state.SetGlobal(lua.OsLibName, safe)
	}
	if text, ok := state.GetGlobal(lua.StringLibName).(*lua.LTable); ok {
		text.RawSetString("rep", state.NewFunction(repeat))
		text.RawSetString("dump", lua.LNil)
	}
}

// repeat is string.rep, bounded.
func repeat(state *lua.LState) int {
	text, n := state.CheckString(1), state.CheckInt(2)
	if n < 0 {
		n = 0
	}
	if len(text) > 0 && n > maxRepeat/len(text) {
		state.RaiseError("string.rep makes more than %d bytes", maxRepeat)
	}
	state.Push(lua.LString(strings.Repeat(text, n)))
	return 1
}

// verdict reads what a script returned.
func verdict(v lua.LValue) (status health.Status, rated bool, err error) {
	if v == lua.LNil {
		return status, false, nil
	}
	table, ok := v.(*lua.LTable)
	if !ok {
		return status, false, fmt.Errorf("it returned a %s instead of a table with status and message", v.Type())
	}
	code, message := table.RawGetString("status"), table.RawGetString("message")
	if code == lua.LNil || code.String() == "" {
		return status, false, nil
	}
	switch c := health.Code(code.String()); c {
	case health.Healthy, health.Suspended, health.Progressing, health.Missing, health.Degraded, health.Unknown:
		status.Code = c
	default:
		return status, false, fmt.Errorf("it returned the status %.40q, which is none", code.String())
	}
	if message != lua.LNil {
		status.Message = message.String()
	}
	return status, true, nil
}

// toLua copies a value of an object.
func toLua(state *lua.LState, v any, depth int) (lua.LValue, error) {
	if depth > maxNesting {
		return nil, fmt.Errorf("the object is nested more than %d levels deep", maxNesting)
	}
	switch v := v.(type) {
	case map[string]any:
		table := state.CreateTable(0, len(v))
		for name, child := range v {
			value, err := toLua(state, child, depth+1)
			if err != nil {
				return nil, err
			}
			table.RawSetString(name, value)
		}
		return table, nil
	case []any:
		table := state.CreateTable(len(v), 0)
		for _, child := range v {
			value, err := toLua(state, child, depth+1)
			if err != nil {
				return nil, err
			}
			table.Append(value)
		}
		return table, nil
	case string:
		return lua.LString(v), nil
	case bool:
		return lua.LBool(v), nil
	case int64:
		return lua.LNumber(v), nil
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return lua.LNil, nil
		}
		return lua.LNumber(v), nil
	}
	return lua.LNil, nil
}

func oneLine(err error) string {
	const longest = 400
	text := strings.Join(strings.Fields(strings.ToValidUTF8(err.Error(), "")), " ")
	if len(text) > longest {
		text = strings.ToValidUTF8(text[:longest], "") + "…"
	}
	return text
}
