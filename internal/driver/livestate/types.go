package livestate

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/plumbline-dev/plumbline/internal/core/object"
	"github.com/plumbline-dev/plumbline/internal/core/rawjson"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
)

// Resource names a kind and how to watch it.
type Resource struct {
	GVR        schema.GroupVersionResource
	GVK        schema.GroupVersionKind
	Namespaced bool

	// MetadataOnly keeps nothing but the metadata of the objects. A kind that
	// one user requires in full is kept in full for all.
	MetadataOnly bool
}

// Metadata is what Config.Owners decides by. Labels and Annotations are valid
// only during the call.
type Metadata struct {
	Key         object.Key
	UID         types.UID
	Labels      rawjson.Map
	Annotations rawjson.Map
}

// Meta is the part of an object that is kept uncompressed.
type Meta struct {
	UID             types.UID
	ResourceVersion string
	Generation      int64
	Deleted         time.Time // deletion timestamp, zero when the object is not being deleted
	Marks           uint64    // digest of labels and annotations, comparable within one process
}

// ChangeType says what happened to an object.
type ChangeType string

// What can happen to an object. Changes that wait to be delivered are merged
// into one per object, so the type is a hint and Get the truth.
const (
	Added    ChangeType = "Added"
	Modified ChangeType = "Modified"
	Deleted  ChangeType = "Deleted"
)

// Change tells that the stored state of an object is another one now.
type Change struct {
	Key    object.Key
	Type   ChangeType
	Owners []string // sorted: by marks before and after the change, and by Claim; may be empty; not to be changed
}

// Config says what a State watches through and whom it tells.
type Config struct {
	// Client reaches the API server. It must not limit the time or the rate
	// of requests. Required.
	Client rest.Interface

	// Namespace limits what is looked at to one; empty: all of the cluster.
	Namespace string

	// Owners returns the names of the applications that an object's labels
	// and annotations name. It is called while objects arrive and must be
	// quick. Nil means that marks name nobody.
	Owners func(Metadata) []string

	// OnChange is told of every change, one at a time, in order for each
	// object. While it runs, further changes wait and are merged. It is also
	// told of every object of a kind's first initial state. May be nil.
	OnChange func(Change)

	// OnKind is told when a kind becomes usable (nil), the first time and after
	// each failure, and when it becomes unusable (err is a *KindError), in
	// order with the changes. May be nil.
	OnKind func(gk schema.GroupKind, err error)

	// OnInterrupt is told of each watch that failed or ended before its time. It
	// must be quick. May be nil.
	OnInterrupt func(gk schema.GroupKind)

	Logger *slog.Logger // nil discards

	// StaleAfter is how long a kind whose watch is interrupted still counts as
	// synced; 0 means 1m.
	StaleAfter time.Duration
	// Linger is how long a kind that nobody requires is still watched; 0 means 1m.
	Linger time.Duration
	// Quiet is the longest silence on a watch before it is taken for dead: API
	// servers send a bookmark every minute. Watches that never carried a
	// bookmark end by their own timeout instead. 0 means 3m.
	Quiet time.Duration
	// Stall is the longest silence before a first answer and during an initial
	// state; 0 means 30s.
	Stall time.Duration
	// Backoff returns the pause after the n-th failure in a row, from 1. Nil
	// means 0.5 s doubled each time up to 30 s, give or take a half.
	Backoff func(n int) time.Duration
	// Syncs is how many initial states are received at once; 0 means 16.
	Syncs int
	// PageSize is the number of objects in a page where lists are used; 0 means 250.
	PageSize int
	// MaxEvent is the largest object that is accepted, in bytes; 0 means 32 MiB.
	MaxEvent int
}

func (c Config) withDefaults() Config {
	if c.Owners == nil {
		c.Owners = func(Metadata) []string { return nil }
	}
	if c.OnInterrupt == nil {
		c.OnInterrupt = func(schema.GroupKind) {}
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Backoff == nil {
		c.Backoff = backoff
	}
	setDefault(&c.StaleAfter, time.Minute)
	setDefault(&c.Linger, time.Minute)
	setDefault(&c.Quiet, 3*time.Minute)
	setDefault(&c.Stall, 30*time.Second)
	setDefault(&c.Syncs, 16)
	setDefault(&c.PageSize, 250)
	setDefault(&c.MaxEvent, 32<<20)
	return c
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// KindError says why the objects of one kind are not known. The cause is an
// apierrors.APIStatus where the API server gave one.
type KindError struct {
	GVK   schema.GroupVersionKind
	Cause error
}

// Error names the kind and the cause.
func (e *KindError) Error() string {
	return fmt.Sprintf("watch %s: %s", e.GVK.GroupKind(), oneLine(e.Cause.Error()))
}

// Unwrap returns the cause.
func (e *KindError) Unwrap() error { return e.Cause }

// ErrNotSynced is the cause of a KindError when the initial state of the kind
// did not arrive in time.
var ErrNotSynced = errors.New("its initial state has not arrived completely yet")

// ErrClosed is returned by Require after Close.
var ErrClosed = errors.New("live state: closed")

// RequireError lists the kinds that could not be provided, sorted.
type RequireError struct {
	Kinds []*KindError
}

// Error names up to three of the kinds.
func (e *RequireError) Error() string {
	const most = 3
	var parts []string
	for _, k := range e.Kinds[:min(most, len(e.Kinds))] {
		parts = append(parts, k.Error())
	}
	if more := len(e.Kinds) - most; more > 0 {
		parts = append(parts, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(parts, "; ")
}

// Unwrap returns the errors of all kinds.
func (e *RequireError) Unwrap() []error {
	errs := make([]error, len(e.Kinds))
	for i, k := range e.Kinds {
		errs[i] = k
	}
	return errs
}

func requireError(kinds []*KindError) error {
	if len(kinds) == 0 {
		return nil
	}
	slices.SortFunc(kinds, func(a, b *KindError) int { return strings.Compare(a.GVK.String(), b.GVK.String()) })
	return &RequireError{Kinds: kinds}
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
