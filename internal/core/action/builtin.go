package action

import (
	"fmt"
	"strconv"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// builtin returns the actions for an object by name. Kinds of other projects are
// known by group and kind, in whatever version.
func builtin(obj *unstructured.Unstructured) map[string]entry {
	gvk := obj.GroupVersionKind()
	return table[schema.GroupKind{Group: gvk.Group, Kind: gvk.Kind}]
}

const (
	restartNote   = "kubectl.kubernetes.io/restartedAt"
	reconcileNote = "reconcile.fluxcd.io/requestedAt"
)

// Blocks that actions are made of.

// set puts a value at a path; useless where it stands there already.
func set(value any, path ...string) entry {
	return entry{
		change: func(v view, _ string, _ time.Time) error { return v.set(value, path...) },
		useless: func(v view) bool {
			now, found, _ := unstructured.NestedFieldNoCopy(v.Object, path...)
			if off, isBool := value.(bool); isBool && !off && !found {
				return true // absent is false
			}
			return found && now == value
		},
	}
}

// stamp puts the time at a path.
func stamp(path ...string) entry {
	return entry{change: func(v view, _ string, now time.Time) error {
		return v.set(now.UTC().Format(time.RFC3339), path...)
	}}
}

// note sets an annotation, stampNote to the time, and unnote removes some.
func note(key, value string) entry {
	e := set(value, "metadata", "annotations", key)
	e.useless = func(v view) bool { return v.note(key) == value }
	return e
}

func stampNote(key string) entry { return stamp("metadata", "annotations", key) }

func unnote(keys ...string) entry {
	return entry{
		change: func(v view, _ string, _ time.Time) error {
			for _, key := range keys {
				_ = v.remove("metadata", "annotations", key)
			}
			return nil
		},
		useless: func(v view) bool {
			for _, key := range keys {
				if v.note(key) != "" {
					return false
				}
			}
			return true
		},
	}
}

// scale sets replicas to a parameter.
func scale() entry {
	return entry{
		param: "replicas",
		now: func(v view) string {
			if n, found := v.number("spec", "replicas"); found {
				return strconv.FormatInt(n, 10)
			}
			return "1"
		},
		change: func(v view, value string, _ time.Time) error {
			n, err := strconv.ParseInt(value, 10, 32)
			if err != nil || n < 0 {
				return fmt.Errorf("replicas: %q is no number of replicas", value)
			}
			return v.set(n, "spec", "replicas")
		},
	}
}

// when limits an action to objects for which it makes sense.
func (e entry) when(sensible func(v view) bool) entry {
	before := e.useless
	e.useless = func(v view) bool { return !sensible(v) || before != nil && before(v) }
	return e
}

// also does two things.
func (e entry) also(next entry) entry {
	first := e.change
	e.change = func(v view, value string, now time.Time) error {
		if err := first(v, value, now); err != nil {
			return err
		}
		return next.change(v, value, now)
	}
	e.useless = nil
	return e
}

func drop(path ...string) entry {
	return entry{
		change:  func(v view, _ string, _ time.Time) error { return v.remove(path...) },
		useless: func(v view) bool { return !v.has(path...) },
	}
}

var (
	restart = stamp("spec", "template", "metadata", "annotations", restartNote)
	suspend = set(true, "spec", "suspend")
	resume  = set(false, "spec", "suspend")
	flux    = map[string]entry{"reconcile": stampNote(reconcileNote), "suspend": suspend, "resume": resume}
)

func running(v view) bool { return !v.has("status", "completionTime") }

func kind(group, name string) schema.GroupKind { return schema.GroupKind{Group: group, Kind: name} }

// table is all there is.
var table = map[schema.GroupKind]map[string]entry{
	kind("apps", "Deployment"): {
		"restart": restart, "scale": scale(), "pause": set(true, "spec", "paused"), "resume": set(false, "spec", "paused"),
	},
	kind("apps", "StatefulSet"): {"restart": restart, "scale": scale()},
	kind("apps", "DaemonSet"):   {"restart": restart},
	kind("batch", "CronJob"):    {"suspend": suspend, "resume": resume, "create-job": {makes: jobOf}},
	kind("batch", "Job"): {
		"suspend": suspend.when(running), "resume": resume.when(running),
		"terminate": set(int64(1), "spec", "activeDeadlineSeconds").when(running),
	},

	kind("argoproj.io", "Rollout"): {
		"restart":      stamp("spec", "restartAt"),
		"abort":        set(true, "status", "abort").when(func(v view) bool { return v.text("status", "currentPodHash") != v.text("status", "stableRS") }),
		"retry":        set(false, "status", "abort").when(func(v view) bool { return v.flag("status", "abort") }),
		"pause":        set(true, "spec", "paused"),
		"resume":       set(false, "spec", "paused").also(drop("status", "pauseConditions")).when(paused),
		"promote-full": set(true, "status", "promoteFull").when(func(v view) bool { return v.text("status", "currentPodHash") != v.text("status", "stableRS") }),
		"skip-current-step": {
			change: func(v view, _ string, _ time.Time) error {
				n, _ := v.number("status", "currentStepIndex")
				_ = v.remove("status", "pauseConditions")
				return v.set(n+1, "status", "currentStepIndex")
			},
			useless: func(v view) bool {
				n, _ := v.number("status", "currentStepIndex")
				steps, _, _ := unstructured.NestedSlice(v.Object, "spec", "strategy", "canary", "steps")
				return n >= int64(len(steps))
			},
		},
	},
	kind("argoproj.io", "AnalysisRun"):      {"terminate": set(true, "spec", "terminate")},
	kind("argoproj.io", "CronWorkflow"):     {"suspend": suspend, "resume": resume, "create-workflow": {makes: workflowOf}},
	kind("argoproj.io", "WorkflowTemplate"): {"create-workflow": {makes: workflowFrom}},

	kind("kustomize.toolkit.fluxcd.io", "Kustomization"):     flux,
	kind("helm.toolkit.fluxcd.io", "HelmRelease"):            flux,
	kind("source.toolkit.fluxcd.io", "GitRepository"):        flux,
	kind("source.toolkit.fluxcd.io", "OCIRepository"):        flux,
	kind("source.toolkit.fluxcd.io", "HelmRepository"):       flux,
	kind("source.toolkit.fluxcd.io", "HelmChart"):            flux,
	kind("source.toolkit.fluxcd.io", "Bucket"):               flux,
	kind("image.toolkit.fluxcd.io", "ImageRepository"):       flux,
	kind("image.toolkit.fluxcd.io", "ImageUpdateAutomation"): flux,
	kind("notification.toolkit.fluxcd.io", "Receiver"):       flux,
	kind("notification.toolkit.fluxcd.io", "Alert"):          {"suspend": suspend, "resume": resume},
	kind("notification.toolkit.fluxcd.io", "Provider"):       {"suspend": suspend, "resume": resume},
	kind("external-secrets.io", "ExternalSecret"):            {"refresh": stampNote("force-sync")},
	kind("external-secrets.io", "PushSecret"):                {"push": stampNote("force-sync")},
	kind("k8s.mariadb.com", "MariaDB"):                       {"suspend": suspend, "resume": resume},
	kind("core.strimzi.io", "StrimziPodSet"):                 {"rolling-update": note("strimzi.io/manual-rolling-update", "true")},
	kind("keda.sh", "ScaledJob"):                             {"pause": note("autoscaling.keda.sh/paused", "true"), "resume": unnote("autoscaling.keda.sh/paused")},
	kind("keda.sh", "ScaledObject"): {
		"pause": note("autoscaling.keda.sh/paused", "true"), "resume": unnote("autoscaling.keda.sh/paused", "autoscaling.keda.sh/paused-replicas"),
		"paused-replicas": {
			param: "replicas",
			now:   func(v view) string { return v.note("autoscaling.keda.sh/paused-replicas") },
			change: func(v view, value string, _ time.Time) error {
				if n, err := strconv.ParseInt(value, 10, 32); err != nil || n < 0 {
					return fmt.Errorf("replicas: %q is no number of replicas", value)
				}
				return v.set(value, "metadata", "annotations", "autoscaling.keda.sh/paused-replicas")
			},
		},
	},
	kind("postgresql.cnpg.io", "Cluster"): {
		"reload": stampNote("cnpg.io/reloadedAt"), "restart": stampNote(restartNote),
		"suspend": note("cnpg.io/hibernation", "on"), "resume": note("cnpg.io/hibernation", "off"),
	},
}

func paused(v view) bool { return v.flag("spec", "paused") || v.has("status", "pauseConditions") }

// owned makes an object of a kind that an object owns, called after it and the time.
func owned(v view, apiVersion, kind string, now time.Time) *unstructured.Unstructured {
	stamp := strconv.FormatInt(now.Unix(), 36)
	name := v.GetName()
	name = name[:min(len(name), 52-len(stamp))] // pods of a Job carry its name in a label
	made := &unstructured.Unstructured{Object: map[string]any{"apiVersion": apiVersion, "kind": kind, "metadata": map[string]any{
		"name": name + "-" + stamp, "namespace": v.GetNamespace(),
	}}}
	if v.GetUID() != "" {
		made.Object["metadata"].(map[string]any)["ownerReferences"] = []any{map[string]any{
			"apiVersion": v.GetAPIVersion(), "kind": v.GetKind(), "name": v.GetName(), "uid": string(v.GetUID()), "controller": true,
		}}
	}
	return made
}

// copied takes labels, annotations and the specification over from a template in an object.
func copied(v view, made *unstructured.Unstructured, from ...string) (*unstructured.Unstructured, error) {
	template, found, err := unstructured.NestedMap(v.Object, from...)
	if err != nil || !found {
		return nil, fmt.Errorf("%s %s has no %s", v.GetKind(), v.GetName(), from[len(from)-1])
	}
	for _, field := range []string{"labels", "annotations"} {
		if m, found, _ := unstructured.NestedStringMap(template, "metadata", field); found {
			if err := unstructured.SetNestedStringMap(made.Object, m, "metadata", field); err != nil {
				return nil, err
			}
		}
	}
	spec, _, _ := unstructured.NestedMap(template, "spec")
	made.Object["spec"] = spec
	return made, nil
}

// jobOf makes the Job that a CronJob would make now.
func jobOf(v view, now time.Time) (*unstructured.Unstructured, error) {
	made, err := copied(v, owned(v, "batch/v1", "Job", now), "spec", "jobTemplate")
	if err != nil {
		return nil, err
	}
	return made, view{made}.set("manual", "metadata", "annotations", "cronjob.kubernetes.io/instantiate")
}

// workflowOf makes the Workflow that a CronWorkflow would make now.
func workflowOf(v view, now time.Time) (*unstructured.Unstructured, error) {
	made := owned(v, v.GetAPIVersion(), "Workflow", now)
	spec, found, err := unstructured.NestedMap(v.Object, "spec", "workflowSpec")
	if err != nil || !found {
		return nil, fmt.Errorf("%s %s has no workflowSpec", v.GetKind(), v.GetName())
	}
	made.Object["spec"] = spec
	return made, view{made}.set(v.GetName(), "metadata", "labels", "workflows.argoproj.io/cron-workflow")
}

// workflowFrom makes a Workflow that refers to its template.
func workflowFrom(v view, now time.Time) (*unstructured.Unstructured, error) {
	made := owned(v, v.GetAPIVersion(), "Workflow", now)
	_ = view{made}.remove("metadata", "ownerReferences")
	made.Object["spec"] = map[string]any{"workflowTemplateRef": map[string]any{"name": v.GetName()}}
	return made, nil
}
