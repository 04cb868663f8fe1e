package flux_test

import (
	"strings"
	"testing"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/plumbline-dev/plumbline/internal/core/condition"
	"github.com/plumbline-dev/plumbline/internal/core/object"
	"github.com/plumbline-dev/plumbline/internal/dialect/flux"
)

const (
	nameLabel      = "kustomize.toolkit.fluxcd.io/name"
	namespaceLabel = "kustomize.toolkit.fluxcd.io/namespace"
)

func kustomization() *kustomizev1.Kustomization {
	return &kustomizev1.Kustomization{ObjectMeta: metav1.ObjectMeta{Namespace: "flux-system", Name: "apps", Generation: 1}}
}

func manifest(t *testing.T, text string) object.Manifest {
	t.Helper()
	obj := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(text), &obj.Object); err != nil {
		t.Fatal(err)
	}
	return object.Manifest{Object: obj, Origin: object.Origin{File: "app.yaml"}}
}

func namespaced(key object.Key) bool { return key.Kind != "ClusterRole" && key.Kind != "Namespace" }

func TestPrepareMarks(t *testing.T) {
	k := kustomization()
	k.Spec.CommonMetadata = &kustomizev1.CommonMetadata{
		Labels:      map[string]string{"team": "shop", nameLabel: "liar"},
		Annotations: map[string]string{"owner": "ada"},
	}
	m := manifest(t, "{apiVersion: v1, kind: ConfigMap, metadata: {name: a, namespace: shop, labels: {team: other, app: a}, annotations: {owner: bob}}}")
	before := m.Object.DeepCopy()
	items, problems, err := flux.Prepare(k, []object.Manifest{m}, namespaced)
	if err != nil || len(problems) > 0 || len(items) != 1 {
		t.Fatal(items, problems, err)
	}
	labels := map[string]string{"team": "shop", "app": "a", nameLabel: "apps", namespaceLabel: "flux-system"}
	if d := cmp.Diff(labels, items[0].Object.GetLabels()); d != "" {
		t.Errorf("common labels win over the object's, the owner's over both (-want +got):\n%s", d)
	}
	if d := cmp.Diff(map[string]string{"owner": "ada"}, items[0].Object.GetAnnotations()); d != "" {
		t.Errorf("common annotations win (-want +got):\n%s", d)
	}
	if d := cmp.Diff(before, m.Object); d != "" {
		t.Errorf("the manifest itself was changed:\n%s", d)
	}
	owner, ok := flux.Owner(items[0].Object.GetLabels())
	if !ok || owner != flux.IDOf(k) {
		t.Errorf("the marks read back as %v %t", owner, ok)
	}
}

func TestOwnerNeedsBothLabels(t *testing.T) {
	for _, labels := range []map[string]string{nil, {nameLabel: "apps"}, {namespaceLabel: "flux-system"}, {nameLabel: "", namespaceLabel: "flux-system"}} {
		if id, ok := flux.Owner(labels); ok {
			t.Errorf("%v belongs to %s", labels, id)
		}
	}
}

func TestPrepareModes(t *testing.T) {
	const prefix = "kustomize.toolkit.fluxcd.io/"
	for name, test := range map[string]struct {
		reason  string
		force   bool // of the Kustomization
		meta    string
		left    bool
		forced  bool
		problem string
	}{
		"plain":            {"an ordinary object is applied", false, "", false, false, ""},
		"reconcile off":    {"a disabled object is left alone", false, "annotations: {" + prefix + "reconcile: disabled}", true, false, ""},
		"by label":         {"also when a label says so", false, "labels: {" + prefix + "reconcile: Disabled}", true, false, ""},
		"reconcile on":     {"any other value leaves it enabled", false, "annotations: {" + prefix + "reconcile: 'false'}", false, false, ""},
		"ssa ignore":       {"an ignored object is left alone", false, "annotations: {" + prefix + "ssa: ignore}", true, false, ""},
		"ssa override":     {"override is what happens anyway", false, "annotations: {" + prefix + "ssa: Override}", false, false, ""},
		"ssa merge":        {"a mode that is not there is refused by its name", false, "annotations: {" + prefix + "ssa: Merge}", false, false, `ConfigMap shop/a in app.yaml: annotation kustomize.toolkit.fluxcd.io/ssa: "Merge" is not supported`},
		"ssa if not there": {"create-only is refused by its name", false, "annotations: {" + prefix + "ssa: IfNotPresent}", false, false, `"IfNotPresent" is not supported`},
		"force":            {"an object may ask to be recreated", false, "annotations: {" + prefix + "force: enabled}", false, true, ""},
		"force all":        {"and so may all of them", true, "", false, true, ""},
		"prune off":        {"an object that is not to be pruned is applied", false, "annotations: {" + prefix + "prune: disabled}", false, false, ""},
	} {
		t.Run(name, func(t *testing.T) {
			k := kustomization()
			k.Spec.Force = test.force
			m := manifest(t, "{apiVersion: v1, kind: ConfigMap, metadata: {name: a, namespace: shop, "+test.meta+"}}")
			items, _, err := flux.Prepare(k, []object.Manifest{m}, namespaced)
			if test.problem != "" {
				if err == nil || !strings.Contains(err.Error(), test.problem) || condition.Of(err, "").Reason != condition.NotSupported {
					t.Errorf("%s: %v", test.reason, err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			alone := flux.LeftAlone([]object.Manifest{m}, namespaced)
			if (len(items) == 0) != test.left || alone[m.Key()] != test.left {
				t.Errorf("%s: %d items, left alone: %v", test.reason, len(items), alone)
			}
			if len(items) == 1 && items[0].Force != test.forced {
				t.Errorf("%s: forced: %t", test.reason, items[0].Force)
			}
		})
	}
}

func TestPrepareScopes(t *testing.T) {
	role := manifest(t, "{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: a, namespace: shop}}")
	items, _, err := flux.Prepare(kustomization(), []object.Manifest{role}, namespaced)
	if err != nil || items[0].Object.GetNamespace() != "" || items[0].Wave != 1 {
		t.Errorf("a namespace on a cluster-scoped object does not count: %v %v", items, err)
	}
	_, _, err = flux.Prepare(kustomization(), []object.Manifest{manifest(t, "{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}")}, namespaced)
	if err == nil || !strings.Contains(err.Error(), "ConfigMap a in app.yaml: namespace not specified") || !strings.Contains(err.Error(), "spec.targetNamespace") {
		t.Errorf("an object without a namespace says where to write one: %v", err)
	}
	alone := manifest(t, "{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: a, namespace: shop, annotations: {kustomize.toolkit.fluxcd.io/ssa: Ignore}}}")
	want := map[object.Key]bool{{Group: "rbac.authorization.k8s.io", Kind: "ClusterRole", Name: "a"}: true}
	if d := cmp.Diff(want, flux.LeftAlone([]object.Manifest{alone}, namespaced)); d != "" {
		t.Errorf("the key is the one in the cluster (-want +got):\n%s", d)
	}
}

func TestKeepOnPrune(t *testing.T) {
	const prefix = "kustomize.toolkit.fluxcd.io/"
	for text, want := range map[string]string{
		"":                                   "",
		"labels: {" + prefix + "name: apps}": "",
		"annotations: {" + prefix + "prune: disabled}":     "the object asks not to be pruned",
		"labels: {" + prefix + "prune: Disabled}":          "the object asks not to be pruned",
		"annotations: {" + prefix + "reconcile: disabled}": "the object asks not to be reconciled",
		"annotations: {" + prefix + "ssa: Ignore}":         "the object asks to be ignored",
		"annotations: {" + prefix + "prune: enabled}":      "",
	} {
		live := manifest(t, "{apiVersion: v1, kind: ConfigMap, metadata: {name: a, namespace: shop, "+text+"}}").Object
		if got := flux.KeepOnPrune(live); got != want {
			t.Errorf("%s: %q", text, got)
		}
	}
}
