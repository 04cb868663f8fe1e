package kube_test

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/plumbline-dev/plumbline/internal/core/apierror"
	"github.com/plumbline-dev/plumbline/internal/core/kinds"
	"github.com/plumbline-dev/plumbline/internal/driver/kube"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/yaml"
)

// realServer connects to the API server that SANDBOX_KUBECONFIG names, and
// skips the test when there is none.
func realServer(t *testing.T, options kube.Options) *kube.Cluster {
	t.Helper()
	path := os.Getenv("SANDBOX_KUBECONFIG")
	if path == "" {
		t.Skip("SANDBOX_KUBECONFIG names no API server")
	}
	config, err := clientcmd.BuildConfigFromFlags("", path)
	if err != nil {
		t.Fatal(err)
	}
	c, err := kube.Connect(t.Context(), config, options)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func decode(t testing.TB, text string) *unstructured.Unstructured {
	t.Helper()
	obj := &unstructured.Unstructured{}
	raw, err := yaml.YAMLToJSON([]byte(text))
	if err == nil {
		err = obj.UnmarshalJSON(raw)
	}
	if err != nil {
		t.Fatal(err)
	}
	return obj
}

// namespace makes a namespace that is gone after the test.
func namespace(t *testing.T, c *kube.Cluster) string {
	t.Helper()
	ns, err := c.Create(t.Context(), decode(t, "{apiVersion: v1, kind: Namespace, metadata: {generateName: kube-test-}}"), kube.WriteOptions{Manager: "test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ref := kube.Ref{Resource: mapping(t, c, "", "Namespace"), Name: ns.GetName()}
		if err := c.Delete(context.Background(), ref, kube.DeleteOptions{UID: ns.GetUID()}); err != nil {
			t.Error(err)
		}
	})
	return ns.GetName()
}

func mapping(t *testing.T, c *kube.Cluster, group, kind string) kinds.Resource {
	t.Helper()
	res, err := c.Mapping(context.Background(), schema.GroupKind{Group: group, Kind: kind}, "")
	if err != nil {
		t.Fatal(err)
	}
	return res
}

func TestServerApplyGetDelete(t *testing.T) {
	var mu sync.Mutex
	var seen []string
	c := realServer(t, kube.Options{Observe: func(verb, resource string, code int, _ time.Duration) {
		mu.Lock()
		defer mu.Unlock()
		seen = append(seen, verb+" "+resource)
	}})
	ctx, ns := t.Context(), namespace(t, c)
	obj := decode(t, "{apiVersion: v1, kind: ConfigMap, metadata: {name: c}, data: {a: b}}")
	obj.SetNamespace(ns)
	stored, err := c.Apply(ctx, obj, kube.WriteOptions{Manager: "plumbline", FieldValidation: "Strict"})
	if err != nil {
		t.Fatal(err)
	}
	ref := kube.Ref{Resource: mapping(t, c, "", "ConfigMap"), Namespace: ns, Name: "c"}
	got, err := c.Get(ctx, ref)
	if err != nil || cmp.Diff(stored, got) != "" {
		t.Error(err, cmp.Diff(stored, got))
	}
	again, err := c.Apply(ctx, obj, kube.WriteOptions{Manager: "plumbline"})
	if err != nil || again.GetResourceVersion() != stored.GetResourceVersion() {
		t.Error("the same apply changed something", err)
	}
	obj.Object["data"] = map[string]any{"a": "other"}
	_, err = c.Apply(ctx, obj, kube.WriteOptions{Manager: "somebody"})
	if !apierrors.IsConflict(err) || strings.Contains(err.Error(), "\n") || !strings.HasPrefix(err.Error(), "apply ConfigMap "+ns+"/c: ") {
		t.Errorf("conflict: %v", err)
	}
	if dry, err := c.Apply(ctx, obj, kube.WriteOptions{Manager: "plumbline", DryRun: true}); err != nil || dry.Object["data"].(map[string]any)["a"] != "other" {
		t.Error("dry run", err)
	}
	obj.Object["dat"] = "typo"
	if _, err := c.Apply(ctx, obj, kube.WriteOptions{Manager: "plumbline", FieldValidation: "Strict"}); !apierrors.IsBadRequest(err) && !apierrors.IsInternalError(err) {
		t.Errorf("unknown field: %v", err)
	}
	var precondition *apierror.PreconditionError
	if err := c.Delete(ctx, ref, kube.DeleteOptions{UID: "another"}); !errors.As(err, &precondition) || !apierrors.IsConflict(err) {
		t.Errorf("uid: %v", err)
	}
	if err := c.Delete(ctx, ref, kube.DeleteOptions{UID: stored.GetUID(), ResourceVersion: "1"}); !errors.As(err, &precondition) {
		t.Errorf("resource version: %v", err)
	}
	for range 2 {
		if err := c.Delete(ctx, ref, kube.DeleteOptions{UID: stored.GetUID()}); err != nil {
			t.Error(err)
		}
	}
	if _, err := c.Get(ctx, ref); !apierrors.IsNotFound(err) {
		t.Errorf("get: %v", err)
	}
	mu.Lock()
	defer mu.Unlock()
	for _, want := range []string{"apply configmaps", "get configmaps", "delete configmaps", "create namespaces"} {
		if !slices.Contains(seen, want) {
			t.Errorf("%q was not observed: %q", want, seen)
		}
	}
}

func TestServerSecretsStayOutOfErrors(t *testing.T) {
	c := realServer(t, kube.Options{})
	ns := namespace(t, c)
	for name, text := range map[string]string{
		"type":  "{apiVersion: v1, kind: Secret, metadata: {name: s}, stringData: {a: [hunter2]}}",
		"value": "{apiVersion: v1, kind: Secret, metadata: {name: s}, data: {a: 'hunter2 hunter2!'}}",
	} {
		obj := decode(t, text)
		obj.SetNamespace(ns)
		_, err := c.Apply(t.Context(), obj, kube.WriteOptions{Manager: "plumbline"})
		if err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", name, err)
		}
		t.Log(err)
	}
}

func TestServerTakeOver(t *testing.T) {
	c := realServer(t, kube.Options{})
	ctx, ns := t.Context(), namespace(t, c)
	obj := decode(t, "{apiVersion: v1, kind: ConfigMap, metadata: {name: c}, data: {a: b, old: gone}}")
	obj.SetNamespace(ns)
	if _, err := c.Create(ctx, obj, kube.WriteOptions{Manager: "kubectl-client-side-apply"}); err != nil {
		t.Fatal(err)
	}
	ref := kube.Ref{Resource: mapping(t, c, "", "ConfigMap"), Namespace: ns, Name: "c"}
	for _, want := range []bool{true, false} {
		took, err := c.TakeOver(ctx, ref, []string{"kubectl-client-side-apply"}, "plumbline")
		if err != nil || took != want {
			t.Fatalf("took %v, %v", took, err)
		}
	}
	obj.Object["data"] = map[string]any{"a": "b"}
	got, err := c.Apply(ctx, obj, kube.WriteOptions{Manager: "plumbline"})
	if diff := cmp.Diff(map[string]any{"a": "b"}, got.Object["data"]); err != nil || diff != "" {
		t.Error(err, diff)
	}
}

const widgetCRD = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.kube.test}
spec:
  group: kube.test
  scope: Namespaced
  names: {kind: Widget, plural: widgets, singular: widget, listKind: WidgetList}
  versions:
  - {name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}
`

func TestServerCRDAtRunTime(t *testing.T) {
	c := realServer(t, kube.Options{DiscoverEvery: time.Hour})
	ctx, gk := t.Context(), schema.GroupKind{Group: "kube.test", Kind: "Widget"}
	var unknown *kinds.UnknownKindError
	if _, err := c.Mapping(ctx, gk, "v1"); !errors.As(err, &unknown) {
		t.Fatalf("before: %v", err)
	}
	if err := c.EnsureCRD(ctx, []byte(widgetCRD), "plumbline"); err != nil {
		t.Fatal(err)
	}
	crd := kube.Ref{Resource: mapping(t, c, "apiextensions.k8s.io", "CustomResourceDefinition"), Name: "widgets.kube.test"}
	first, err := c.Get(ctx, crd)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.EnsureCRD(ctx, []byte(widgetCRD), "plumbline"); err != nil {
		t.Fatal(err)
	}
	second, _ := c.Get(ctx, crd)
	if first.GetResourceVersion() != second.GetResourceVersion() {
		t.Error("the second EnsureCRD wrote")
	}
	res, err := c.Mapping(ctx, gk, "v1")
	if err != nil || res.GVR.Resource != "widgets" || !res.Namespaced {
		t.Errorf("after: %+v, %v", res, err)
	}
	index, err := c.SchemaIndex(ctx)
	if err != nil || index[schema.GroupVersion{Group: "apps", Version: "v1"}] == "" {
		t.Errorf("index: %v, %v", index, err)
	}
	doc, hash, err := c.Schemas(ctx, schema.GroupVersion{Version: "v1"})
	if err != nil || hash == "" || len(doc) < 1000 {
		t.Errorf("schemas: %d bytes, %q, %v", len(doc), hash, err)
	}
	if err := c.Delete(ctx, crd, kube.DeleteOptions{UID: first.GetUID()}); err != nil {
		t.Error(err)
	}
	ref := kube.Ref{Resource: res, Namespace: "default", Name: "w"}
	for { // the server stops serving the kind in its own time
		_, err := c.Get(ctx, ref)
		if errors.As(err, &unknown) {
			return
		}
		if !apierrors.IsNotFound(err) {
			t.Fatalf("get of a kind that is gone: %v", err)
		}
	}
}

func TestServerImpersonation(t *testing.T) {
	c := realServer(t, kube.Options{})
	nobody, err := c.Impersonate("nobody", "nothing")
	if err != nil {
		t.Fatal(err)
	}
	ref := kube.Ref{Resource: mapping(t, nobody, "", "ConfigMap"), Namespace: "default", Name: "c"}
	if _, err := nobody.Get(t.Context(), ref); !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), `"nobody"`) {
		t.Errorf("got %v", err)
	}
	if _, err := c.Get(t.Context(), ref); !apierrors.IsNotFound(err) {
		t.Errorf("got %v", err)
	}
}

func TestServerList(t *testing.T) {
	c := realServer(t, kube.Options{})
	ctx, ns := t.Context(), namespace(t, c)
	for range 7 {
		obj := decode(t, "{apiVersion: v1, kind: ConfigMap, metadata: {generateName: c-, labels: {of: us}}}")
		obj.SetNamespace(ns)
		if _, err := c.Create(ctx, obj, kube.WriteOptions{Manager: "test"}); err != nil {
			t.Fatal(err)
		}
	}
	items, err := c.List(ctx, mapping(t, c, "", "ConfigMap"), kube.ListOptions{Namespace: ns, Labels: "of=us", PageSize: 3})
	if err != nil || len(items) != 7 || items[0].GetKind() != "ConfigMap" {
		t.Errorf("%d items, %v", len(items), err)
	}
	meta, err := c.GetMetadata(ctx, kube.Ref{Resource: mapping(t, c, "", "ConfigMap"), Namespace: ns, Name: items[0].GetName()})
	if err != nil || meta.UID != items[0].GetUID() || len(meta.ManagedFields) == 0 {
		t.Errorf("metadata %+v, %v", meta, err)
	}
	patched, err := c.Patch(ctx, kube.Ref{Resource: mapping(t, c, "", "ConfigMap"), Namespace: ns, Name: items[0].GetName()},
		types.MergePatchType, []byte(`{"data":{"x":"y"}}`), kube.WriteOptions{Manager: "test"})
	if err != nil || patched.Object["data"] == nil {
		t.Errorf("patch: %v", err)
	}
	patched.SetLabels(nil)
	if replaced, err := c.Replace(ctx, patched, kube.WriteOptions{Manager: "test"}); err != nil || replaced.GetLabels() != nil {
		t.Errorf("replace: %v", err)
	}
	if _, err := c.Replace(ctx, patched, kube.WriteOptions{Manager: "test"}); !apierrors.IsConflict(err) {
		t.Errorf("stale replace: %v", err)
	}
}

func TestServerFacts(t *testing.T) {
	c := realServer(t, kube.Options{})
	if v := c.KubeVersion(); !strings.HasPrefix(v, "v1.") {
		t.Errorf("version %q", v)
	}
	versions := c.APIVersions()
	for _, want := range []string{"v1", "v1/ConfigMap", "apps/v1", "apps/v1/Deployment"} {
		if _, found := slices.BinarySearch(versions, want); !found {
			t.Errorf("%q is missing", want)
		}
	}
	if broken := c.UnavailableGroups(); len(broken) != 0 {
		t.Errorf("unavailable: %v", broken)
	}
}
