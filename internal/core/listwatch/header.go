package listwatch

import (
	"errors"
	"fmt"
	"hash/fnv"
	"strconv"
	"time"

	"github.com/plumbline-dev/plumbline/internal/core/rawjson"
)

// Name identifies an object within its kind.
type Name struct{ Namespace, Name string }

// Header is the part of an object that is read without decoding it. The raw
// slices are valid as long as the bytes it was read from.
type Header struct {
	APIVersion, Kind string
	Name             Name
	UID              string
	Version          string
	Generation       int64
	Deleted          int64 // Unix seconds of the deletion timestamp, 0 for none
	Metadata         []byte
	Labels           rawjson.Map
	Annotations      rawjson.Map
}

var errNoMetadata = errors.New("it has no metadata")

// ReadHeader reads the header of the object in data, which is valid JSON.
func ReadHeader(data []byte) (Header, error) {
	var h Header
	rawjson.Members(data, func(key, value []byte) bool {
		switch {
		case rawjson.Named(key, "apiVersion"):
			h.APIVersion = rawjson.Text(value)
		case rawjson.Named(key, "kind"):
			h.Kind = rawjson.Text(value)
		case rawjson.Named(key, "metadata"):
			h.Metadata = value
		}
		return true
	})
	if h.Metadata == nil {
		return h, errNoMetadata
	}
	rawjson.Members(h.Metadata, h.readMember)
	return h, nil
}

func (h *Header) readMember(key, value []byte) bool {
	switch {
	case rawjson.Named(key, "name"):
		h.Name.Name = rawjson.Text(value)
	case rawjson.Named(key, "namespace"):
		h.Name.Namespace = rawjson.Text(value)
	case rawjson.Named(key, "uid"):
		h.UID = rawjson.Text(value)
	case rawjson.Named(key, "resourceVersion"):
		h.Version = rawjson.Text(value)
	case rawjson.Named(key, "generation"):
		h.Generation, _ = strconv.ParseInt(string(value), 10, 64)
	case rawjson.Named(key, "deletionTimestamp"):
		if at, err := time.Parse(time.RFC3339, rawjson.Text(value)); err == nil {
			h.Deleted = at.Unix()
		}
	case rawjson.Named(key, "labels"):
		h.Labels = value
	case rawjson.Named(key, "annotations"):
		h.Annotations = value
	}
	return true
}

// Check says why the header is not that of an object that can be stored.
func (h Header) Check() error {
	switch {
	case h.Name.Name == "":
		return errors.New("an object has no metadata.name")
	case h.Version == "":
		return fmt.Errorf("object %q has no metadata.resourceVersion", h.Name.Name)
	case h.UID == "":
		return fmt.Errorf("object %q has no metadata.uid", h.Name.Name)
	}
	return nil
}

// Marks hashes labels and annotations as they were sent.
func (h Header) Marks() uint64 {
	hash := fnv.New64a()
	_, _ = hash.Write(h.Labels)
	_, _ = hash.Write([]byte{0})
	_, _ = hash.Write(h.Annotations)
	return hash.Sum64()
}

// OnlyMetadata returns an object of the metadata alone, without managed fields.
func (h Header) OnlyMetadata() []byte {
	out := append(make([]byte, 0, len(h.Metadata)+16), `{"metadata":{`...)
	first := true
	rawjson.Members(h.Metadata, func(key, value []byte) bool {
		if rawjson.Named(key, "managedFields") {
			return true
		}
		if !first {
			out = append(out, ',')
		}
		first = false
		out = append(append(append(out, key...), ':'), value...)
		return true
	})
	return append(out, "}}"...)
}
