package listwatch

import (
	"errors"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Status codes of servers that are busy, or that do not know yet who asks.
const (
	statusUnauthorized       = 401
	statusTooManyRequests    = 429
	statusServiceUnavailable = 503
)

// longestDelay is the longest pause that a server's Retry-After is granted.
const longestDelay = 2 * time.Minute

// Delay returns the pause that the server asked for.
func Delay(err error) time.Duration {
	seconds, ok := apierrors.SuggestsClientDelay(err)
	if !ok {
		return 0
	}
	return min(time.Duration(seconds)*time.Second, longestDelay)
}

// Refuses reports whether the server said that the kind cannot be had, which
// makes what is stored worthless at once instead of after a while.
func Refuses(err error) bool {
	return apierrors.IsForbidden(err) || apierrors.IsNotFound(err) || apierrors.IsMethodNotSupported(err) || apierrors.IsNotAcceptable(err)
}

// TooNew reports whether the server knows nothing as new as what was asked
// for, as after it was restored from a backup.
func TooNew(err error) bool {
	return apierrors.HasStatusCause(err, metav1.CauseTypeResourceVersionTooLarge)
}

// Answered reports whether err was caused by what a server said, rather than
// by not reaching it or by its being busy.
func Answered(err error) bool {
	var status apierrors.APIStatus
	if errors.As(err, &status) {
		code := status.Status().Code
		return code != statusTooManyRequests && code != statusServiceUnavailable && code != statusUnauthorized
	}
	var bad *StreamError
	return errors.As(err, &bad)
}

// StreamError is a stream or a list that does not hold what it should.
type StreamError struct{ Cause error }

func (e *StreamError) Error() string { return e.Cause.Error() }

// Unwrap returns the cause.
func (e *StreamError) Unwrap() error { return e.Cause }

// Malformed returns a *StreamError.
func Malformed(format string, args ...any) error {
	return &StreamError{Cause: fmt.Errorf(format, args...)}
}
