package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/plumbline-dev/plumbline/internal/core/diff"
	"github.com/plumbline-dev/plumbline/internal/core/object"
	"github.com/plumbline-dev/plumbline/internal/core/plan"
	"github.com/plumbline-dev/plumbline/internal/core/render"
	core "github.com/plumbline-dev/plumbline/internal/core/schema"
	"github.com/plumbline-dev/plumbline/internal/core/source"
)

// finding is one object that differs, with both of its states.
type finding struct {
	diff.Change
	old, new *unstructured.Unstructured
}

// difference is what differs for one unit.
type difference struct {
	title, from, to string
	findings        []finding
	problems        []error
}

// between renders a unit from two trees and compares the results.
func (c *command) between(ctx context.Context, u unit, from, to source.Tree) (difference, error) {
	d := difference{title: u.title, from: from.Revision().String(), to: to.Revision().String()}
	old, oldErr := c.renderUnit(ctx, u, from, nil)
	now, nowErr := c.renderUnit(ctx, u, to, nil)
	// A directory that only one revision has is compared with nothing.
	switch absent := (*render.PathError)(nil); {
	case oldErr == nil && nowErr == nil:
	case nowErr == nil && errors.As(oldErr, &absent) && !absent.File:
		c.say("%s: %v", u.title, absent)
	case oldErr == nil && errors.As(nowErr, &absent) && !absent.File:
		c.say("%s: %v", u.title, absent)
	case nowErr != nil:
		return d, nowErr
	default:
		return d, fmt.Errorf("at %s: %w", d.from, oldErr)
	}
	d.findings, d.problems = changes(old, now)
	for i, err := range d.problems {
		d.problems[i] = fmt.Errorf("%s: %w", u.title, err)
	}
	return d, nil
}

// changes compares two sets of objects; the last of repeated objects counts.
func changes(old, now []plan.Item) ([]finding, []error) {
	before := map[object.Key]plan.Item{}
	for _, item := range old {
		before[item.Key()] = item
	}
	after := map[object.Key]plan.Item{}
	for _, item := range now {
		after[item.Key()] = item
	}
	var out []finding
	var problems []error
	for key, item := range after {
		was, existed := before[key]
		if !existed {
			out = append(out, finding{
				Change: diff.Change{Key: key, Kind: diff.Create, Reason: "new in " + cmp.Or(item.Origin.File, "the rendered output")},
				new:    item.Object,
			})
			continue
		}
		change, err := changed(was.Object, item.Object)
		switch {
		case err != nil:
			problems = append(problems, fmt.Errorf("%s: %w", cmp.Or(item.Origin.File, key.String()), err))
		case change.OutOfSync():
			out = append(out, finding{Change: change, old: was.Object, new: item.Object})
		}
	}
	for key, item := range before {
		if _, stays := after[key]; !stays {
			out = append(out, finding{
				Change: diff.Change{Key: key, Kind: diff.Prune, Reason: "no longer declared (was in " + cmp.Or(item.Origin.File, "the rendered output") + ")"},
				old:    item.Object,
			})
		}
	}
	sortFindings(out)
	slices.SortFunc(problems, func(a, b error) int { return cmp.Compare(a.Error(), b.Error()) })
	return out, problems
}

func sortFindings(list []finding) {
	slices.SortFunc(list, func(a, b finding) int { return a.Key.Compare(b.Key) })
}

// comparing is the field manager that stands for whoever applied the old state.
const comparing = "plumb-diff"

// changed says what applying the new object would change had the old one been
// applied before. Types decide what a difference is; where they are not known
// or do not fit the old object, values do.
func changed(old, now *unstructured.Unstructured) (diff.Change, error) {
	oldVersion, newVersion := old.GetAPIVersion(), now.GetAPIVersion()
	if oldVersion != newVersion {
		old = old.DeepCopy()
		old.SetAPIVersion(newVersion)
	}
	gvk := now.GroupVersionKind()
	change, err := computed(old, now, builtinSchemas(gvk))
	if undecided := (*diff.UndecidedError)(nil); errors.As(err, &undecided) {
		change, err = computed(old, now, (&core.Set{}).WithUntyped(gvk))
	}
	if err != nil || oldVersion == newVersion {
		return change, err
	}
	change.Kind = diff.Update
	change.Fields = append([]diff.Field{{Path: "apiVersion", Op: diff.Changed, Old: oldVersion, New: newVersion}}, change.Fields...)
	return change, nil
}

func computed(old, now *unstructured.Unstructured, schemas *core.Set) (diff.Change, error) {
	live, err := claimed(old, schemas)
	if err != nil {
		return diff.Change{}, &diff.UndecidedError{Key: object.KeyOf(now), Cause: err}
	}
	return diff.Compute(diff.Input{Desired: now, Live: live, Manager: comparing, Schemas: schemas})
}

// claimed returns obj as it would stand in a cluster after an apply: with every
// field claimed by its manager.
func claimed(obj *unstructured.Unstructured, schemas *core.Set) (*unstructured.Unstructured, error) {
	gvk := obj.GroupVersionKind()
	converter, err := schemas.Converter(gvk)
	if err != nil {
		return nil, err
	}
	out := obj.DeepCopy()
	delete(out.Object, "status")
	typed, err := converter.ObjectToTyped(out)
	if err != nil {
		return nil, err
	}
	set, err := typed.ToFieldSet()
	if err != nil {
		return nil, err
	}
	raw, err := set.ToJSON()
	if err != nil {
		return nil, err
	}
	var fields map[string]any
	if err := json.Unmarshal(raw, &fields); err != nil {
		return nil, err
	}
	entry := map[string]any{
		"manager": comparing, "operation": "Apply", "apiVersion": gvk.GroupVersion().String(),
		"fieldsType": "FieldsV1", "fieldsV1": fields,
	}
	return out, unstructured.SetNestedSlice(out.Object, []any{entry}, "metadata", "managedFields")
}
