package diff

import (
	"errors"
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
	smd "sigs.k8s.io/structured-merge-diff/v6/schema"
	"sigs.k8s.io/structured-merge-diff/v6/typed"

	"github.com/plumbline-dev/plumbline/internal/core/object"
)

// FromDryRun states the answer of a server to a dry-run apply of in.Desired the
// way Compute does: result is the object the server would store. Without a
// schema for the kind items of lists are named by their index. in.Takeover is
// not looked at: the dry run was made with it or without it.
//
// It fails when result is not the object that was applied.
func FromDryRun(in Input, result *unstructured.Unstructured) (Change, error) {
	if result == nil || in.Desired == nil {
		return Change{}, errors.New("compare: no dry-run result")
	}
	key := object.KeyOf(result)
	if want := object.KeyOf(in.Desired); want.GroupKind() != key.GroupKind() || want.Name != key.Name {
		return Change{}, fmt.Errorf("%s: dry run answered with another object: %s", want, key)
	}
	if in.Live == nil {
		return Change{Key: key, Kind: Create, Reason: reasonMissing}, nil
	}
	ignored, err := ignoredOf(in)
	if err != nil {
		return Change{}, fmt.Errorf("%s: %w", key, err)
	}
	c := comparison{in: in, key: key, ignored: ignored, version: fieldpath.APIVersion(result.GetAPIVersion())}
	if c.ownership, err = split(in.Live, in.Manager); err != nil {
		return Change{}, c.undecided(err)
	}
	after, err := split(result, in.Manager)
	if err != nil {
		return Change{}, c.undecided(err)
	}
	c.set, c.liveObject, c.desiredObject = after.own, c.strip(in.Live.Object), c.strip(result.Object)
	fields, err := c.stored(in.Live, result)
	if err != nil {
		return Change{}, err
	}
	if len(fields) > 0 {
		return Change{Key: key, Kind: Update, Fields: fields, Reason: updateReason(fields)}, nil
	}
	if c.moves() {
		return Change{Key: key, Kind: Adopt, Reason: c.adoptReason()}, nil
	}
	return Change{Key: key, Kind: None}, nil
}

// stored lists the fields in which two stored objects differ.
func (c *comparison) stored(live, result *unstructured.Unstructured) ([]Field, error) {
	var (
		schema *smd.Schema = typed.DeducedParseableType.Schema
		tr                 = typed.DeducedParseableType.TypeRef
	)
	if converter, err := c.in.Schemas.Converter(result.GroupVersionKind()); err == nil {
		if v, err := converter.ObjectToTyped(result, typed.AllowDuplicates); err == nil {
			schema, tr = v.Schema(), v.TypeRef()
		}
	}
	before, after, err := c.compared(c.strip(live.Object), c.strip(result.Object))
	if err != nil {
		return nil, err
	}
	before, after = tidy(before), tidy(after)
	if isSecret(c.key) {
		m := newMask()
		before, after = m.secret(before), m.secret(after)
	}
	w := walker{schema: schema, native: native(c.key.Group)}
	return c.attribute(w.differences(tr, before, after)), nil
}

// split separates manager's own claim from the others, of whatever version.
func split(obj *unstructured.Unstructured, manager string) (ownership, error) {
	all, err := claims(obj)
	if err != nil {
		return ownership{}, err
	}
	o := ownership{own: &fieldpath.Set{}}
	for _, c := range all {
		if !c.is(manager) {
			o.others = append(o.others, c)
			continue
		}
		if o.own, err = c.set(); err != nil {
			return ownership{}, err
		}
	}
	return o, nil
}
