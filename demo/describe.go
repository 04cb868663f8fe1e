//go:build unix

package main

import (
	"cmp"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// verdict is what the status of an Application says, as far as it is told.
type verdict struct {
	sync, health, revision, problem string
}

func read(application *unstructured.Unstructured) verdict {
	text := func(path ...string) string {
		value, _, _ := unstructured.NestedString(application.Object, append([]string{"status"}, path...)...)
		return value
	}
	v := verdict{sync: text("sync", "status"), health: cmp.Or(text("health", "status"), "Unknown"), revision: text("sync", "revision")}
	conditions, _, _ := unstructured.NestedSlice(application.Object, "status", "conditions")
	for _, c := range conditions {
		if entry, ok := c.(map[string]any); ok && v.problem == "" {
			v.problem = fmt.Sprintf("%v: %v", entry["type"], entry["message"])
		}
	}
	if phase := text("operationState", "phase"); v.problem == "" && (phase == "Failed" || phase == "Error") {
		v.problem = text("operationState", "message")
	}
	return v
}

// resources lists the kinds that an Application consists of.
func resources(application *unstructured.Unstructured) []schema.GroupKind {
	list, _, _ := unstructured.NestedSlice(application.Object, "status", "resources")
	var kinds []schema.GroupKind
	for _, r := range list {
		if entry, ok := r.(map[string]any); ok {
			group, _ := entry["group"].(string)
			kind, _ := entry["kind"].(string)
			kinds = append(kinds, schema.GroupKind{Group: group, Kind: kind})
		}
	}
	return kinds
}

// replicas are how many pods are ready, and how many shall be.
type replicas struct{ ready, wanted int64 }

func (r replicas) complete() bool { return r.wanted > 0 && r.ready == r.wanted }

func (r replicas) String() string { return fmt.Sprintf("%d of %d pods ready", r.ready, r.wanted) }

func readiness(workload *unstructured.Unstructured) replicas {
	if workload == nil {
		return replicas{}
	}
	wanted, _, _ := unstructured.NestedInt64(workload.Object, "spec", "replicas")
	ready, _, _ := unstructured.NestedInt64(workload.Object, "status", "readyReplicas")
	seen, _, _ := unstructured.NestedInt64(workload.Object, "status", "observedGeneration")
	updated, _, _ := unstructured.NestedInt64(workload.Object, "status", "updatedReplicas")
	all, _, _ := unstructured.NestedInt64(workload.Object, "status", "replicas")
	if seen != workload.GetGeneration() || updated != wanted || all != wanted {
		ready = 0
	}
	return replicas{ready, wanted}
}

// difference is one field that changed. A side that is nil was not there.
type difference struct {
	path     string
	old, new any
}

// differences lists what changed between two states of an object, without what
// controllers and the server write, sorted by path.
func differences(before, after *unstructured.Unstructured) []difference {
	was, is := map[string]any{}, map[string]any{}
	flatten(was, "", wanted(before))
	flatten(is, "", wanted(after))
	var list []difference
	for path, value := range was {
		if now, ok := is[path]; !ok || !reflect.DeepEqual(now, value) {
			list = append(list, difference{path, value, now})
		}
	}
	for path, value := range is {
		if _, ok := was[path]; !ok {
			list = append(list, difference{path: path, new: value})
		}
	}
	secret := after.GetKind() == "Secret"
	for i := range list {
		if secret && (strings.HasPrefix(list[i].path, "data.") || strings.HasPrefix(list[i].path, "stringData.")) {
			list[i].old, list[i].new = "hidden", "hidden"
		}
	}
	slices.SortFunc(list, func(a, b difference) int { return strings.Compare(a.path, b.path) })
	return list
}

// wanted leaves out of an object what nobody asks for in a manifest.
func wanted(obj *unstructured.Unstructured) map[string]any {
	top := maps.Clone(obj.Object)
	delete(top, "status")
	annotations := obj.GetAnnotations()
	maps.DeleteFunc(annotations, func(name, _ string) bool {
		return name == trackingAnnotation || strings.HasPrefix(name, "deployment.kubernetes.io/") || strings.HasPrefix(name, "kubectl.kubernetes.io/last-applied")
	})
	top["metadata"] = map[string]any{"labels": plain(obj.GetLabels()), "annotations": plain(annotations)}
	return top
}

func plain(in map[string]string) map[string]any {
	out := make(map[string]any, len(in))
	for name, value := range in {
		out[name] = value
	}
	return out
}

// flatten writes the leaves of value into out, by path.
func flatten(out map[string]any, path string, value any) {
	switch v := value.(type) {
	case map[string]any:
		for name, child := range v {
			flatten(out, strings.TrimPrefix(path+"."+name, "."), child)
		}
	case []any:
		for i, child := range v {
			flatten(out, fmt.Sprintf("%s[%d]", path, i), child)
		}
	default:
		out[path] = value
	}
}

// summary puts changes on one line: the first two, and how many more.
func summary(changes []difference) string {
	var parts []string
	for _, c := range changes[:min(2, len(changes))] {
		switch {
		case c.old == nil:
			parts = append(parts, fmt.Sprintf("%s: %v added", c.path, c.new))
		case c.new == nil:
			parts = append(parts, fmt.Sprintf("%s: %v removed", c.path, c.old))
		default:
			parts = append(parts, fmt.Sprintf("%s: %v -> %v", c.path, c.old, c.new))
		}
	}
	text := strings.Join(parts, ", ")
	if more := len(changes) - len(parts); more > 0 {
		text += fmt.Sprintf(", and %d more", more)
	}
	return text
}

// author names the field manager that made the newer state, leaving status
// writers aside.
func author(before, after *unstructured.Unstructured) string {
	was := before.GetManagedFields()
	by, at := "somebody", metav1.Time{}
	for _, entry := range after.GetManagedFields() {
		if entry.Subresource == "status" || slices.ContainsFunc(was, func(o metav1.ManagedFieldsEntry) bool { return reflect.DeepEqual(o, entry) }) {
			continue
		}
		if entry.Time == nil || !entry.Time.Before(&at) {
			by = entry.Manager
			if entry.Time != nil {
				at = *entry.Time
			}
		}
	}
	return by
}

// brief writes a duration as people say it.
func brief(d time.Duration) string {
	if d < time.Second {
		return fmt.Sprintf("%d ms", d.Milliseconds())
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}
