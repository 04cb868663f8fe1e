package argo

import (
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/plumbline-dev/plumbline/internal/core/app"
	"github.com/plumbline-dev/plumbline/internal/core/condition"
	"github.com/plumbline-dev/plumbline/internal/core/object"
	"github.com/plumbline-dev/plumbline/internal/core/plan"
)

// Prepare makes plan items of rendered manifests: namespaces are defaulted,
// the last of repeated objects wins, every object is marked as the
// application's, and waves and options are read from annotations. namespaced
// tells whether a kind lives in namespaces. Manifests are not changed. Problems
// are warnings; an error means that nothing of it may be applied.
func (s Settings) Prepare(a app.Application, manifests []object.Manifest, namespaced func(object.Key) bool) ([]plan.Item, []condition.Problem, error) {
	var problems []condition.Problem
	var items []plan.Item
	at := map[object.Key]int{}
	for _, m := range manifests {
		if skipped(m.Object) {
			continue
		}
		if name := hookOf(m.Object); name != "" {
			return nil, nil, condition.Newf(condition.NotSupported,
				"%s in %s is a %s hook, and hooks are not run by this version: nothing is applied, because objects that rely on it would be rolled out without it", m.Key(), m.Origin.File, name)
		}
		item, err := s.item(a, m, namespaced)
		if err != nil {
			return nil, nil, condition.Because(condition.PlanInvalid, err)
		}
		key := item.Key()
		if i, again := at[key]; again {
			problems = append(problems, condition.Problem{
				Reason:  condition.RepeatedObject,
				Message: "Resource " + key.Group + "/" + key.Kind + "/" + key.Namespace + "/" + key.Name + " appeared 2 times among application resources.",
			})
			items[i] = item
			continue
		}
		at[key] = len(items)
		items = append(items, item)
	}
	return items, problems, nil
}

func (s Settings) item(a app.Application, m object.Manifest, namespaced func(object.Key) bool) (plan.Item, error) {
	obj := m.Object.DeepCopy()
	object.FoldStringData(obj)
	switch {
	case !namespaced(m.Key()):
		unstructured.RemoveNestedField(obj.Object, "metadata", "namespace")
	case obj.GetNamespace() == "":
		obj.SetNamespace(a.Target.Namespace)
	}
	if namespaced(m.Key()) && obj.GetNamespace() == "" {
		return plan.Item{}, condition.Newf(condition.InvalidSpec,
			"namespace for %s is missing: set spec.destination.namespace, or metadata.namespace in %s", m.Key(), m.Origin.File)
	}
	if err := s.mark(obj, a.ID, a.Target.Namespace); err != nil {
		return plan.Item{}, err
	}
	own, all := objectOptions(obj, syncOptionsAnnotation), a.Policy
	return plan.Item{
		Manifest: object.Manifest{Object: obj, Origin: m.Origin},
		Wave:     wave(obj),
		Replace:  flag(own, "Replace", all.Replace),
		Force:    flag(own, "Force", all.Force),
		Lenient:  own.has("Validate=false") || all.LenientFields,
	}, nil
}

func flag(own options, key string, otherwise bool) bool {
	if v := own.value(key); v != "" {
		return v == "true"
	}
	return otherwise
}

// wave reads the sync wave, or a Helm hook's weight; what is no number counts as 0.
func wave(obj *unstructured.Unstructured) int {
	notes := obj.GetAnnotations()
	text, ok := notes[waveAnnotation]
	if !ok {
		text = notes[helmWeightAnnotation]
	}
	n, err := strconv.Atoi(strings.TrimSpace(text))
	if err != nil {
		return 0
	}
	return n
}

var (
	hookTypes     = []string{"PreSync", "Sync", "PostSync", "SyncFail", "PreDelete", "PostDelete"}
	helmHookTypes = []string{"pre-install", "pre-upgrade", "post-install", "post-upgrade", "pre-delete", "post-delete"}
	helmNoHooks   = []string{"test", "test-success", "pre-rollback", "post-rollback"}
)

// hookOf returns the first hook type that would have to be run for obj, or "".
func hookOf(obj *unstructured.Unstructured) string {
	notes := obj.GetAnnotations()
	for _, name := range listed(notes[hookAnnotation]) {
		if slices.Contains(hookTypes, name) {
			return name
		}
	}
	for _, name := range listed(notes[helmHookAnnotation]) {
		if slices.Contains(helmHookTypes, name) {
			return name
		}
	}
	return ""
}

// skipped reports whether obj is never applied: Skip as its only hook type, or
// Helm hooks that have no place in a sync.
func skipped(obj *unstructured.Unstructured) bool {
	notes := obj.GetAnnotations()
	if own := listed(notes[hookAnnotation]); len(own) > 0 {
		return len(own) == 1 && own[0] == "Skip"
	}
	helm := listed(notes[helmHookAnnotation])
	return len(helm) > 0 && !slices.ContainsFunc(helm, func(name string) bool { return !slices.Contains(helmNoHooks, name) })
}

func listed(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' })
}

// KeepOnPrune says why a leftover stays although pruning is on; "" lets it go.
func (s Settings) KeepOnPrune(a app.Application, live *unstructured.Unstructured) string {
	own := objectOptions(live, syncOptionsAnnotation)
	if own.has("Prune=false") || (a.Policy.PruneNever && own.value("Prune") == "") {
		return "ignored (no prune)"
	}
	return ""
}

// AsksOnPrune reports whether a person has to agree before an object is pruned.
func AsksOnPrune(a app.Application, live *unstructured.Unstructured) bool {
	own := objectOptions(live, syncOptionsAnnotation)
	return own.has("Prune=confirm") || (a.Policy.PruneConfirm && own.value("Prune") == "")
}

// KeepOnDelete says why an object survives the deletion of its application.
func (s Settings) KeepOnDelete(a app.Application, live *unstructured.Unstructured) string {
	own := objectOptions(live, syncOptionsAnnotation)
	switch {
	case a.Policy.Outlive && own.value("Delete") == "":
		return "the sync policy asks for objects to be kept"
	case plan.IsCRD(object.KeyOf(live)):
		return "custom resource definitions survive"
	case own.has("Delete=false"):
		return "the object asks to be kept"
	case live.GetAnnotations()[helmPolicyAnnotation] == "keep":
		return "the chart asks for it to be kept"
	}
	return ""
}

// AsksOnDelete reports whether a person has to agree before an object goes with
// its application.
func AsksOnDelete(a app.Application, live *unstructured.Unstructured) bool {
	own := objectOptions(live, syncOptionsAnnotation)
	return own.has("Delete=confirm") || (a.Policy.DeleteConfirm && own.value("Delete") == "")
}

// PruneWave returns the wave that a leftover belongs to and whether it goes last.
func PruneWave(live *unstructured.Unstructured) (number int, last bool) {
	return wave(live), objectOptions(live, syncOptionsAnnotation).has("PruneLast=true")
}

// IgnoresExtra reports whether a leftover leaves the application in sync.
func IgnoresExtra(live *unstructured.Unstructured) bool {
	return objectOptions(live, compareAnnotation).has("IgnoreExtraneous")
}

// IgnoresHealth reports whether an object's health does not count.
func IgnoresHealth(obj *unstructured.Unstructured) bool {
	return obj.GetAnnotations()[healthAnnotation] == "true"
}
