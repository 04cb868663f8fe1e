package assess_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"

	"github.com/plumbline-dev/plumbline/internal/core/app"
	"github.com/plumbline-dev/plumbline/internal/core/assess"
	"github.com/plumbline-dev/plumbline/internal/core/diff"
	"github.com/plumbline-dev/plumbline/internal/core/health"
	"github.com/plumbline-dev/plumbline/internal/core/object"
	"github.com/plumbline-dev/plumbline/internal/core/plan"
)

func parse(t *testing.T, text string) *unstructured.Unstructured {
	t.Helper()
	obj := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(text), &obj.Object); err != nil {
		t.Fatal(err)
	}
	return obj
}

func item(kind, name string, standing plan.Standing) plan.Item {
	obj := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": kind, "metadata": map[string]any{"name": name, "namespace": "shop"}}}
	return plan.Item{Manifest: object.Manifest{Object: obj}, Standing: standing}
}

func key(kind, name string) object.Key {
	return object.Key{Kind: kind, Namespace: "shop", Name: name}
}

func TestJudge(t *testing.T) {
	degraded, progressing := health.Status{Code: health.Degraded, Message: "Broken"}, health.Status{Code: health.Progressing, Message: "1 of 2"}
	left := plan.Leftover{Entry: object.Entry{Key: key("Service", "old")}}
	for name, tt := range map[string]struct {
		reason string
		state  assess.State
		sync   app.SyncStatus
		health health.Code
	}{
		"empty":            {"an application of nothing is in sync", assess.State{}, app.Synced, health.Healthy},
		"same":             {"nothing differs", assess.State{Items: []plan.Item{item("Service", "a", plan.Same)}}, app.Synced, health.Healthy},
		"unowned":          {"who owns the fields is no difference", assess.State{Items: []plan.Item{item("Service", "a", plan.Unowned)}}, app.Synced, health.Healthy},
		"differs":          {"one object decides", assess.State{Items: []plan.Item{item("Service", "a", plan.Differs), item("Service", "b", plan.Same)}}, app.OutOfSync, health.Healthy},
		"all missing":      {"nothing is there at all", assess.State{Items: []plan.Item{item("Service", "a", plan.Missing)}}, app.OutOfSync, health.Missing},
		"one missing":      {"a missing object does not degrade the others", assess.State{Items: []plan.Item{item("Service", "a", plan.Missing), item("Service", "b", plan.Same)}}, app.OutOfSync, health.Healthy},
		"worst":            {"the worst health counts", assess.State{Items: []plan.Item{item("Pod", "a", plan.Same), item("Pod", "b", plan.Same)}, Health: map[object.Key]health.Status{key("Pod", "a"): progressing, key("Pod", "b"): degraded}}, app.Synced, health.Degraded},
		"nested unknown":   {"an application within says nothing yet", assess.State{Items: []plan.Item{item("Application", "a", plan.Same)}, Health: map[object.Key]health.Status{key("Application", "a"): {Code: health.Unknown}}}, app.Synced, health.Healthy},
		"leftover":         {"what is no longer declared is out of sync", assess.State{Items: []plan.Item{item("Service", "a", plan.Same)}, Leftovers: []plan.Leftover{left}}, app.OutOfSync, health.Healthy},
		"ignored leftover": {"unless it asks not to count", assess.State{Items: []plan.Item{item("Service", "a", plan.Same)}, Leftovers: []plan.Leftover{left}, Ignored: map[object.Key]bool{left.Entry.Key: true}}, app.Synced, health.Healthy},
		"unknown":          {"what cannot be looked at is no difference", assess.State{Items: []plan.Item{item("Widget", "a", plan.Missing), item("Service", "b", plan.Same)}, Unknown: map[object.Key]bool{key("Widget", "a"): true}}, app.Synced, health.Healthy},
	} {
		t.Run(name, func(t *testing.T) {
			v := assess.Judge(tt.state)
			if v.Sync != tt.sync || v.Health.Code != tt.health {
				t.Errorf("%s: got %s, %s; want %s, %s", tt.reason, v.Sync, v.Health.Code, tt.sync, tt.health)
			}
		})
	}
}

func TestNamespace(t *testing.T) {
	a := app.Application{Target: app.Destination{Namespace: "shop"}}
	create := app.Policy{CreateNamespace: true}
	labelled := app.Policy{CreateNamespace: true, NamespaceLabels: map[string]string{"team": "shop"}}
	none := func(object.Key) *unstructured.Unstructured { return nil }
	plain := parse(t, "{apiVersion: v1, kind: Namespace, metadata: {name: shop}}")
	right := parse(t, "{apiVersion: v1, kind: Namespace, metadata: {name: shop, labels: {team: shop, other: x}}}")
	is := func(ns *unstructured.Unstructured) func(object.Key) *unstructured.Unstructured {
		return func(object.Key) *unstructured.Unstructured { return ns }
	}
	declared := plan.Item{Manifest: object.Manifest{Object: plain}}
	for name, tt := range map[string]struct {
		reason string
		policy app.Policy
		items  []plan.Item
		live   func(object.Key) *unstructured.Unstructured
		want   plan.Standing // empty: no item
	}{
		"not asked for": {"the policy decides", app.Policy{}, nil, none, ""},
		"missing":       {"it is created", create, nil, none, plan.Missing},
		"there":         {"an existing one is left alone", create, nil, is(plain), ""},
		"declared":      {"the source declares it itself", create, []plan.Item{declared}, none, ""},
		"labels wrong":  {"it is kept to the labels", labelled, nil, is(plain), plan.Differs},
		"labels right":  {"further labels do not matter", labelled, nil, is(right), plan.Same},
	} {
		t.Run(name, func(t *testing.T) {
			got, ok := assess.Namespace(a, tt.policy, tt.items, tt.live)
			if ok != (tt.want != "") || got.Standing != tt.want {
				t.Errorf("%s: got %q, %v; want %q", tt.reason, got.Standing, ok, tt.want)
			}
		})
	}
	first, _ := assess.Namespace(a, create, []plan.Item{{Manifest: item("Service", "a", plan.Same).Manifest, Wave: -3}}, none)
	if first.Wave != -3 || !first.Aside {
		t.Errorf("the namespace comes in wave %d, aside %v; want the first wave, aside", first.Wave, first.Aside)
	}
}

func TestScopes(t *testing.T) {
	crd := parse(t, "{apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, metadata: {name: walls.example.com}, spec: {group: example.com, scope: Cluster, names: {kind: Wall}}}")
	wall := parse(t, "{apiVersion: example.com/v1, kind: Wall, metadata: {name: a}}")
	role := parse(t, "{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: a}}")
	other := parse(t, "{apiVersion: other.example.com/v1, kind: Thing, metadata: {name: a}}")
	seen := parse(t, "{apiVersion: seen.example.com/v1, kind: Thing, metadata: {name: a}}")
	s := assess.ScopesOf([]*unstructured.Unstructured{wall, crd, role, other, seen}, func(gvk schema.GroupVersionKind) (bool, bool) {
		return false, gvk.Group == "seen.example.com"
	})
	got := map[string]bool{}
	for _, obj := range []*unstructured.Unstructured{crd, wall, role, other, seen} {
		got[obj.GetAPIVersion()] = s.Namespaced(object.KeyOf(obj))
	}
	want := map[string]bool{
		"apiextensions.k8s.io/v1": false, "example.com/v1": false, "rbac.authorization.k8s.io/v1": false,
		"other.example.com/v1": true, "seen.example.com/v1": false,
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("namespaced kinds (-want +got):\n%s", d)
	}
}

func TestSettled(t *testing.T) {
	rollout := parse(t, `{apiVersion: apps/v1, kind: Deployment, metadata: {name: a, generation: 2}, spec: {replicas: 2}, status: {observedGeneration: 2, updatedReplicas: 1, replicas: 2}}`)
	config := parse(t, "{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}")
	for _, order := range []plan.Order{plan.ByWave, plan.ByStage} {
		if got := assess.VitalsOf(rollout, nil).Settled(order); got != plan.Pending {
			t.Errorf("%s: a Deployment that rolls out is %q, want pending", order, got)
		}
		if got := assess.VitalsOf(config, nil).Settled(order); got != plan.Ready {
			t.Errorf("%s: a ConfigMap is %q, want ready", order, got)
		}
	}
}

func TestImages(t *testing.T) {
	job := parse(t, `{apiVersion: batch/v1, kind: CronJob, metadata: {name: a}, spec: {jobTemplate: {spec: {template: {spec: {initContainers: [{image: init:1}], containers: [{image: main:2}, {name: none}]}}}}}}`)
	if d := cmp.Diff([]string{"init:1", "main:2"}, assess.Images(job)); d != "" {
		t.Errorf("images (-want +got):\n%s", d)
	}
	if got := assess.Images(parse(t, `{apiVersion: apps/v1, kind: Deployment, metadata: {name: a}, spec: {template: oops}}`)); got != nil {
		t.Errorf("a malformed workload has images %q", got)
	}
}

func ExampleStanding() {
	change := diff.Change{Kind: diff.Update, Fields: []diff.Field{{Path: "spec.replicas", Op: diff.Changed, Old: 2, New: 3}, {Path: "spec.paused", Op: diff.Removed}}}
	standing, why := assess.Standing(change)
	fmt.Println(standing, "because", why)
	// Output: differs because spec.replicas: 2 -> 3, and 1 more
}
