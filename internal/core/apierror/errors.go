package apierror

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/plumbline-dev/plumbline/internal/core/object"
)

// RequestError is a request about one object that did not succeed. The
// functions of apierrors see through it.
type RequestError struct {
	Verb string // "apply", "get", ...
	Key  object.Key
	Err  error
}

// Error names the verb, the object and the cause. For a Secret it says what is
// wrong and where, but repeats no value.
func (e *RequestError) Error() string {
	return fmt.Sprintf("%s %s: %s", e.Verb, e.Key, causeOf(e.Key, e.Err))
}

// Unwrap returns the server's answer or the reason why there is none.
func (e *RequestError) Unwrap() error { return e.Err }

// PreconditionError says that an object is not the one that was to be deleted:
// it was replaced or changed since it was read.
type PreconditionError struct {
	Key object.Key
	Err error
}

// Error names the object.
func (e *PreconditionError) Error() string {
	return fmt.Sprintf("delete %s: it is not the object that was seen before: %s", e.Key, causeOf(e.Key, e.Err))
}

// Unwrap returns the server's answer.
func (e *PreconditionError) Unwrap() error { return e.Err }

// causeOf returns the text of err on one line.
func causeOf(key object.Key, err error) string {
	var answer apierrors.APIStatus
	if key.Group == "" && key.Kind == "Secret" && errors.As(err, &answer) {
		return withoutValues(answer.Status())
	}
	return OneLine(err.Error())
}

// quotesNothing lists the reasons whose messages name objects and users only.
var quotesNothing = []metav1.StatusReason{
	metav1.StatusReasonAlreadyExists, metav1.StatusReasonConflict, metav1.StatusReasonForbidden, metav1.StatusReasonNotFound,
	metav1.StatusReasonServiceUnavailable, metav1.StatusReasonTooManyRequests, metav1.StatusReasonUnauthorized,
}

// harmless matches the parts of other messages that are worth repeating: which
// field has the wrong type, and where data is not base64.
var harmless = regexp.MustCompile(`\.(data|stringData)\.[A-Za-z0-9._-]+: expected [a-z]+|\.(data|stringData): expected [a-z]+|illegal base64 data at input byte [0-9]+`)

// withoutValues describes a status without what a message may quote.
func withoutValues(status metav1.Status) string {
	webhook, _, denied := strings.Cut(status.Message, " denied the request")
	switch {
	case denied:
		return OneLine(webhook) + " denied the request"
	case slices.Contains(quotesNothing, status.Reason) && !fromManagers(status):
		return OneLine(status.Message)
	}
	reason := string(status.Reason)
	if reason == "" {
		reason = fmt.Sprintf("status %d", status.Code)
	}
	facts := harmless.FindAllString(status.Message, 3)
	if status.Details != nil {
		for _, cause := range status.Details.Causes {
			if cause.Field == "" {
				continue
			}
			fact := string(cause.Type)
			if cause.Type == metav1.CauseTypeFieldManagerConflict {
				fact = OneLine(cause.Message)
			}
			facts = append(facts, cause.Field+": "+fact)
		}
	}
	slices.Sort(facts)
	return strings.Join(append([]string{reason}, slices.Compact(facts)...), ": ")
}

// fromManagers reports whether the status is about fields of other managers.
func fromManagers(status metav1.Status) bool {
	return status.Details != nil && slices.ContainsFunc(status.Details.Causes, func(c metav1.StatusCause) bool {
		return c.Type == metav1.CauseTypeFieldManagerConflict
	})
}

// OneLine returns the words of s on one line.
func OneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// LacksKind reports whether err is a 404 that does not speak of an object: the kind
// is not served, or something other than an API server answered.
func LacksKind(err error) bool {
	if !apierrors.IsNotFound(err) {
		return false
	}
	var answer apierrors.APIStatus
	if !errors.As(err, &answer) {
		return true
	}
	details := answer.Status().Details
	if details == nil || details.Name == "" {
		return true
	}
	return slices.ContainsFunc(details.Causes, func(c metav1.StatusCause) bool {
		return c.Type == metav1.CauseTypeUnexpectedServerResponse
	})
}
