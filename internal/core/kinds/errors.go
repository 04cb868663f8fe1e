package kinds

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

// UnknownKindError says that the server answered and does not have a kind.
type UnknownKindError struct {
	GroupKind schema.GroupKind
	Version   string   // as it was asked for; empty for any
	Served    []string // versions of the kind that the server has
}

// Error names the kind and what there is instead.
func (e *UnknownKindError) Error() string {
	if len(e.Served) > 0 {
		return fmt.Sprintf("kind %s: the cluster has no version %q of it: it has %s", e.GroupKind, e.Version, strings.Join(e.Served, ", "))
	}
	return fmt.Sprintf("kind %s: the cluster does not have it: is its CustomResourceDefinition installed?", e.GroupKind)
}

// UnavailableGroupError says that it cannot be told whether the server has a
// kind, because the part of the API that would know does not answer.
type UnavailableGroupError struct {
	Group string // "" for the core group
	Cause error
}

// Error names the group and the cause.
func (e *UnavailableGroupError) Error() string {
	group := e.Group
	if group == "" {
		group = "core"
	}
	return fmt.Sprintf("api group %s: it does not answer: %s", group, strings.Join(strings.Fields(e.Cause.Error()), " "))
}

// Unwrap returns the cause.
func (e *UnavailableGroupError) Unwrap() error { return e.Cause }
