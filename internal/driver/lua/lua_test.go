package lua_test

import (
	"strings"
	"sync"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/plumbline-dev/plumbline/internal/core/health"
	"github.com/plumbline-dev/plumbline/internal/driver/lua"
)

func boat() *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"kind": "Boat", "metadata": map[string]any{"name": "a"}, "spec": map[string]any{"sails": int64(3), "length": 4.5, "fast": true, "none": nil},
		"status": map[string]any{"conditions": []any{
			map[string]any{"type": "Other", "status": "True"}, map[string]any{"type": "Afloat", "status": "False", "message": "it leaks"},
		}},
	}}
}

func TestCheck(t *testing.T) {
	for name, test := range map[string]struct {
		script  string
		code    health.Code
		message string // a piece of it
		neutral bool
	}{
		"a usual check": {`
hs = {}
if obj.status ~= nil and obj.status.conditions ~= nil then
  for i, condition in ipairs(obj.status.conditions) do
    if condition.type == "Afloat" and condition.status == "False" then
      hs.status = "Degraded"
      hs.message = condition.message
      return hs
    end
  end
end
hs.status = "Progressing"
return hs`, health.Degraded, "it leaks", false},
		"values":          {`return {status = (obj.spec.sails == 3 and obj.spec.length == 4.5 and obj.spec.fast and obj.spec.none == nil) and "Healthy" or "Degraded"}`, health.Healthy, "", false},
		"libraries":       {`local t = {"b", "a"}; table.sort(t); return {status = "Healthy", message = string.format("%s %d", table.concat(t, ","), math.max(1, 2)) .. tostring(os.time() > 0)}`, health.Healthy, "a,b 2true", false},
		"nothing":         {`local x = 1`, "", "", true},
		"an empty table":  {`return {}`, "", "", true},
		"no table":        {`return "Healthy"`, health.Unknown, "returned a string instead of a table", false},
		"no status":       {`return {status = "Splendid"}`, health.Unknown, `the status "Splendid", which is none`, false},
		"a number":        {`return {status = 5}`, health.Unknown, `the status "5"`, false},
		"a missing field": {`return {status = obj.status.phase.name}`, health.Unknown, "check:1: attempt to index a non-table object", false},
		"an error":        {`error("no wind")`, health.Unknown, "no wind", false},
		"an error table":  {`error({})`, health.Unknown, "check", false},
		"for ever":        {`while true do end`, health.Unknown, "did not end within 1s", false},
		"recursion":       {`local function f() return 1 + f() end; return f()`, health.Unknown, "stack overflow", false},
		"many values":     {`local t = {}; for i = 1, 1e9 do t[i] = {} end`, health.Unknown, "check", false},
		"long text":       {`local s = "x"; while true do s = s .. s end`, health.Unknown, "check", false},
		"repeated":        {`return {status = "Healthy", message = string.rep("x", 1e9)}`, health.Unknown, "string.rep makes more than", false},
		"a long message":  {`return {status = "Healthy", message = string.rep("x", 1e6)}`, health.Healthy, "xxx", false},
		"files":           {`return io.open("/etc/passwd")`, health.Unknown, "attempt to index a non-table object", false},
		"processes":       {`return os.execute("true")`, health.Unknown, "attempt to call a non-function object", false},
		"environment":     {`return os.getenv("HOME")`, health.Unknown, "attempt to call a non-function object", false},
		"modules":         {`return require("os")`, health.Unknown, "attempt to call a non-function object", false},
		"further code":    {`return loadstring("return 1")()`, health.Unknown, "attempt to call a non-function object", false},
		"a file of code":  {`return dofile("/etc/passwd")`, health.Unknown, "attempt to call a non-function object", false},
	} {
		t.Run(name, func(t *testing.T) {
			script, err := lua.Compile("check", test.script)
			if err != nil {
				t.Fatal(err)
			}
			status, rated := script.Check(boat())
			if status.Code != test.code || rated == test.neutral || !strings.Contains(status.Message, test.message) {
				t.Errorf("%.200v, rated %t, want %s %q", status, rated, test.code, test.message)
			}
		})
	}
}

func TestCompile(t *testing.T) {
	for text, want := range map[string]string{"return {": "check: ", strings.Repeat(" ", 300_000): "more than 262144"} {
		if _, err := lua.Compile("check", text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.20q: %v, want %q", text, err, want)
		}
	}
}

// One script serves all, and leaves nothing behind for the next.
func TestApart(t *testing.T) {
	script, err := lua.Compile("check", `if seen then return {status = "Degraded"} end; seen = true; obj.kind = "Other"; return {status = "Healthy"}`)
	if err != nil {
		t.Fatal(err)
	}
	obj := boat()
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			if status, _ := script.Check(obj); status.Code != health.Healthy {
				t.Errorf("%v", status)
			}
		})
	}
	all.Wait()
	if obj.GetKind() != "Boat" {
		t.Error("a script changed the object")
	}
}

func BenchmarkCheck(b *testing.B) {
	script, err := lua.Compile("check", `return {status = obj.status.conditions[2].status == "True" and "Healthy" or "Degraded"}`)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		script.Check(boat())
	}
}
