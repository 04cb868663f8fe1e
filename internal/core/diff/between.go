package diff

import (
	"encoding/json"
	"errors"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/plumbline-dev/plumbline/internal/core/object"
	"github.com/plumbline-dev/plumbline/internal/core/schema"
)

// comparing is the field manager that stands for whoever applied the old state.
const comparing = "plumb-diff"

// Between returns what applying next would change had old been applied before,
// by the same manager and with nobody else at work: what differs between two
// declarations of one object. It is an Update or None.
//
// The types in schemas decide what a difference is. Where they do not know the
// kind or do not fit the old object, every list and every leaf counts as a
// whole. Between fails with *InvalidError when the server would refuse next.
func Between(old, next *unstructured.Unstructured, schemas *schema.Set) (Change, error) {
	before, after := old.GetAPIVersion(), next.GetAPIVersion()
	if before != after {
		old = old.DeepCopy()
		old.SetAPIVersion(after)
	}
	change, err := applied(old, next, schemas)
	var undecided *UndecidedError
	if errors.As(err, &undecided) {
		change, err = applied(old, next, (&schema.Set{}).WithUntyped(next.GroupVersionKind()))
	}
	if err != nil {
		return Change{}, err
	}
	if before != after {
		change.Fields = append([]Field{{Path: "apiVersion", Op: Changed, Old: before, New: after}}, change.Fields...)
		change.Kind, change.Reason = Update, updateReason(change.Fields)
	}
	if change.Kind != Update {
		return Change{Key: change.Key, Kind: None}, nil
	}
	return change, nil
}

func applied(old, next *unstructured.Unstructured, schemas *schema.Set) (Change, error) {
	live, err := asStored(old, schemas)
	if err != nil {
		return Change{}, &UndecidedError{Key: object.KeyOf(next), Cause: err}
	}
	return Compute(Input{Desired: next, Live: live, Manager: comparing, Schemas: schemas})
}

// asStored returns obj as it stands in a cluster after an apply: written the way
// the server writes it, and with every declared field claimed.
func asStored(obj *unstructured.Unstructured, schemas *schema.Set) (*unstructured.Unstructured, error) {
	gvk := obj.GroupVersionKind()
	content := without(unassigned(obj.Object), "status")
	if isSecret(object.KeyOf(obj)) {
		content = foldStringData(content)
	}
	converter, err := schemas.Converter(gvk)
	if err != nil {
		return nil, err
	}
	typed, err := converter.ObjectToTyped(&unstructured.Unstructured{Object: content})
	if err != nil {
		return nil, err
	}
	set, err := typed.ToFieldSet()
	if err != nil {
		return nil, err
	}
	raw, err := set.Difference(unowned).ToJSON()
	if err != nil {
		return nil, err
	}
	fields := map[string]any{}
	if err := json.Unmarshal(raw, &fields); err != nil {
		return nil, err
	}
	if written, err := roundTrip(gvk, content); err == nil && written != nil && !lossy(content, written) {
		content = written
	}
	claim := map[string]any{
		"manager": comparing, "operation": operationApply, "apiVersion": gvk.GroupVersion().String(),
		"fieldsType": "FieldsV1", "fieldsV1": fields,
	}
	metadata, _ := content["metadata"].(map[string]any)
	return &unstructured.Unstructured{Object: with(content, "metadata", with(metadata, "managedFields", []any{claim}))}, nil
}
