package livestate

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/plumbline-dev/plumbline/internal/core/listwatch"
	"github.com/plumbline-dev/plumbline/internal/core/rawjson"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// watch is one session of a kind's loop.
type watch struct {
	state    *State
	kind     *kind
	run      *run
	resource Resource
	release  func() // gives back the slot for initial states; nil once done
	answered bool   // the server accepted the watch

	// The initial state as it arrives. It replaces what is stored only when it
	// is complete. A nil record stands for an object that is stored as it is.
	staged  map[listwatch.Name]*record
	samples [][]byte
}

// received gives back the slot for initial states.
func (w *watch) received() {
	if w.release != nil {
		w.release()
		w.release = nil
	}
}

// initial receives a streamed initial state and the changes that follow it.
func (w *watch) initial(ctx context.Context) (bool, error) {
	w.staged = map[listwatch.Name]*record{}
	progress, err := w.stream(ctx, listwatch.Version{})
	if w.staged != nil && err != nil && (w.answered && errors.Is(err, errSilent) || apierrors.IsInvalid(err) || apierrors.IsBadRequest(err)) {
		err = &refusedError{cause: err}
	}
	if w.staged != nil && err == nil {
		err = listwatch.Malformed("the server ended the watch before the initial state was complete")
	}
	return progress && w.staged == nil, err
}

// follow receives the changes after from.
func (w *watch) follow(ctx context.Context, from listwatch.Version) (bool, error) {
	return w.stream(ctx, from)
}

func (w *watch) stream(ctx context.Context, from listwatch.Version) (bool, error) {
	guard, ctx := newWatchdog(ctx, w.state.cfg.Stall)
	defer guard.stop()

	seconds := int64(watchFor/time.Second) + rand.Int64N(int64(watchFor/time.Second))
	params := map[string]string{
		"watch":               "true",
		"allowWatchBookmarks": "true",
		"timeoutSeconds":      strconv.FormatInt(seconds, 10),
	}
	if w.staged != nil {
		params["sendInitialEvents"] = "true"
		params["resourceVersionMatch"] = "NotOlderThan"
	} else {
		params["resourceVersion"] = from.String()
	}
	body, err := w.open(ctx, params)
	if err != nil {
		return false, guard.explain(err)
	}
	defer body.Close()
	w.answered = true
	if w.staged == nil {
		guard.allow(w.quiet(seconds))
		w.state.opened(w.kind, w.run)
	}
	events := rawjson.NewFrames(guard.reader(body), w.state.cfg.MaxEvent)
	progress := false
	for {
		frame, err := events.Next()
		if errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) && guard.cause() == nil {
			return progress, nil
		}
		if err != nil {
			return progress, guard.explain(&listwatch.StreamError{Cause: err})
		}
		if err := w.event(frame); err != nil {
			return progress, err
		}
		progress = true
		if w.staged == nil {
			guard.allow(w.quiet(seconds))
		}
	}
}

// quiet returns how long this watch may be silent.
func (w *watch) quiet(seconds int64) time.Duration {
	if w.run.bookmarked {
		return w.state.cfg.Quiet
	}
	return time.Duration(seconds)*time.Second + w.state.cfg.Stall
}

// open sends a request for the resource and returns the body of the answer.
func (w *watch) open(ctx context.Context, params map[string]string) (io.ReadCloser, error) {
	gvr := w.resource.GVR
	req := w.state.cfg.Client.Get().MaxRetries(0)
	path := []string{"apis", gvr.Group, gvr.Version}
	if gvr.Group == "" {
		path = []string{"api", gvr.Version}
	}
	if ns := w.state.cfg.Namespace; ns != "" && w.resource.Namespaced {
		path = append(path, "namespaces", ns)
	}
	req = req.AbsPath(append(path, gvr.Resource)...)
	accept := "application/json"
	if w.resource.MetadataOnly {
		as := "PartialObjectMetadata"
		if params["watch"] == "" {
			as += "List"
		}
		accept = "application/json;as=" + as + ";g=meta.k8s.io;v=v1,application/json"
	}
	req = req.SetHeader("Accept", accept)
	for key, value := range params {
		req = req.Param(key, value)
	}
	return req.Stream(ctx)
}

// event takes in one watch event.
func (w *watch) event(frame []byte) error {
	e, err := listwatch.ReadEvent(frame)
	switch {
	case err != nil:
		return err
	case e.Type == listwatch.Deleted:
		return w.deleted(e.Object)
	case e.Type == listwatch.Marked:
		return w.bookmark(e.Object)
	}
	return w.changed(e.Object)
}

// bookmark notes how far the watch is, and the end of the initial state.
func (w *watch) bookmark(raw []byte) error {
	b, err := listwatch.ReadBookmark(raw)
	if err != nil {
		return err
	}
	w.run.bookmarked = true
	switch {
	case w.staged == nil:
		return w.advance(b.Version)
	case b.InitialEnd:
		return w.commit(b.Version)
	}
	return nil
}

// advance notes that everything up to at is stored.
func (w *watch) advance(at listwatch.Version) error {
	s := w.state
	s.mu.Lock()
	defer s.mu.Unlock()
	if w.kind.run != w.run {
		return errSuperseded
	}
	s.reached(w.kind, at)
	return nil
}

// reached notes that everything up to at is stored; s.mu is held.
func (s *State) reached(k *kind, at listwatch.Version) {
	k.run.reach(at)
	k.run.garbled = false
	k.lost = time.Time{}
	if !k.streaming {
		k.streaming = true
		s.usable(k)
	}
}

// reach moves the point to resume from forward; State.mu is held.
func (r *run) reach(at listwatch.Version) {
	if order, ordered := at.Compare(r.resume); !ordered || order > 0 {
		r.resume = at
	}
	r.suspicious = 0
}
