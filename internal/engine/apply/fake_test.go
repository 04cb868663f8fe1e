package apply_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/plumbline-dev/plumbline/internal/core/app"
	core "github.com/plumbline-dev/plumbline/internal/core/apply"
	"github.com/plumbline-dev/plumbline/internal/core/object"
	"github.com/plumbline-dev/plumbline/internal/core/plan"
	"github.com/plumbline-dev/plumbline/internal/engine/apply"
)

var shop = app.ID{Kind: "Application", Namespace: "apps", Name: "shop"}

// server keeps whole objects in memory and the order of what it was asked.
type server struct {
	mu      sync.Mutex
	objects map[object.Key]*unstructured.Unstructured
	calls   []string
	options []apply.Options
	deletes []apply.DeleteOptions
	next    int
	version int

	refuse  map[string]error // by verb and key: "apply ConfigMap shop/a"
	stuck   map[object.Key]bool
	reached func(call string) // called outside the lock
}

func newServer(objects ...*unstructured.Unstructured) *server {
	s := &server{objects: map[object.Key]*unstructured.Unstructured{}, refuse: map[string]error{}, stuck: map[object.Key]bool{}}
	for _, obj := range objects {
		s.put(obj)
	}
	return s
}

func (s *server) put(obj *unstructured.Unstructured) *unstructured.Unstructured {
	stored := obj.DeepCopy()
	if old := s.objects[object.KeyOf(obj)]; old != nil {
		stored.SetUID(old.GetUID())
	}
	if stored.GetUID() == "" {
		s.next++
		stored.SetUID(types.UID(fmt.Sprintf("uid-%d", s.next)))
	}
	s.version++
	stored.SetResourceVersion(fmt.Sprint(s.version))
	s.objects[object.KeyOf(obj)] = stored
	return stored
}

func (s *server) called(verb string, key object.Key, dryRun bool) error {
	call := verb + " " + key.String()
	if dryRun {
		call = "try " + call
	}
	s.mu.Lock()
	s.calls = append(s.calls, call)
	reached, err := s.reached, s.refuse[call]
	s.mu.Unlock()
	if reached != nil {
		reached(call)
	}
	return err
}

func (s *server) write(verb string, obj *unstructured.Unstructured, opts apply.Options) (*unstructured.Unstructured, error) {
	key := object.KeyOf(obj)
	if err := s.called(verb, key, opts.DryRun); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.options = append(s.options, opts)
	if old := s.objects[key]; old != nil && old.Object["immutable"] != nil && fmt.Sprint(old.Object["immutable"]) != fmt.Sprint(obj.Object["immutable"]) {
		return nil, immutable(key)
	}
	if opts.DryRun {
		return obj.DeepCopy(), nil
	}
	return s.put(obj), nil
}

func (s *server) Apply(_ context.Context, obj *unstructured.Unstructured, opts apply.Options) (*unstructured.Unstructured, error) {
	return s.write("apply", obj, opts)
}

func (s *server) Replace(_ context.Context, obj *unstructured.Unstructured, opts apply.Options) (*unstructured.Unstructured, error) {
	return s.write("replace", obj, opts)
}

func (s *server) Delete(_ context.Context, key object.Key, opts apply.DeleteOptions) error {
	if err := s.called("delete", key, false); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.deletes = append(s.deletes, opts)
	live := s.objects[key]
	switch {
	case live == nil:
		return nil
	case string(live.GetUID()) != opts.UID:
		return apierrors.NewConflict(schema.GroupResource{Resource: key.Kind}, key.Name, fmt.Errorf("the UID in the precondition does not match"))
	case opts.Version != "" && live.GetResourceVersion() != opts.Version:
		return apierrors.NewConflict(schema.GroupResource{Resource: key.Kind}, key.Name, fmt.Errorf("the ResourceVersion in the precondition does not match"))
	case !s.stuck[key]:
		delete(s.objects, key)
	}
	return nil
}

func (s *server) DropFinalizer(_ context.Context, live *unstructured.Unstructured, finalizer string, _ apply.Options) (*unstructured.Unstructured, error) {
	key := object.KeyOf(live)
	if err := s.called("drop "+finalizer+" of", key, false); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.objects[key]
	if now == nil {
		return live, nil
	}
	if now.GetResourceVersion() != live.GetResourceVersion() {
		return nil, apierrors.NewConflict(schema.GroupResource{Resource: key.Kind}, key.Name, fmt.Errorf("it has changed"))
	}
	next := now.DeepCopy()
	next.SetFinalizers(slices.DeleteFunc(next.GetFinalizers(), func(f string) bool { return f == finalizer }))
	return s.put(next).DeepCopy(), nil
}

func (s *server) Read(_ context.Context, key object.Key) (*unstructured.Unstructured, error) {
	if err := s.called("read", key, false); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if live := s.objects[key]; live != nil {
		return live.DeepCopy(), nil
	}
	return nil, &apply.MissingError{Key: key}
}

func (s *server) Gone(ctx context.Context, key object.Key, uid string) error {
	if err := s.called("gone", key, false); err != nil {
		return err
	}
	s.mu.Lock()
	live := s.objects[key]
	s.mu.Unlock()
	if live == nil || string(live.GetUID()) != uid {
		return nil
	}
	<-ctx.Done()
	return ctx.Err()
}

func (s *server) Established(_ context.Context, name string) error {
	return s.called("established", object.Key{Kind: "CustomResourceDefinition", Name: name}, false)
}

// names lists what is stored, sorted.
func (s *server) names() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []string
	for key := range maps.Keys(s.objects) {
		list = append(list, key.Name)
	}
	slices.Sort(list)
	return list
}

func immutable(key object.Key) error {
	return apierrors.NewInvalid(schema.GroupKind{Group: key.Group, Kind: key.Kind}, key.Name, field.ErrorList{
		field.Invalid(field.NewPath("immutable"), "b", "field is immutable"),
	})
}

func thing(kind, name string) *unstructured.Unstructured {
	obj := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": kind}}
	obj.SetNamespace("shop")
	obj.SetName(name)
	return obj
}

// fixed is an object with a field that cannot be changed.
func fixed(name, value string) *unstructured.Unstructured {
	obj := thing("Job", name)
	obj.Object["immutable"] = value
	return obj
}

func step(action plan.Action, obj *unstructured.Unstructured) plan.Step {
	return plan.Step{
		Action: action, Key: object.KeyOf(obj), Version: "v1",
		Manifest: object.Manifest{Object: obj, Origin: object.Origin{File: "app.yaml"}},
	}
}

func pruneOf(live *unstructured.Unstructured) plan.Step {
	return plan.Step{Action: plan.Prune, Key: object.KeyOf(live), UID: string(live.GetUID())}
}

func job() apply.Job {
	return apply.Job{
		User: shop, Manager: "tester", Parallel: 4, Propagation: "foreground",
		MayPrune: func(*unstructured.Unstructured) error { return nil },
	}
}

func errorsOf(events []core.Event) []string {
	list := make([]string, len(events))
	for i, e := range events {
		if e.Err != nil {
			list[i] = e.Err.Error()
		}
	}
	return list
}

func run(t *testing.T, s *server, j apply.Job, steps ...plan.Step) []core.Event {
	t.Helper()
	return apply.Run(t.Context(), s, j, steps)
}
