package reconcile

import (
	"context"

	"github.com/plumbline-dev/plumbline/internal/core/app"
	"github.com/plumbline-dev/plumbline/internal/core/plan"
)

// NoRecorder counts nothing.
type NoRecorder struct{}

// Begin does nothing.
func (NoRecorder) Begin(ctx context.Context, _ app.ID, _ string) (context.Context, func(error)) {
	return ctx, func(error) {}
}

// Drift does nothing.
func (NoRecorder) Drift(int, int) {}

// Step does nothing.
func (NoRecorder) Step(plan.Action, error) {}
