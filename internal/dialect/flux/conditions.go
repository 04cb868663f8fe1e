package flux

import (
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// conditionList edits standard conditions; a transition time changes only with
// the status.
type conditionList struct {
	generation int64
	now        time.Time
	list       []metav1.Condition
}

func (l *conditionList) set(kind string, status metav1.ConditionStatus, reason, message string) {
	next := metav1.Condition{
		Type: kind, Status: status, Reason: reason, Message: message,
		ObservedGeneration: l.generation, LastTransitionTime: metav1.NewTime(l.now.Truncate(time.Second)),
	}
	i := slices.IndexFunc(l.list, func(c metav1.Condition) bool { return c.Type == kind })
	if i < 0 {
		l.list = append(slices.Clone(l.list), next)
		return
	}
	if l.list[i].Status == status {
		next.LastTransitionTime = l.list[i].LastTransitionTime
	}
	l.list = slices.Clone(l.list)
	l.list[i] = next
}

func (l *conditionList) remove(kind string) {
	l.list = slices.DeleteFunc(slices.Clone(l.list), func(c metav1.Condition) bool { return c.Type == kind })
}
