package argo

import (
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
// application's, and waves and options are read from annotations. A hook gives
// an item for each phase that it runs in, to be armed before it is created.
// namespaced tells whether a kind lives in namespaces. Manifests are not
// changed. Problems are warnings; an error means that nothing of it may be
// applied.
func (s Settings) Prepare(a app.Application, manifests []object.Manifest, namespaced func(object.Key) bool) ([]plan.Item, []condition.Problem, error) {
	var problems []condition.Problem
	var items []plan.Item
	type identity struct {
		key    object.Key
		prefix string
		phase  app.SyncPhase
		hook   bool
	}
	at := map[identity]int{}
	for _, m := range manifests {
		if skipped(m.Object) {
			continue
		}
		made, err := s.items(a, m, namespaced)
		if err != nil {
			return nil, nil, condition.Because(condition.PlanInvalid, err)
		}
		if len(made) == 0 {
			continue // a hook that has no place in a sync
		}
		repeated := false
		for _, item := range made {
			id := identity{key: item.Key(), phase: item.Phase, hook: item.Hook != nil}
			if item.Hook != nil {
				id.prefix = item.Hook.Prefix
			}
			i, again := at[id]
			if again {
				items[i], repeated = item, true
				continue
			}
			at[id] = len(items)
			items = append(items, item)
		}
		if key := made[0].Key(); repeated {
			problems = append(problems, condition.Problem{
				Reason:  condition.RepeatedObject,
				Message: "Resource " + key.Group + "/" + key.Kind + "/" + key.Namespace + "/" + key.Name + " appeared 2 times among application resources.",
			})
		}
	}
	return items, problems, nil
}

// items makes one plan item of a manifest, or those of a hook.
func (s Settings) items(a app.Application, m object.Manifest, namespaced func(object.Key) bool) ([]plan.Item, error) {
	if IsHook(m.Object) {
		return s.hooks(a, m, namespaced)
	}
	item, err := s.placed(a, m, namespaced)
	if err == nil {
		err = s.mark(item.Object, a.ID, a.Target.Namespace)
	}
	return []plan.Item{item}, err
}

// placed makes a plan item of a copy of a manifest, in its namespace.
func (s Settings) placed(a app.Application, m object.Manifest, namespaced func(object.Key) bool) (plan.Item, error) {
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
