// Package apply runs the steps of a plan against a cluster.
//
// In go steps that core decided on; out comes an Event for each. The package
// decides nothing but what the API server forces on it: an object whose fields
// cannot be changed in place is created anew when the step allows that. It
// deletes only the very object that the step names, after reading it once more.
package apply

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/plumbline-dev/plumbline/internal/core/app"
	core "github.com/plumbline-dev/plumbline/internal/core/apply"
	"github.com/plumbline-dev/plumbline/internal/core/plan"
)

// Job says for whom steps are run and how.
type Job struct {
	User        app.ID
	RunAs       string
	Manager     string
	Takeover    []string
	Propagation string
	DryRun      bool
	Parallel    int // steps of one kind at once; below 1 means 1

	// Finalizer of our own, which is taken off an object before it is deleted;
	// empty: none.
	Finalizer string

	// MayPrune is asked with what the API server has at that moment, right
	// before it is deleted; an error keeps the object. Required.
	MayPrune func(live *unstructured.Unstructured) error
}

// Run runs the steps in order; neighbours of one kind run at the same time. A
// step that fails does not keep later ones from running, but nothing is pruned
// after a write has failed: what should have taken its place may be missing.
// Events come back in the order of the steps; when Run ends early the remaining
// steps have none.
func Run(ctx context.Context, w Writer, job Job, steps []plan.Step) []core.Event {
	events := make([]core.Event, 0, len(steps))
	for len(steps) > 0 && ctx.Err() == nil {
		if steps[0].Action == plan.Prune && slices.ContainsFunc(events, writeFailed) {
			return events
		}
		n := 1
		for n < len(steps) && plan.SameKind(steps[0], steps[n]) {
			n++
		}
		events = append(events, group(ctx, w, job, steps[:n])...)
		steps = steps[n:]
	}
	return events
}

func writeFailed(e core.Event) bool { return e.Err != nil && e.Step.Action != plan.Prune }

func group(ctx context.Context, w Writer, job Job, steps []plan.Step) []core.Event {
	events := make([]core.Event, len(steps))
	slots := make(chan struct{}, max(1, job.Parallel))
	var wg sync.WaitGroup
	last := len(steps) - 1 // has this goroutine, whose stack is grown
	for i := range last {
		slots <- struct{}{}
		wg.Go(func() {
			events[i] = step(ctx, w, job, steps[i])
			<-slots
		})
	}
	slots <- struct{}{}
	events[last] = step(ctx, w, job, steps[last])
	wg.Wait()
	return events
}

func step(ctx context.Context, w Writer, job Job, s plan.Step) core.Event {
	started := time.Now()
	event := core.Event{Step: s}
	switch s.Action {
	case plan.Create, plan.Patch, plan.Adopt, plan.Replace:
		event.Live, event.Err = write(ctx, w, job, s)
	case plan.Prune, plan.Clear:
		event.Err = prune(ctx, w, job, s)
	case plan.Keep:
	}
	event.Took = time.Since(started)
	return event
}

func write(ctx context.Context, w Writer, job Job, s plan.Step) (*unstructured.Unstructured, error) {
	opts := Options{User: job.User, RunAs: job.RunAs, Manager: job.Manager, Takeover: job.Takeover, DryRun: job.DryRun, Lenient: s.Lenient}
	if s.Action == plan.Create {
		opts.Takeover = nil
	}
	put := w.Apply
	if s.Action == plan.Replace {
		put = w.Replace
	}
	live, err := put(ctx, s.Manifest.Object, opts)
	if err != nil && s.Force && !job.DryRun && immutable(err) {
		live, err = recreate(ctx, w, job, s, err)
	}
	if err == nil && plan.IsCRD(s.Key) && !job.DryRun {
		err = w.Established(ctx, s.Key.Name)
	}
	if err != nil {
		return nil, &stepError{text: failed(s, err).Error() + wayOut(s, err), cause: err}
	}
	return live, nil
}

// wayOut says what to do about an error where the server's words do not.
func wayOut(s plan.Step, err error) string {
	var status apierrors.APIStatus
	switch {
	case !s.Force && immutable(err):
		return "; undo the change, or allow force to have the object deleted and created anew"
	case apierrors.IsNotFound(err) && errors.As(err, &status) && status.Status().Details != nil && status.Status().Details.Kind == "namespaces":
		return "; declare that namespace in the source, create it, or let the sync policy create it"
	}
	return ""
}

// immutable reports whether the server refused because a field cannot be
// changed in place. An object that is invalid by itself is not meant: a new
// one of it could not be created either.
func immutable(err error) bool {
	return apierrors.IsInvalid(err) && (strings.Contains(err.Error(), "immutable") ||
		strings.Contains(err.Error(), "may not change") || strings.Contains(err.Error(), "updates to") || strings.Contains(err.Error(), "cannot be changed"))
}

// recreateTimeout bounds the wait for the old object to go.
const recreateTimeout = time.Minute

// recreate deletes an object and creates it anew. The new one is tried in a dry
// run under another name first, so that a manifest which the server would
// refuse anyway costs nobody their object.
func recreate(ctx context.Context, w Writer, job Job, s plan.Step, cause error) (*unstructured.Unstructured, error) {
	opts := Options{User: job.User, RunAs: job.RunAs, Manager: job.Manager, Lenient: s.Lenient}
	trial := s.Manifest.Object.DeepCopy()
	trial.SetName(trialName(trial.GetName()))
	try := opts
	try.DryRun = true
	if _, err := w.Apply(ctx, trial, try); err != nil {
		return nil, &stepError{text: reason(cause) + "; not recreated, because the new object would be refused too: " + reason(err), cause: err}
	}
	live, err := w.Read(ctx, s.Key)
	if err != nil {
		return nil, err
	}
	del := DeleteOptions{User: job.User, RunAs: job.RunAs, UID: string(live.GetUID()), Propagation: "background"}
	if err := w.Delete(ctx, s.Key, del); err != nil {
		return nil, err
	}
	wait, cancel := context.WithTimeout(ctx, recreateTimeout)
	defer cancel()
	err = w.Gone(wait, s.Key, del.UID)
	switch {
	case err != nil && ctx.Err() == nil && wait.Err() != nil: // the wait is ours: a timeout says nothing about the API server
		return nil, fmt.Errorf("the old object is still there after %s; look at its finalizers", recreateTimeout)
	case err != nil:
		return nil, fmt.Errorf("waiting for the old object to go: %w", err)
	}
	return w.Apply(ctx, s.Manifest.Object, opts)
}

func trialName(name string) string {
	const suffix = "-trial"
	if len(name) > 63-len(suffix) {
		name = name[:63-len(suffix)]
	}
	return strings.TrimRight(name, "-.") + suffix
}

// looks bounds how often an object that keeps changing is looked at before it
// is pruned.
const looks = 5

// prune deletes one object in the very state that it had at a last look, so that
// nobody can claim it between the look and the deletion.
func prune(ctx context.Context, w Writer, job Job, s plan.Step) error {
	err := pruneOnce(ctx, w, job, s)
	for n := 1; n < looks && apierrors.IsConflict(err); n++ {
		err = pruneOnce(ctx, w, job, s)
	}
	return err
}

func pruneOnce(ctx context.Context, w Writer, job Job, s plan.Step) error {
	live, err := w.Read(ctx, s.Key)
	if missing := (*MissingError)(nil); errors.As(err, &missing) {
		return nil
	}
	if err != nil {
		return failed(s, err)
	}
	if string(live.GetUID()) != s.UID {
		return fmt.Errorf("%s: it was replaced by another object of that name in the meantime", s.Key)
	}
	if s.Action == plan.Prune {
		err = job.MayPrune(live)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", s.Key, err)
	}
	if job.DryRun {
		return nil
	}
	if job.Finalizer != "" && slices.Contains(live.GetFinalizers(), job.Finalizer) {
		if live, err = w.DropFinalizer(ctx, live, job.Finalizer, Options{User: job.User, RunAs: job.RunAs, Manager: job.Manager}); err != nil {
			return failed(s, err)
		}
	}
	return failed(s, w.Delete(ctx, s.Key, DeleteOptions{
		User: job.User, RunAs: job.RunAs, UID: s.UID, Version: live.GetResourceVersion(), Propagation: job.Propagation,
	}))
}
