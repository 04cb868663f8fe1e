package apierror_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/plumbline-dev/plumbline/internal/core/apierror"
	"github.com/plumbline-dev/plumbline/internal/core/object"
)

func status(code int32, reason metav1.StatusReason, message string, causes ...metav1.StatusCause) error {
	return &apierrors.StatusError{ErrStatus: metav1.Status{
		Status: metav1.StatusFailure, Code: code, Reason: reason, Message: message, Details: &metav1.StatusDetails{Causes: causes},
	}}
}

func TestSecretsAreNotQuoted(t *testing.T) {
	secret := object.Key{Kind: "Secret", Namespace: "shop", Name: "s"}
	for name, tc := range map[string]struct {
		err  error
		want string
	}{
		"WrongType": {
			err:  status(500, "", `failed to create typed patch object (shop/s; /v1, Kind=Secret): .data.password: expected string, got &value.valueUnstructured{Value:"hunter2"}`),
			want: "apply Secret shop/s: status 500: .data.password: expected string",
		},
		"Invalid": {
			err:  status(422, "Invalid", `Secret "s" is invalid: type: Invalid value: "hunter2"`, metav1.StatusCause{Type: "FieldValueInvalid", Field: "type", Message: "hunter2"}),
			want: "apply Secret shop/s: Invalid: type: FieldValueInvalid",
		},
		"Conflict": {
			err:  status(409, "Conflict", "conflict", metav1.StatusCause{Type: "FieldManagerConflict", Field: ".data.a", Message: `conflict with "kubectl"`}),
			want: `apply Secret shop/s: Conflict: .data.a: conflict with "kubectl"`,
		},
		"Forbidden": {
			err:  status(403, "Forbidden", `User "u" cannot patch`),
			want: `apply Secret shop/s: User "u" cannot patch`,
		},
		"Webhook": {
			err:  status(403, "Forbidden", `admission webhook "w" denied the request: hunter2`),
			want: `apply Secret shop/s: admission webhook "w" denied the request`,
		},
		"Connection": {
			err:  errors.New("connection\nrefused"),
			want: "apply Secret shop/s: connection refused",
		},
	} {
		t.Run(name, func(t *testing.T) {
			err := &apierror.RequestError{Verb: "apply", Key: secret, Err: tc.err}
			if diff := cmp.Diff(tc.want, err.Error()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestOthersAreQuoted(t *testing.T) {
	key := object.Key{Group: "apps", Kind: "Deployment", Namespace: "shop", Name: "d"}
	cause := status(422, "Invalid", "spec.replicas:\n must be positive")
	request := &apierror.RequestError{Verb: "apply", Key: key, Err: cause}
	if want := fmt.Sprintf("apply %s: spec.replicas: must be positive", key); request.Error() != want || !apierrors.IsInvalid(request) {
		t.Errorf("%v, want %s", request, want)
	}
	precondition := &apierror.PreconditionError{Key: key, Err: status(409, "Conflict", "the UID differs")}
	if want := fmt.Sprintf("delete %s: it is not the object that was seen before: the UID differs", key); precondition.Error() != want || !apierrors.IsConflict(precondition) {
		t.Errorf("%v, want %s", precondition, want)
	}
}

func TestLacksKind(t *testing.T) {
	pods := schema.GroupResource{Resource: "pods"}
	proxy := apierrors.NewNotFound(pods, "a")
	proxy.ErrStatus.Details.Causes = []metav1.StatusCause{{Type: metav1.CauseTypeUnexpectedServerResponse}}
	for name, tc := range map[string]struct {
		err  error
		want bool
	}{
		"object":  {apierrors.NewNotFound(pods, "a"), false},
		"kind":    {status(404, metav1.StatusReasonNotFound, "the server could not find the requested resource"), true},
		"proxy":   {proxy, true},
		"another": {apierrors.NewForbidden(pods, "a", nil), false},
		"none":    {nil, false},
	} {
		if got := apierror.LacksKind(tc.err); got != tc.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
