package apply

import (
	"context"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/plumbline-dev/plumbline/internal/core/app"
	"github.com/plumbline-dev/plumbline/internal/core/object"
)

// A Writer changes objects of a cluster. What it wrote is known to the
// cluster's memory before it returns.
type Writer interface {
	Apply(ctx context.Context, obj *unstructured.Unstructured, opts Options) (*unstructured.Unstructured, error)
	Replace(ctx context.Context, obj *unstructured.Unstructured, opts Options) (*unstructured.Unstructured, error)
	Delete(ctx context.Context, key object.Key, opts DeleteOptions) error
	// DropFinalizer takes a finalizer off an object in the state that it was seen
	// in, a conflict when it has changed, and returns it as stored: unchanged where
	// it does not exist any more.
	DropFinalizer(ctx context.Context, live *unstructured.Unstructured, finalizer string, opts Options) (*unstructured.Unstructured, error)
	// Read asks the API server itself; it fails with *MissingError.
	Read(ctx context.Context, key object.Key) (*unstructured.Unstructured, error)
	// Gone waits until the object with that UID is no more.
	Gone(ctx context.Context, key object.Key, uid string) error
	// Established waits until a CustomResourceDefinition is served.
	Established(ctx context.Context, name string) error
}

// Options say how to write an object.
type Options struct {
	User     app.ID   // whose change this is
	RunAs    string   // user to impersonate; empty: the engine
	Manager  string   // field manager
	Takeover []string // managers whose fields become ours first
	DryRun   bool
	Lenient  bool // unknown fields are dropped, not refused
}

// DeleteOptions say how to delete an object.
type DeleteOptions struct {
	User        app.ID
	RunAs       string
	UID         string // only this very object
	Version     string // only in this state: its resource version; empty: in any
	Propagation string // "foreground", "background" or "orphan"
}

// MissingError reports an object that is not there.
type MissingError struct {
	Key object.Key
}

func (e *MissingError) Error() string { return e.Key.String() + " does not exist" }
