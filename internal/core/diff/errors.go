package diff

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"sigs.k8s.io/structured-merge-diff/v6/typed"

	"github.com/plumbline-dev/plumbline/internal/core/object"
)

// UndecidedError reports that only the server can tell what an apply would
// change: ask it with a dry run and hand the answer to FromDryRun.
type UndecidedError struct {
	Key   object.Key
	Cause error // *schema.MissingError when the kind is not known here
}

func (e *UndecidedError) Error() string {
	return fmt.Sprintf("%s: cannot be compared without the server: %v", e.Key, e.Cause)
}

// Unwrap returns the cause.
func (e *UndecidedError) Unwrap() error { return e.Cause }

// InvalidError reports a desired object that the server would refuse.
type InvalidError struct {
	Key      object.Key
	Problems []Problem // at least one, in the order found
}

// Problem is one thing wrong with an object.
type Problem struct {
	Path    string // as the server writes it, such as .spec.replicas; may be empty
	Message string // in the server's words
}

func (e *InvalidError) Error() string {
	const shown = 3
	parts := make([]string, 0, shown+1)
	for i, p := range e.Problems {
		if i == shown {
			parts = append(parts, fmt.Sprintf("and %d more", len(e.Problems)-i))
			break
		}
		parts = append(parts, p.String())
	}
	return fmt.Sprintf("%s: %s", e.Key, strings.Join(parts, "; "))
}

func (p Problem) String() string {
	if p.Path == "" {
		return p.Message
	}
	return p.Path + ": " + p.Message
}

// invalid translates what the typed library says of an object. The messages
// may quote values, so those of Secrets are cut before the quotation.
func invalid(key object.Key, err error) *InvalidError {
	out := &InvalidError{Key: key}
	var list typed.ValidationErrors
	if !errors.As(err, &list) || len(list) == 0 {
		list = typed.ValidationErrors{{ErrorMessage: err.Error()}}
	}
	for _, one := range list {
		out.Problems = append(out.Problems, Problem{Path: one.Path, Message: one.ErrorMessage}.shownFor(key))
	}
	return out
}

// shownFor returns p as it may be shown for the object.
func (p Problem) shownFor(key object.Key) Problem {
	p.Message = wording(p.Message)
	if isSecret(key) {
		p.Message = quotation.ReplaceAllString(p.Message, "")
	}
	return p
}

var (
	quotation = regexp.MustCompile(`(?s),? (?:got|with value|for key|quantity|parsing|decode|unmarshal)\b.*`)
	goScalar  = regexp.MustCompile(`&\{([^{}]*)\}$`)
	goValue   = regexp.MustCompile(`&?value\.valueUnstructured\{Value:(.*)\}`)
)

// wording puts a message on one line, without the library's Go syntax.
func wording(message string) string {
	message = strings.ReplaceAll(message, "\n", "; ")
	return goScalar.ReplaceAllString(goValue.ReplaceAllString(message, "$1"), "$1")
}
