package nodes

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/kwok/pkg/utils/lifecycle"
)

func pod(phase corev1.PodPhase, readyReason string, change func(*corev1.Pod)) *corev1.Pod {
	p := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "p", Annotations: map[string]string{}},
		Spec:       corev1.PodSpec{RestartPolicy: corev1.RestartPolicyAlways},
		Status:     corev1.PodStatus{Phase: phase},
	}
	if readyReason != "" {
		p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionFalse, Reason: readyReason}}
	}
	change(p)
	return p
}

func annotated(key, value string) func(*corev1.Pod) {
	return func(p *corev1.Pod) { p.Annotations[key] = value }
}

func owned(change func(*corev1.Pod)) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		p.OwnerReferences = []metav1.OwnerReference{{Kind: "ReplicaSet", Name: "r"}}
		change(p)
	}
}

func TestStageOfPod(t *testing.T) {
	all, err := stages()
	if err != nil {
		t.Fatal(err)
	}
	life, err := lifecycle.NewLifecycle(all[podRef])
	if err != nil {
		t.Fatal(err)
	}
	plain := func(*corev1.Pod) {}
	never := func(p *corev1.Pod) { p.Spec.RestartPolicy = corev1.RestartPolicyNever }
	now := metav1.Now()
	cases := map[string]struct {
		reason string
		pod    *corev1.Pod
		want   []string
	}{
		"New":         {"A pod becomes ready.", pod(corev1.PodPending, "", plain), []string{"pod-ready"}},
		"Running":     {"A running pod keeps running.", pod(corev1.PodRunning, "", plain), nil},
		"ToItsEnd":    {"A pod that is not restarted ends, owned by a Job or not.", pod(corev1.PodRunning, "", never), []string{"pod-complete"}},
		"Unready":     {"The annotation withholds readiness.", pod(corev1.PodPending, "", annotated(AnnotationReady, "false")), []string{"pod-unready"}},
		"TakenAway":   {"The annotation takes readiness away.", pod(corev1.PodRunning, "", annotated(AnnotationReady, "false")), []string{"pod-unready"}},
		"StaysSo":     {"An unready pod is not written again.", pod(corev1.PodRunning, "ReadinessProbeFailed", annotated(AnnotationReady, "false")), nil},
		"Recovers":    {"Without the annotation it becomes ready.", pod(corev1.PodRunning, "ReadinessProbeFailed", plain), []string{"pod-recover"}},
		"FailsAlone":  {"A pod nobody replaces fails at once.", pod(corev1.PodPending, "", annotated(AnnotationFail, "true")), []string{"pod-fail"}},
		"CrashesOnce": {"A pod that is replaced crashes first.", pod(corev1.PodPending, "", owned(annotated(AnnotationFail, "true"))), []string{"pod-crash"}},
		"ThenFails":   {"After crashing it fails.", pod(corev1.PodRunning, "CrashLoopBackOff", owned(annotated(AnnotationFail, "true"))), []string{"pod-fail"}},
		"Deleted": {"A deleted pod goes, whatever its annotations say.", pod(corev1.PodRunning, "", func(p *corev1.Pod) {
			p.DeletionTimestamp = &now
			p.Annotations[AnnotationFail] = "true"
			p.Annotations[AnnotationReady] = "false"
		}), []string{"pod-delete"}},
		"Ended": {"A failed pod stays failed.", pod(corev1.PodFailed, "", annotated(AnnotationFail, "true")), nil},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			matched, err := life.ListAllPossible(t.Context(), &lifecycle.Event{Labels: tc.pod.Labels, Annotations: tc.pod.Annotations, Data: tc.pod})
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, s := range matched {
				got = append(got, s.Name())
			}
			slices.Sort(got)
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s: -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}
