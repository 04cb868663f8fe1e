package reconcile

import (
	"time"

	"github.com/plumbline-dev/plumbline/internal/core/plan"
)

// NoRecorder counts nothing.
type NoRecorder struct{}

// Stage does nothing.
func (NoRecorder) Stage(string, time.Duration, error) {}

// Drift does nothing.
func (NoRecorder) Drift(int) {}

// Step does nothing.
func (NoRecorder) Step(plan.Action, error) {}
