//go:build unix

package main

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// object reads a manifest, which may leave out its kind.
func object(t *testing.T, text string) *unstructured.Unstructured {
	t.Helper()
	if !strings.Contains(text, "kind:") {
		text = strings.Replace(text, "{", "{kind: Any, ", 1)
	}
	obj, err := parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return obj
}

func TestDifferences(t *testing.T) {
	cases := map[string]struct{ reason, before, after, want string }{
		"Field": {
			"A change is named by its path, with both values.",
			"{kind: Deployment, spec: {replicas: 5}}", "{kind: Deployment, spec: {replicas: 1}}",
			"spec.replicas: 5 -> 1",
		},
		"List": {
			"Entries of lists are named by their place.",
			"{spec: {containers: [{image: a}]}}", "{spec: {containers: [{image: b}]}}",
			"spec.containers[0].image: a -> b",
		},
		"CameAndWent": {
			"Fields that come and go say so.",
			"{data: {a: x}}", "{data: {b: z}}",
			"data.a: x removed, data.b: z added",
		},
		"Many": {
			"A line stays a line.",
			"{data: {a: 1, b: 1, c: 1, d: 1}}", "{data: {a: 2, b: 2, c: 2, d: 2}}",
			"data.a: 1 -> 2, data.b: 1 -> 2, and 2 more",
		},
		"Status": {
			"What controllers and the server write is no change.",
			"{metadata: {generation: 1, resourceVersion: '1'}, status: {ready: 1}}",
			"{metadata: {generation: 2, resourceVersion: '2', annotations: {deployment.kubernetes.io/revision: '2'}}, status: {ready: 2}}",
			"",
		},
		"Label": {
			"Labels are worth telling.",
			"{metadata: {labels: {app: a}}}", "{metadata: {labels: {app: b}}}",
			"metadata.labels.app: a -> b",
		},
		"Secret": {
			"Values of Secrets never leave.",
			"{kind: Secret, data: {password: b2xk}}", "{kind: Secret, data: {password: bmV3}}",
			"data.password: hidden -> hidden",
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got := summary(differences(object(t, tc.before), object(t, tc.after)))
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s\n%s", tc.reason, diff)
			}
		})
	}
}

func TestAuthor(t *testing.T) {
	before := `{metadata: {managedFields: [
		{manager: argocd-controller, operation: Apply, time: "2026-01-01T00:00:00Z"},
		{manager: kube-controller-manager, operation: Update, subresource: status, time: "2026-01-01T00:00:00Z"}]}}`
	after := `{metadata: {managedFields: [
		{manager: argocd-controller, operation: Apply, time: "2026-01-01T00:00:00Z"},
		{manager: kubectl, operation: Update, subresource: scale, time: "2026-01-01T00:00:05Z"},
		{manager: kube-controller-manager, operation: Update, subresource: status, time: "2026-01-01T00:00:06Z"}]}}`
	if got := author(object(t, before), object(t, after)); got != "kubectl" {
		t.Errorf("author is %q: the newest entry that writes no status changed the object", got)
	}
	if got := author(object(t, before), object(t, before)); got != "somebody" {
		t.Errorf("author is %q: without a new entry nobody can be named", got)
	}
}

func TestRead(t *testing.T) {
	cases := map[string]struct {
		reason, application string
		want                verdict
	}{
		"New": {"An Application without a status says nothing.", "{}", verdict{health: "Unknown"}},
		"Live": {
			"Revision, sync and health are told.",
			"{status: {sync: {status: Synced, revision: abc}, health: {status: Healthy}}}",
			verdict{sync: "Synced", health: "Healthy", revision: "abc"},
		},
		"Condition": {
			"A condition is a problem.",
			"{status: {sync: {status: Unknown}, conditions: [{type: ComparisonError, message: no such file}]}}",
			verdict{sync: "Unknown", health: "Unknown", problem: "ComparisonError: no such file"},
		},
		"Operation": {
			"A failed operation is a problem.",
			"{status: {sync: {status: OutOfSync}, operationState: {phase: Failed, message: denied}}}",
			verdict{sync: "OutOfSync", health: "Unknown", problem: "denied"},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, read(object(t, tc.application)), cmp.AllowUnexported(verdict{})); diff != "" {
				t.Errorf("%s\n%s", tc.reason, diff)
			}
		})
	}
}

func TestReadiness(t *testing.T) {
	cases := map[string]struct {
		reason, workload string
		want             bool
	}{
		"All":      {"All pods are new and ready.", "{metadata: {generation: 2}, spec: {replicas: 3}, status: {observedGeneration: 2, replicas: 3, updatedReplicas: 3, readyReplicas: 3}}", true},
		"Old":      {"A status of an older generation says nothing.", "{metadata: {generation: 3}, spec: {replicas: 3}, status: {observedGeneration: 2, replicas: 3, updatedReplicas: 3, readyReplicas: 3}}", false},
		"Rollout":  {"Old pods are still there.", "{metadata: {generation: 2}, spec: {replicas: 3}, status: {observedGeneration: 2, replicas: 4, updatedReplicas: 2, readyReplicas: 3}}", false},
		"NoStatus": {"Other kinds are never ready in this sense.", "{data: {a: b}}", false},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got := readiness(object(t, tc.workload)).complete(); got != tc.want {
				t.Errorf("%s: complete is %v", tc.reason, got)
			}
		})
	}
}

func TestBrief(t *testing.T) {
	for d, want := range map[time.Duration]string{82*time.Millisecond + 400*time.Microsecond: "82 ms", 3449 * time.Millisecond: "3.4 s"} {
		if got := brief(d); got != want {
			t.Errorf("brief(%s) is %q, want %q", d, got, want)
		}
	}
}
