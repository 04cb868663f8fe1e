package reconcile_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/plumbline-dev/plumbline/api/argoproj/v1alpha1"
	"github.com/plumbline-dev/plumbline/internal/core/app"
	"github.com/plumbline-dev/plumbline/internal/engine/reconcile"
)

// An application that came from another replica is not loaded as it was before
// that replica's last write; those of others are not listed.
func TestArrivals(t *testing.T) {
	at := func(version string) client.Client {
		scheme := runtime.NewScheme()
		if err := v1alpha1.AddToScheme(scheme); err != nil {
			t.Fatal(err)
		}
		metav1.AddMetaToScheme(scheme)
		objects := []client.Object{}
		for _, name := range []string{"shop", "other"} {
			objects = append(objects, &v1alpha1.Application{ObjectMeta: metav1.ObjectMeta{Namespace: "argocd", Name: name, ResourceVersion: version}})
		}
		return fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).Build()
	}
	apps := &reconcile.Applications{Client: at("5"), Direct: at("9"), Settings: settings}
	if _, err := apps.Load(t.Context(), shop); err != nil {
		t.Fatal(err)
	}
	came, err := apps.Arrivals(t.Context(), func(id app.ID) bool { return id == shop })
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]app.ID{shop}, came); diff != "" {
		t.Errorf("arrivals (-want +got):\n%s", diff)
	}
	if _, err := apps.Load(t.Context(), shop); err == nil {
		t.Error("loaded as it was before it came")
	}
	if _, err := apps.Load(t.Context(), app.ID{Kind: shop.Kind, Namespace: shop.Namespace, Name: "other"}); err != nil {
		t.Errorf("one that did not come: %v", err)
	}
	apps.Client = at("9")
	if _, err := apps.Load(t.Context(), shop); err != nil {
		t.Errorf("once the cache has caught up: %v", err)
	}
}
