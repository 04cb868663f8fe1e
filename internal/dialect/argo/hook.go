package argo

import (
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/plumbline-dev/plumbline/internal/core/app"
	"github.com/plumbline-dev/plumbline/internal/core/object"
	"github.com/plumbline-dev/plumbline/internal/core/plan"
)

// HookFinalizer keeps a hook's object until its end was seen, whatever cleans
// up after itself.
const HookFinalizer = "argocd.argoproj.io/hook-finalizer"

// attemptAnnotation names the attempt of the operation that created a hook.
const attemptAnnotation = "plumbline.dev/hook-attempt"

var hookPhases = map[string]app.SyncPhase{
	"PreSync": app.PreSync, "Sync": app.InSync, "PostSync": app.PostSync, "SyncFail": app.SyncFail,
	"PreDelete": app.PreDelete, "PostDelete": app.PostDelete,
}

var helmHookPhases = map[string]app.SyncPhase{
	"pre-install": app.PreSync, "pre-upgrade": app.PreSync, "post-install": app.PostSync, "post-upgrade": app.PostSync,
	"pre-delete": app.PreDelete, "post-delete": app.PostDelete,
}

// helmNoHooks are Helm's hooks that have no place in a sync.
var helmNoHooks = []string{"test", "test-success", "pre-rollback", "post-rollback"}

// ownHooks returns the hook types of the dialect itself; where there is any,
// those of Helm do not count.
func ownHooks(notes map[string]string) []string {
	return slices.DeleteFunc(listed(notes[hookAnnotation]), func(name string) bool {
		_, known := hookPhases[name]
		return !known && name != "Skip"
	})
}

// IsHook reports whether an object is a hook of any type. It is no part of the
// application then: not compared, not pruned, and without a say in its health.
func IsHook(obj *unstructured.Unstructured) bool {
	notes := obj.GetAnnotations()
	if len(ownHooks(notes)) > 0 {
		return true
	}
	return slices.ContainsFunc(listed(notes[helmHookAnnotation]), func(name string) bool {
		_, known := helmHookPhases[name]
		return known || slices.Contains(helmNoHooks, name)
	})
}

// phasesOf returns the phases in which a hook runs, in their order.
func phasesOf(obj *unstructured.Unstructured) []app.SyncPhase {
	names, table := ownHooks(obj.GetAnnotations()), hookPhases
	if len(names) == 0 {
		names, table = listed(obj.GetAnnotations()[helmHookAnnotation]), helmHookPhases
	}
	var list []app.SyncPhase
	for _, name := range names {
		if phase, ok := table[name]; ok {
			list = append(list, phase)
		}
	}
	slices.SortFunc(list, app.SyncPhase.Compare)
	return slices.Compact(list)
}

// skipped reports whether obj is never applied: Skip as its only hook type, or
// Helm hooks that have no place in a sync.
func skipped(obj *unstructured.Unstructured) bool {
	notes := obj.GetAnnotations()
	if own := ownHooks(notes); len(own) > 0 {
		return len(own) == 1 && own[0] == "Skip"
	}
	helm := listed(notes[helmHookAnnotation])
	return len(helm) > 0 && !slices.ContainsFunc(helm, func(name string) bool { return !slices.Contains(helmNoHooks, name) })
}

func listed(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' })
}

// hookPolicy reads when a hook's object is deleted; nothing said means before
// it is created anew.
func hookPolicy(obj *unstructured.Unstructured) plan.Hook {
	notes := obj.GetAnnotations()
	h := plan.Hook{}
	for _, name := range append(listed(notes[hookDeleteAnnotation]), listed(notes[helmDeleteAnnotation])...) {
		switch name {
		case "BeforeHookCreation", "before-hook-creation":
			h.Before = true
		case "HookSucceeded", "hook-succeeded":
			h.Succeeded = true
		case "HookFailed", "hook-failed":
			h.Failed = true
		}
	}
	if !h.Before && !h.Succeeded && !h.Failed {
		h.Before = true
	}
	return h
}

// hooks makes the plan items of a hook, one for each phase that it runs in.
func (s Settings) hooks(a app.Application, m object.Manifest, namespaced func(object.Key) bool) ([]plan.Item, error) {
	item, err := s.placed(a, m, namespaced)
	if err != nil {
		return nil, err
	}
	var items []plan.Item
	for _, phase := range phasesOf(m.Object) {
		policy := hookPolicy(m.Object)
		if item.Object.GetName() == "" {
			policy.Prefix = item.Object.GetGenerateName()
		}
		next := item
		next.Phase, next.Hook = phase, &policy
		items = append(items, next)
	}
	return items, nil
}

// Arm returns a hook with the object that an attempt of an operation creates:
// named, marked as the application's and the attempt's, and kept by a finalizer
// until its end was seen.
func (s Settings) Arm(a app.Application, hook plan.Item, run app.Run) (plan.Item, error) {
	obj, policy := hook.Object.DeepCopy(), *hook.Hook
	if policy.Prefix != "" {
		obj.SetName(plan.HookName(policy.Prefix, run.Revision.ID, hook.Phase, run.StartedAt))
		obj.SetGenerateName("")
	}
	if err := s.mark(obj, a.ID, a.Target.Namespace); err != nil {
		return plan.Item{}, err
	}
	if err := setString(obj, plan.Attempt(run, hook.Phase), "metadata", "annotations", attemptAnnotation); err != nil {
		return plan.Item{}, err
	}
	if list := obj.GetFinalizers(); !slices.Contains(list, HookFinalizer) {
		obj.SetFinalizers(append(list, HookFinalizer))
	}
	hook.Object, hook.Hook = obj, &policy
	return hook, nil
}

// AttemptOf returns the attempt of an operation that a hook was created for.
func AttemptOf(live *unstructured.Unstructured) string {
	return live.GetAnnotations()[attemptAnnotation]
}
