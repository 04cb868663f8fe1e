package lua

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/plumbline-dev/plumbline/internal/core/action"
)

func boat() *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "example.org/v1", "kind": "Boat", "metadata": map[string]any{"name": "first", "namespace": "sea"},
		"spec": map[string]any{"sails": int64(3), "ratio": float64(2), "crew": []any{}, "tags": map[string]any{}, "ports": []any{map[string]any{"a": "x"}}},
	}}
}

func scripts(t *testing.T, texts map[string]string) map[string]*Script {
	t.Helper()
	out := map[string]*Script{}
	for name, text := range texts {
		s, err := Compile(name, text)
		if err != nil {
			t.Fatal(err)
		}
		out[name] = s
	}
	return out
}

func TestActions(t *testing.T) {
	discovery := scripts(t, map[string]string{"discovery": `
		local actions = {}
		actions["hoist"] = {["disabled"] = obj.spec.sails > 5, ["params"] = {{["name"] = "sails", ["default"] = obj.spec.sails}}}
		actions["sink"] = {["disabled"] = true}
		actions["unwritten"] = {}
		return actions`})["discovery"]
	a := Actions{Discovery: discovery, Rest: action.Builtin{}, Scripts: scripts(t, map[string]string{
		"hoist": `obj.spec.sails = tonumber(actionParams["sails"]); return obj`,
		"sink":  `return {{operation = "create", resource = {apiVersion = "v1", kind = "ConfigMap", metadata = {name = obj.metadata.name .. "-wreck"}}}, {operation = "patch", resource = obj}}`,
	})}
	list, err := a.List(boat())
	want := []action.Action{{Name: "hoist", Params: []action.Parameter{{Name: "sails", Default: "3"}}}, {Name: "sink", Disabled: true}}
	if d := cmp.Diff(want, list); d != "" || err != nil {
		t.Errorf("%v -want +got:\n%s", err, d)
	}
	changes, err := a.Run(boat(), "hoist", map[string]string{"sails": "7"}, time.Time{})
	hoisted := boat()
	hoisted.Object["spec"].(map[string]any)["sails"] = int64(7)
	if d := cmp.Diff([]action.Change{{Object: hoisted}}, changes); d != "" || err != nil {
		t.Errorf("%v -want +got:\n%s", err, d)
	}
	changes, err = a.Run(boat(), "sink", nil, time.Time{})
	if err != nil || len(changes) != 2 || !changes[0].Create || changes[0].Object.GetName() != "first-wreck" || !cmp.Equal(changes[1].Object, boat()) {
		t.Errorf("%+v %v", changes, err)
	}
	if _, err := a.Run(boat(), "fly", nil, time.Time{}); err == nil || err.Error() != `there is no action "fly" for a Boat: there is hoist, sink` {
		t.Error(err)
	}
	deployment := boat()
	deployment.SetAPIVersion("apps/v1")
	deployment.SetKind("Deployment")
	if changes, err := a.Run(deployment, "restart", nil, time.Unix(0, 0)); err != nil || len(changes) != 1 {
		t.Errorf("a built-in one: %v", err)
	}
}

// Scripts that return nonsense, or another's object, change nothing.
func TestActionFaults(t *testing.T) {
	for text, want := range map[string]string{
		`return nil`: "run: it returned a nil instead of the object",
		`return "x"`: "instead of the object",
		`return {}`:  "without apiVersion or kind",
		`obj.metadata.name = "other"; return obj`:            "may only change the object that it was given",
		`obj.metadata.namespace = "kube-system"; return obj`: "may only change the object that it was given",
		`return {{operation = "delete", resource = obj}}`:    `[1]: operation "delete" is neither create nor patch`,
		`obj.spec.f = function() end; return obj`:            "it returned a function",
		`local t = {}; t.t = t; obj.spec.t = t; return obj`:  "nested more than 100 levels",
		`while true do end`:                                  "did not end within 1s",
		`error("no wind")`:                                   "no wind",
		`return os.execute("true")`:                          "run: ",
	} {
		a := Actions{Scripts: scripts(t, map[string]string{"run": text})}
		if _, err := a.Run(boat(), "run", nil, time.Time{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
	a := Actions{Discovery: scripts(t, map[string]string{"discovery": `return 7`})["discovery"]}
	if _, err := a.List(boat()); err == nil || !strings.Contains(err.Error(), "discovery: it returned a number") {
		t.Error(err)
	}
	if list, err := (Actions{Scripts: scripts(t, map[string]string{"run": "return obj"})}).List(boat()); err != nil || len(list) != 1 {
		t.Errorf("%v %v", list, err)
	}
}
