package cli

import (
	"context"
	"errors"
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/plumbline-dev/plumbline/internal/core/app"
	"github.com/plumbline-dev/plumbline/internal/core/diff"
	"github.com/plumbline-dev/plumbline/internal/core/object"
	core "github.com/plumbline-dev/plumbline/internal/core/schema"
)

// view is a state of a cluster to compare with: the cluster itself, or a
// folder of its objects.
type view interface {
	// get returns nil for an object that does not exist.
	get(ctx context.Context, kind schema.GroupVersionKind, key object.Key) (*unstructured.Unstructured, error)
	// owned returns objects that may belong to an application.
	owned(ctx context.Context, d *Declaration) ([]*unstructured.Unstructured, error)
	// change says what applying a desired object would change.
	change(ctx context.Context, in diff.Input) (diff.Change, error)
}

// folder is a view of objects that were read from files.
type folder map[object.Key]*unstructured.Unstructured

func newFolder(objects []*unstructured.Unstructured) (folder, error) {
	f := folder{}
	for _, obj := range objects {
		key := object.KeyOf(obj)
		if _, twice := f[key]; twice {
			return nil, fmt.Errorf("live objects: %s is there twice", key)
		}
		f[key] = obj
	}
	return f, nil
}

func (f folder) get(_ context.Context, _ schema.GroupVersionKind, key object.Key) (*unstructured.Unstructured, error) {
	return f[key], nil
}

func (f folder) owned(_ context.Context, d *Declaration) ([]*unstructured.Unstructured, error) {
	var list []*unstructured.Unstructured
	for _, obj := range f {
		if ownedBy(d, obj) {
			list = append(list, obj)
		}
	}
	return list, nil
}

func ownedBy(d *Declaration, obj *unstructured.Unstructured) bool {
	owner, marked := d.Owner(obj)
	return marked && owner == d.App.ID
}

func (f folder) change(_ context.Context, in diff.Input) (diff.Change, error) {
	in.Schemas = builtinSchemas(in.Desired.GroupVersionKind())
	return diff.Compute(in)
}

// builtinSchemas are the built-in types; kinds that they lack are compared
// without a type, each list as a whole.
func builtinSchemas(gvk schema.GroupVersionKind) *core.Set {
	set := core.Builtin()
	if _, err := set.Converter(gvk); err != nil {
		return set.WithUntyped(gvk)
	}
	return set
}

// clusterView is the cluster itself.
type clusterView struct{ Cluster }

func (v clusterView) get(ctx context.Context, kind schema.GroupVersionKind, key object.Key) (*unstructured.Unstructured, error) {
	obj, err := v.Get(ctx, kind, key.Namespace, key.Name)
	if errors.Is(err, ErrNotFound) || errors.Is(err, ErrNoKind) {
		return nil, nil
	}
	return obj, err
}

// owned reads what the application's status lists.
func (v clusterView) owned(ctx context.Context, d *Declaration) ([]*unstructured.Unstructured, error) {
	var list []*unstructured.Unstructured
	for _, e := range d.App.State.Inventory {
		kind := schema.GroupVersionKind{Group: e.Key.Group, Version: e.Version, Kind: e.Key.Kind}
		obj, err := v.get(ctx, kind, e.Key)
		if err != nil {
			return nil, err
		}
		if obj != nil && ownedBy(d, obj) {
			list = append(list, obj)
		}
	}
	return list, nil
}

func (v clusterView) change(ctx context.Context, in diff.Input) (diff.Change, error) {
	var undecided *diff.UndecidedError
	schemas, err := v.Schemas(ctx, in.Desired.GroupVersionKind().GroupVersion())
	if err != nil {
		return diff.Change{}, err
	}
	in.Schemas = schemas
	change, err := diff.Compute(in)
	if err == nil || !errors.As(err, &undecided) {
		return change, err
	}
	result, err := v.DryRun(ctx, in.Desired, in.Manager)
	if err != nil {
		return diff.Change{}, err
	}
	return diff.FromDryRun(in, result)
}

// inventoryOf takes over what the cluster's own copy of an application
// remembers, which a file does not.
func inventoryOf(d *Declaration, state app.State) {
	if len(d.App.State.Inventory) == 0 {
		d.App.State = state
	}
}
