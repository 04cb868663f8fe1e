package health

import (
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Progress says whether waiting for an object can end.
type Progress string

// The results of Wait.
const (
	Current    Progress = "Current"    // the object is as it should be
	InProgress Progress = "InProgress" // it may become Current
	Failed     Progress = "Failed"     // it will not become Current by itself
)

// Wait judges an object for somebody who waits for it, as Flux does with
// spec.wait and spec.healthChecks, and says why.
//
// Its question differs from that of Assess in what lies outside the object's
// own control: an Ingress without an address is Progressing yet Current, and a
// failed custom resource whose controller keeps trying is InProgress, not
// Failed. An object that is suspended on purpose is Current, since waiting
// changes nothing. A nil object is InProgress: whoever knows that it was a Job
// that cleans up after itself knows better.
func Wait(obj *unstructured.Unstructured) (Progress, string) {
	if obj == nil || obj.Object == nil {
		return InProgress, "Not in the cluster"
	}
	if status, ok := terminating(obj); ok {
		return InProgress, status.clip().Message
	}
	judge, ok := waits[groupKind(obj)]
	if !ok {
		judge = waitForReady
	}
	progress, message := judge(obj)
	return progress, Status{Message: message}.clip().Message
}

// waits holds the kinds that are judged by more than their Ready condition.
var waits = map[schema.GroupKind]func(*unstructured.Unstructured) (Progress, string){
	{Group: "apps", Kind: "Deployment"}:  waitForVerdict,
	{Group: "apps", Kind: "StatefulSet"}: waitForVerdict,
	{Group: "apps", Kind: "DaemonSet"}:   waitForVerdict,
	{Group: "apps", Kind: "ReplicaSet"}:  waitForReplicas,
	{Group: "batch", Kind: "Job"}:        waitForJob,
	{Kind: "Namespace"}:                  waitForVerdict,
	{Kind: "PersistentVolumeClaim"}:      waitForVerdict,
	{Kind: "Pod"}:                        waitForPod,
	{Kind: "Service"}:                    waitForService,

	{Group: "apiextensions.k8s.io", Kind: "CustomResourceDefinition"}: waitForVerdict,
}

func waitForVerdict(obj *unstructured.Unstructured) (Progress, string) {
	status, _ := Assess(obj)
	switch status.Code {
	case Healthy, Suspended:
		return Current, status.Message
	case Degraded:
		return Failed, status.Message
	case Progressing, Missing, Unknown:
	}
	return InProgress, status.Message
}

// waitForReplicas never fails: what keeps replicas away, such as a quota, may go.
func waitForReplicas(obj *unstructured.Unstructured) (Progress, string) {
	progress, message := waitForVerdict(obj)
	if progress == Failed {
		return InProgress, message
	}
	return progress, message
}

func waitForJob(obj *unstructured.Unstructured) (Progress, string) {
	if truth(obj.Object, "spec", "suspend") {
		return Current, "Job is suspended by spec.suspend"
	}
	return waitForVerdict(obj)
}

// waitForPod takes a pod that failed as finished: it will not change any more.
// Of the others only one that crashes over and over fails; an image or a node
// may still appear.
func waitForPod(obj *unstructured.Unstructured) (Progress, string) {
	status, _ := Assess(obj)
	switch text(obj.Object, "status", "phase") {
	case "Succeeded":
		return Current, ""
	case "Failed":
		return Current, failure(obj)
	case "Running":
		if find(conditions(obj), "Ready").isTrue() {
			return Current, ""
		}
		for _, c := range containerStatuses(obj) {
			if reason := text(c, "state", "waiting", "reason"); reason == "CrashLoopBackOff" {
				return Failed, join("Container "+text(c, "name"), reason, text(c, "state", "waiting", "message"))
			}
		}
	}
	return InProgress, status.Message
}

func waitForService(obj *unstructured.Unstructured) (Progress, string) {
	if text(obj.Object, "spec", "type") == "LoadBalancer" && text(obj.Object, "spec", "clusterIP") == "" {
		return InProgress, "Waits for a cluster address"
	}
	return Current, ""
}

// waitForReady is the rule for every other kind; one that does not report
// readiness is Current as soon as it exists.
func waitForReady(obj *unstructured.Unstructured) (Progress, string) {
	if _, reports := number(obj.Object, "status", "observedGeneration"); reports {
		if status, behind := unobserved(obj); behind {
			return InProgress, status.Message
		}
	}
	cs := conditions(obj)
	if c := find(cs, "Reconciling"); c.isTrue() {
		return InProgress, c.because("Reconciling")
	}
	if c := find(cs, "Stalled"); c.isTrue() {
		return Failed, c.because("Stalled")
	}
	if c := find(cs, "Ready"); c.exists() && !c.isTrue() {
		return InProgress, c.because("Not ready")
	}
	return Current, ""
}
