package argo_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/plumbline-dev/plumbline/api/argoproj/v1alpha1"
	"github.com/plumbline-dev/plumbline/internal/core/condition"
	"github.com/plumbline-dev/plumbline/internal/dialect/argo"
)

// A cache keeps when Argo CD's controller wrote, and nothing else of who wrote what.
func TestKeepRival(t *testing.T) {
	at := func(ago time.Duration) *metav1.Time {
		t := metav1.NewTime(now.Add(-ago).Truncate(time.Second))
		return &t
	}
	a := application()
	a.ManagedFields = []metav1.ManagedFieldsEntry{
		{Manager: "argocd-application-controller", Time: at(time.Hour), FieldsV1: &metav1.FieldsV1{Raw: []byte("{}")}},
		{Manager: "plumbd", Time: at(0)}, {Manager: "argocd-application-controller", Time: at(time.Minute)}, {Manager: "argocd-application-controller"},
	}
	argo.KeepRival(a)
	if len(a.ManagedFields) != 1 || a.ManagedFields[0].FieldsV1 != nil || !argo.LastRival(a).Equal(at(time.Minute).Time) {
		t.Errorf("%+v", a.ManagedFields)
	}
	if got := settings.Decode(a).Rival; !got.Last.Equal(at(time.Minute).Time) {
		t.Errorf("%+v", got)
	}
	a.Annotations = map[string]string{"plumbline.dev/take-over": "true"}
	if got := settings.Decode(a).Rival; !got.Last.IsZero() {
		t.Errorf("taken over: %+v", got)
	}
	b := application()
	b.ManagedFields = []metav1.ManagedFieldsEntry{{Manager: "kubectl", Time: at(0)}}
	if argo.KeepRival(b); len(b.ManagedFields) > 0 {
		t.Errorf("%+v", b.ManagedFields)
	}
}

// Beside another engine only the condition that says so is written, once.
func TestContestedReport(t *testing.T) {
	a, out := application(), outcome()
	theirs := v1alpha1.ApplicationCondition{Type: "SharedResourceWarning", Message: "theirs"}
	a.Status.Conditions = []v1alpha1.ApplicationCondition{theirs}
	a.Status.Sync.Status = v1alpha1.SyncCodeSynced
	a.Operation = &v1alpha1.Operation{Sync: &v1alpha1.SyncOperation{}}
	out.Contested = true
	out.Problems = []condition.Problem{{Reason: condition.OtherEngine, Message: "two"}}
	next := settings.Report(a, out, now)
	want := a.DeepCopy()
	stamp := metav1.NewTime(now.Truncate(time.Second))
	want.Status.Conditions = []v1alpha1.ApplicationCondition{theirs, {Type: "OtherEngineWarning", Message: "two", LastTransitionTime: &stamp}}
	if d := cmp.Diff(want, next); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
	if d := cmp.Diff(next, settings.Report(next, out, now.Add(time.Hour))); d != "" {
		t.Errorf("a second report changes something:\n%s", d)
	}
}
