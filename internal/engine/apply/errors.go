package apply

import (
	"errors"
	"io"
	"net"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/plumbline-dev/plumbline/internal/core/plan"
)

// stepError is what a user reads about a step that failed.
type stepError struct {
	text  string
	cause error
}

func (e *stepError) Error() string { return e.text }
func (e *stepError) Unwrap() error { return e.cause }

// failed names the object of a step and, if it comes from one, the file.
func failed(s plan.Step, err error) error {
	if err == nil {
		return nil
	}
	text := s.Key.String()
	if s.Manifest.Origin.File != "" {
		text += " in " + s.Manifest.Origin.File
	}
	return &stepError{text: text + ": " + reason(err), cause: err}
}

// Transient reports whether a step failed for a reason that has nothing to do
// with its object: the API server could not be reached or was overloaded.
func Transient(err error) bool {
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		var network net.Error
		return errors.As(err, &network) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
	}
	return apierrors.IsTooManyRequests(err) || apierrors.IsServiceUnavailable(err) || apierrors.IsTimeout(err) || apierrors.IsServerTimeout(err)
}

// reason is the server's own sentence without the client's decoration, or ours.
func reason(err error) string {
	if own := (*stepError)(nil); errors.As(err, &own) {
		return own.text
	}
	var status apierrors.APIStatus
	if errors.As(err, &status) && status.Status().Message != "" {
		return status.Status().Message
	}
	return err.Error()
}
