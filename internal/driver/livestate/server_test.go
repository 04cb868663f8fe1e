package livestate_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/plumbline-dev/plumbline/internal/core/object"
	"github.com/plumbline-dev/plumbline/internal/driver/livestate"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/transport"
)

// realRig is a State in front of the API server that SANDBOX_KUBECONFIG names.
type realRig struct {
	*livestate.State
	config  livestate.Config
	dynamic *dynamic.DynamicClient

	mu       sync.Mutex
	requests []string
	changes  []livestate.Change
}

func newRealRig(t *testing.T) *realRig {
	t.Helper()
	path := os.Getenv("SANDBOX_KUBECONFIG")
	if path == "" {
		t.Skip("SANDBOX_KUBECONFIG names no API server")
	}
	config, err := clientcmd.BuildConfigFromFlags("", path)
	if err != nil {
		t.Fatal(err)
	}
	config.QPS = -1
	r := &realRig{dynamic: dynamic.NewForConfigOrDie(config)}

	watching := dynamic.ConfigFor(config)
	watching.Wrap(transport.WrapperFunc(func(next http.RoundTripper) http.RoundTripper { return counter{next, r} }))
	client, err := rest.UnversionedRESTClientFor(watching)
	if err != nil {
		t.Fatal(err)
	}
	r.config = livestate.Config{
		Client:   client,
		OnChange: r.changed,
		Owners: func(m livestate.Metadata) []string {
			if owner, ok := m.Labels.Lookup("owner"); ok {
				return []string{owner}
			}
			return nil
		},
	}
	r.State = livestate.New(r.config)
	t.Cleanup(r.State.Close)
	return r
}

type counter struct {
	http.RoundTripper
	rig *realRig
}

func (c counter) RoundTrip(req *http.Request) (*http.Response, error) {
	c.rig.mu.Lock()
	c.rig.requests = append(c.rig.requests, req.URL.String())
	c.rig.mu.Unlock()
	return c.RoundTripper.RoundTrip(req)
}

func (r *realRig) changed(c livestate.Change) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.changes = append(r.changes, c)
}

func (r *realRig) saw(t *testing.T, match func(livestate.Change) bool) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		r.mu.Lock()
		found := slices.ContainsFunc(r.changes, match)
		r.mu.Unlock()
		if found {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("never; changes %v", r.changes)
		}
	}
}

func (r *realRig) namespace(t *testing.T) string {
	t.Helper()
	namespaces := r.dynamic.Resource(schema.GroupVersionResource{Version: "v1", Resource: "namespaces"})
	ns := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"generateName": "livestate-test-"}}}
	made, err := namespaces.Create(t.Context(), ns, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = namespaces.Delete(context.Background(), made.GetName(), metav1.DeleteOptions{}) })
	return made.GetName()
}

func TestServerLifeOfAnObject(t *testing.T) {
	r := newRealRig(t)
	ctx, ns := t.Context(), r.namespace(t)
	if err := r.Require(ctx, "test", []livestate.Resource{configMaps}); err != nil {
		t.Fatal(err)
	}
	maps := r.dynamic.Resource(configMaps.GVR).Namespace(ns)
	obj := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap",
		"metadata": map[string]any{"name": "c", "namespace": ns, "labels": map[string]any{"owner": "a"}},
		"data":     map[string]any{"text": "line\n\"quoted\" \u00e9 \\ <&>"},
	}}
	stored, err := maps.Apply(ctx, "c", obj, metav1.ApplyOptions{FieldManager: "test"})
	if err != nil {
		t.Fatal(err)
	}
	of := func(kind livestate.ChangeType) func(livestate.Change) bool {
		return func(c livestate.Change) bool {
			return c.Type == kind && c.Key.Namespace == ns && c.Key.Name == "c" && cmp.Equal(c.Owners, []string{"a"})
		}
	}
	r.saw(t, of(livestate.Added))
	k := object.Key{Kind: "ConfigMap", Namespace: ns, Name: "c"}
	got, _ := r.Get(k)
	if diff := cmp.Diff(stored, got); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]object.Key{k}, r.Owned("a")); diff != "" {
		t.Error(diff)
	}

	obj.Object["data"] = map[string]any{"text": "other"}
	stored, err = maps.Apply(ctx, "c", obj, metav1.ApplyOptions{FieldManager: "test"})
	if err != nil {
		t.Fatal(err)
	}
	observe(r, stored, "a") // races with its echo; either way the new state is stored
	if meta, _ := r.Meta(k); meta.ResourceVersion != stored.GetResourceVersion() {
		t.Error("own write is not read")
	}
	if err := maps.Delete(ctx, "c", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	r.saw(t, of(livestate.Deleted))
	observe(r, stored, "a")
	if _, ok := r.Get(k); ok {
		t.Error("a deleted object came back")
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.requests) != 1 || !strings.Contains(r.requests[0], "sendInitialEvents=true") {
		t.Errorf("requests %q", r.requests)
	}
}

// Of a cluster of which namespaces alone may be seen, nothing else is asked for, and
// each object is where it belongs.
func TestServerSpread(t *testing.T) {
	r := newRealRig(t)
	ctx, first, second, other := t.Context(), r.namespace(t), r.namespace(t), r.namespace(t)
	s := livestate.NewSpread(r.config, []string{first, second}, false)
	defer s.Close()
	nodes := livestate.Resource{GVR: schema.GroupVersionResource{Version: "v1", Resource: "nodes"}, GVK: schema.GroupVersionKind{Version: "v1", Kind: "Node"}}
	err := s.Require(ctx, "test", []livestate.Resource{configMaps, nodes})
	if each := (*livestate.RequireError)(nil); !errors.As(err, &each) || len(each.Kinds) != 1 || !errors.Is(err, livestate.ErrOutOfSight) {
		t.Fatalf("%v", err)
	}
	key := func(ns string) object.Key { return object.Key{Kind: "ConfigMap", Namespace: ns, Name: "c"} }
	for _, ns := range []string{first, second, other} {
		obj := &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": "c", "namespace": ns, "labels": map[string]any{"owner": "a"}},
		}}
		stored, err := r.dynamic.Resource(configMaps.GVR).Namespace(ns).Apply(ctx, "c", obj, metav1.ApplyOptions{FieldManager: "test"})
		if err != nil {
			t.Fatal(err)
		}
		text, err := stored.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		s.Observe(configMaps.GVK, text, "a")
	}
	for ns, want := range map[string]bool{first: true, second: true, other: false} {
		if _, got := s.Get(key(ns)); got != want {
			t.Errorf("%s is seen: %t", ns, got)
		}
		if _, got := s.Meta(key(ns)); got != want {
			t.Errorf("%s is known: %t", ns, got)
		}
	}
	s.Claim("b", []object.Key{key(first), key(other)})
	if got := s.Claimed(key(first)); !slices.Equal(got, []string{"b"}) || len(s.Claimed(key(other))) > 0 {
		t.Errorf("claimed by %v", got)
	}
	if got := s.Owned("a"); len(got) != 2 {
		t.Errorf("owned: %v", got)
	}
	if !slices.Equal(s.Users(configMaps.GVK.GroupKind()), []string{"test"}) || len(s.Keys(configMaps.GVK.GroupKind())) < 2 || s.Count() < 2 {
		t.Errorf("users %v, %d objects", s.Users(configMaps.GVK.GroupKind()), s.Count())
	}
	s.Claim("b", nil)
	if len(s.Claimed(key(first))) > 0 {
		t.Error("a claim stays")
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, request := range r.requests {
		if !strings.Contains(request, "/namespaces/"+first+"/configmaps") && !strings.Contains(request, "/namespaces/"+second+"/configmaps") {
			t.Errorf("asked for %s", request)
		}
	}
}

func TestServerCRDAtRunTime(t *testing.T) {
	r := newRealRig(t)
	ctx, ns := t.Context(), r.namespace(t)
	gadgets := livestate.Resource{
		GVR: schema.GroupVersionResource{Group: "livestate.test", Version: "v1", Resource: "gadgets"},
		GVK: schema.GroupVersionKind{Group: "livestate.test", Version: "v1", Kind: "Gadget"},
	}
	if err := r.Require(ctx, "test", []livestate.Resource{gadgets, configMaps}); err == nil {
		t.Fatal("a kind that does not exist is provided")
	}
	if !r.Synced(configMaps.GVK.GroupKind()) {
		t.Error("the other kind is not provided")
	}
	crds := r.dynamic.Resource(schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"})
	crd := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
		"metadata": map[string]any{"name": "gadgets.livestate.test"},
		"spec": map[string]any{
			"group": "livestate.test", "scope": "Namespaced",
			"names": map[string]any{"kind": "Gadget", "plural": "gadgets", "singular": "gadget", "listKind": "GadgetList"},
			"versions": []any{map[string]any{"name": "v1", "served": true, "storage": true, "schema": map[string]any{
				"openAPIV3Schema": map[string]any{"type": "object", "x-kubernetes-preserve-unknown-fields": true},
			}}},
		},
	}}
	if _, err := crds.Create(ctx, crd, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	remove := func() { _ = crds.Delete(context.Background(), crd.GetName(), metav1.DeleteOptions{}) }
	t.Cleanup(remove)
	for r.Require(ctx, "test", []livestate.Resource{gadgets, configMaps}) != nil {
		// refused until the server serves it
	}
	gadget := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "livestate.test/v1", "kind": "Gadget", "metadata": map[string]any{"name": "g", "namespace": ns}, "size": int64(3),
	}}
	if _, err := r.dynamic.Resource(gadgets.GVR).Namespace(ns).Create(ctx, gadget, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	r.saw(t, func(c livestate.Change) bool { return c.Key.Kind == "Gadget" && c.Type == livestate.Added })
	remove()
	r.saw(t, func(c livestate.Change) bool { return c.Key.Kind == "Gadget" && c.Type == livestate.Deleted })
}

func TestServerMetadataOnly(t *testing.T) {
	r := newRealRig(t)
	partial := configMaps
	partial.MetadataOnly = true
	if err := r.Require(t.Context(), "test", []livestate.Resource{partial}); err != nil {
		t.Fatal(err)
	}
	for _, k := range r.Keys(configMaps.GVK.GroupKind()) {
		m, ok := r.GetMetadata(k)
		if !ok || m.Name != k.Name || m.UID == "" || len(m.ManagedFields) != 0 {
			t.Errorf("%s: %+v", k, m)
		}
	}
	if r.Count() == 0 {
		t.Error("nothing is stored")
	}
}

func TestServerStats(t *testing.T) {
	r := newRealRig(t)
	if err := r.Require(t.Context(), "test", []livestate.Resource{configMaps, deployments}); err != nil {
		t.Fatal(err)
	}
	for _, k := range r.Stats().Kinds {
		t.Log(fmt.Sprintf("%s: %d objects, %d bytes", k.GVK.Kind, k.Objects, k.Bytes))
	}
}
