// Package health says how an object is doing, from the object alone.
//
// In goes one live object; out come a verdict with a message that tells the
// user where to look (Assess), and whether waiting for the object can end
// (Wait). Worse orders the verdicts of many objects. The package never
// reads a cluster, a clock or another object, and never panics on an object
// that is malformed.
package health

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Code is a health verdict.
type Code string

// The verdicts, best first.
const (
	Healthy     Code = "Healthy"
	Suspended   Code = "Suspended"
	Progressing Code = "Progressing"
	Missing     Code = "Missing"
	Degraded    Code = "Degraded"
	Unknown     Code = "Unknown"
)

// Status is a verdict and what to look at.
type Status struct {
	Code    Code
	Message string // one line that starts with a capital; usually empty when Healthy
}

// hookFinalizer keeps a hook visible until the engine has seen its end; a hook
// that only waits for this finalizer is judged like any other object.
const hookFinalizer = "argocd.argoproj.io/hook-finalizer"

// Assess judges an object. A nil object is Missing. The second result is false
// for an object whose kind has no rule and which shows no standard condition;
// such an object is neutral and has no part in an aggregate.
func Assess(obj *unstructured.Unstructured) (Status, bool) {
	if obj == nil || obj.Object == nil {
		return Status{Missing, "Not in the cluster"}, true
	}
	if status, ok := terminating(obj); ok {
		return status.clip(), true
	}
	r, ok := rules[groupKind(obj)]
	if !ok {
		status, ok := generic(obj)
		return status.clip(), ok
	}
	if v := version(obj); len(r.versions) > 0 && !slices.Contains(r.versions, v) {
		return Status{Unknown, fmt.Sprintf("Version %q of this kind is not assessed, only %s", v, strings.Join(r.versions, ", "))}.clip(), true
	}
	return r.assess(obj).clip(), true
}

// Checks are the checks of an installation's own.
type Checks interface {
	// Check judges an object. The last result is false when no check is for its kind;
	// the second as that of Assess.
	Check(obj *unstructured.Unstructured) (status Status, rated, found bool)
}

// AssessWith is Assess, in which checks go before what is built in. An object that is
// being deleted is judged by that alone. nil: there are none.
func AssessWith(obj *unstructured.Unstructured, checks Checks) (Status, bool) {
	if checks == nil || obj == nil || obj.Object == nil {
		return Assess(obj)
	}
	if status, ok := terminating(obj); ok {
		return status.clip(), true
	}
	status, rated, found := checks.Check(obj)
	if !found {
		return Assess(obj)
	}
	return status.clip(), rated
}

func terminating(obj *unstructured.Unstructured) (Status, bool) {
	if text(obj.Object, "metadata", "deletionTimestamp") == "" {
		return Status{}, false
	}
	finalizers := obj.GetFinalizers()
	if slices.Contains(finalizers, hookFinalizer) {
		return Status{}, false
	}
	if len(finalizers) == 0 {
		return Status{Progressing, "Pending deletion"}, true
	}
	return Status{Progressing, "Pending deletion: waits for finalizer " + firstFew(finalizers, ", ")}, true
}

// order ranks the verdicts; one that is not listed is as bad as Unknown.
var order = []Code{Healthy, Suspended, Progressing, Missing, Degraded, Unknown}

func rank(c Code) int {
	if i := slices.Index(order, c); i >= 0 {
		return i
	}
	return len(order) - 1
}

// Worse reports whether a is worse than b.
func Worse(a, b Code) bool { return rank(a) > rank(b) }

// maxMessage bounds a message, in bytes: it travels in every status.
const maxMessage = 1024

// clip makes the message one bounded line of valid text.
func (s Status) clip() Status {
	s.Message = strings.Join(strings.Fields(strings.ToValidUTF8(s.Message, "")), " ")
	if len(s.Message) > maxMessage {
		s.Message = strings.ToValidUTF8(s.Message[:maxMessage], "") + "…"
	}
	return s
}
