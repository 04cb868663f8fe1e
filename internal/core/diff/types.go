package diff

import (
	"fmt"
	"reflect"
	"sync"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	admissionregistrationv1alpha1 "k8s.io/api/admissionregistration/v1alpha1"
	admissionregistrationv1beta1 "k8s.io/api/admissionregistration/v1beta1"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	certificatesv1 "k8s.io/api/certificates/v1"
	certificatesv1beta1 "k8s.io/api/certificates/v1beta1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	eventsv1 "k8s.io/api/events/v1"
	flowcontrolv1 "k8s.io/api/flowcontrol/v1"
	networkingv1 "k8s.io/api/networking/v1"
	networkingv1beta1 "k8s.io/api/networking/v1beta1"
	nodev1 "k8s.io/api/node/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	resourcev1 "k8s.io/api/resource/v1"
	resourcev1beta1 "k8s.io/api/resource/v1beta1"
	resourcev1beta2 "k8s.io/api/resource/v1beta2"
	schedulingv1 "k8s.io/api/scheduling/v1"
	storagev1 "k8s.io/api/storage/v1"
	storagev1beta1 "k8s.io/api/storage/v1beta1"
	storagemigrationv1beta1 "k8s.io/api/storagemigration/v1beta1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// builtins are the Go types of the kinds that the server stores through them.
var builtins = sync.OnceValue(func() *runtime.Scheme {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		admissionregistrationv1.AddToScheme,
		admissionregistrationv1alpha1.AddToScheme,
		admissionregistrationv1beta1.AddToScheme,
		appsv1.AddToScheme,
		autoscalingv1.AddToScheme,
		autoscalingv2.AddToScheme,
		batchv1.AddToScheme,
		certificatesv1.AddToScheme,
		certificatesv1beta1.AddToScheme,
		coordinationv1.AddToScheme,
		corev1.AddToScheme,
		discoveryv1.AddToScheme,
		eventsv1.AddToScheme,
		flowcontrolv1.AddToScheme,
		networkingv1.AddToScheme,
		networkingv1beta1.AddToScheme,
		nodev1.AddToScheme,
		policyv1.AddToScheme,
		rbacv1.AddToScheme,
		resourcev1.AddToScheme,
		resourcev1beta1.AddToScheme,
		resourcev1beta2.AddToScheme,
		schedulingv1.AddToScheme,
		storagev1.AddToScheme,
		storagev1beta1.AddToScheme,
		storagemigrationv1beta1.AddToScheme,
	} {
		if err := add(scheme); err != nil {
			panic("diff: " + err.Error()) // two types for one kind: a build fault
		}
	}
	return scheme
})

// roundTrip writes obj the way the server does after reading it into the Go type
// of gvk: quantities in canonical form, nulls and empty optional fields gone, and
// without a status. It returns nil for a kind without a Go type here.
func roundTrip(gvk schema.GroupVersionKind, obj map[string]any) (map[string]any, error) {
	object, err := read(gvk, obj)
	if object == nil || err != nil {
		return nil, err
	}
	out, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
	if err != nil {
		return nil, fmt.Errorf("writing it back: %w", err)
	}
	return without(unassigned(withoutZeros(obj, out)), "status"), nil
}

// readable reports why the Go type of gvk cannot hold obj; nil: it can, or there is none.
func readable(gvk schema.GroupVersionKind, obj map[string]any) error {
	_, err := read(gvk, obj)
	return err
}

// read reads obj into the Go type of gvk; nil: there is none here.
func read(gvk schema.GroupVersionKind, obj map[string]any) (runtime.Object, error) {
	scheme := builtins()
	if !scheme.Recognizes(gvk) {
		return nil, nil
	}
	object, err := scheme.New(gvk)
	if err != nil {
		return nil, err
	}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(obj, object); err != nil {
		return nil, err
	}
	return object, nil
}

// withoutZeros removes from after the zeros that Go types without a notion of
// absence write and before does not have.
func withoutZeros(before, after map[string]any) map[string]any {
	for name, a := range after {
		b, ok := before[name]
		switch {
		case ok:
			zerosBelow(b, a)
		case !container(a) && empty(a):
			delete(after, name)
		default:
			zerosBelow(map[string]any{}, a)
		}
	}
	return after
}

func zerosBelow(before, after any) {
	switch a := after.(type) {
	case map[string]any:
		b, _ := before.(map[string]any)
		withoutZeros(b, a)
	case []any:
		b, _ := before.([]any)
		for i := range a {
			var v any
			if i < len(b) {
				v = b[i]
			}
			zerosBelow(v, a[i])
		}
	}
}

// lossy reports whether something that says something is in before and has no
// counterpart in after: the Go type is older than the schema.
func lossy(before, after any) bool {
	switch b := before.(type) {
	case map[string]any:
		a, ok := after.(map[string]any)
		if !ok {
			return !empty(before)
		}
		for name, v := range b {
			if other, ok := a[name]; !ok && !empty(v) || ok && lossy(v, other) {
				return true
			}
		}
	case []any:
		a, ok := after.([]any)
		if !ok || len(a) != len(b) {
			return !empty(before)
		}
		for i := range b {
			if lossy(b[i], a[i]) {
				return true
			}
		}
	}
	return false
}

// empty reports whether v is what a Go type leaves out when it writes itself:
// null, a zero, or a container of nothing but such.
func empty(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case map[string]any:
		for _, child := range v {
			if !empty(child) {
				return false
			}
		}
		return true
	case []any:
		return len(v) == 0
	}
	return reflect.ValueOf(v).IsZero()
}
