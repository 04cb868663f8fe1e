package listwatch

import (
	"encoding/json"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/plumbline-dev/plumbline/internal/core/rawjson"
)

// EventType says what an Event tells.
type EventType string

// The types of Event. Those that tell of a failure are errors instead.
const (
	Added    EventType = "ADDED"
	Modified EventType = "MODIFIED"
	Deleted  EventType = "DELETED"
	Marked   EventType = "BOOKMARK" // everything up to a version has been sent
)

// Event is one frame of a watch.
type Event struct {
	Type   EventType
	Object []byte // raw JSON, part of the frame
}

// ReadEvent reads a frame, which is valid JSON. An event by which the server tells
// of a failure is returned as that error, an apierrors.APIStatus; what is no event
// of a watch is a *StreamError.
func ReadEvent(frame []byte) (Event, error) {
	var kind string
	var raw []byte
	rawjson.Members(frame, func(key, value []byte) bool {
		switch {
		case rawjson.Named(key, "type"):
			kind = rawjson.Text(value)
		case rawjson.Named(key, "object"):
			raw = value
		}
		return true
	})
	switch t := EventType(kind); t {
	case Added, Modified, Deleted, Marked:
		return Event{t, raw}, nil
	}
	if kind == "ERROR" {
		return Event{}, statusOf(raw)
	}
	return Event{}, Malformed("an event has the unknown type %q", kind)
}

// Bookmark is what the object of a Marked event says.
type Bookmark struct {
	Version    Version // that everything has been sent up to
	InitialEnd bool    // the initial state is complete
}

// ReadBookmark reads the object of a Marked event.
func ReadBookmark(raw []byte) (Bookmark, error) {
	h, err := ReadHeader(raw)
	if err != nil || h.Version == "" {
		return Bookmark{}, Malformed("a BOOKMARK event has no metadata.resourceVersion")
	}
	end, _ := h.Annotations.Lookup(metav1.InitialEventsAnnotationKey)
	return Bookmark{Version: ParseVersion(h.Version), InitialEnd: end == "true"}, nil
}

// statusOf returns the error that the server sent in an event.
func statusOf(raw []byte) error {
	var status metav1.Status
	if err := json.Unmarshal(raw, &status); err != nil || status.Status == "" {
		return Malformed("an ERROR event carries no status")
	}
	return apierrors.FromObject(&status)
}
