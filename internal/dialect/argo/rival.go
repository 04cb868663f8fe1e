package argo

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// rival is the field manager under which Argo CD's own controller writes statuses.
const rival = "argocd-application-controller"

// takeOverAnnotation on an Application says that Argo CD's controller is to be taken
// no notice of.
const takeOverAnnotation = "plumbline.dev/take-over"

// KeepRival drops all of an object's managed fields but when Argo CD's controller
// wrote to it last, for caches.
func KeepRival(obj metav1.Object) {
	var kept []metav1.ManagedFieldsEntry
	if last := LastRival(obj); !last.IsZero() {
		at := metav1.NewTime(last)
		kept = []metav1.ManagedFieldsEntry{{Manager: rival, Operation: metav1.ManagedFieldsOperationUpdate, Time: &at}}
	}
	obj.SetManagedFields(kept)
}

// LastRival returns when Argo CD's controller wrote to an Application last; zero: never.
func LastRival(obj metav1.Object) time.Time {
	var last time.Time
	for _, entry := range obj.GetManagedFields() {
		if entry.Manager == rival && entry.Time != nil && entry.Time.After(last) {
			last = entry.Time.Time
		}
	}
	return last
}
