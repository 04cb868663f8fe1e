package listwatch

import (
	"encoding/json"
	"strings"

	"github.com/plumbline-dev/plumbline/internal/core/rawjson"
)

// PageLimit is the largest page of a list that is accepted, in bytes.
const PageLimit = 512 << 20

// Page is one answer to a list request.
type Page struct {
	Items   []byte // raw JSON array
	Next    string // where the next page continues; empty on the last
	Version string // of the whole list
}

// ReadPage reads the answer to a list request; it keeps data.
func ReadPage(data []byte) (Page, error) {
	if len(data) > PageLimit {
		return Page{}, Malformed("a page of the list is larger than %d bytes", PageLimit)
	}
	if !json.Valid(data) {
		return Page{}, Malformed("a list was expected: got %d bytes that start with %q", len(data), data[:min(len(data), 60)])
	}
	var p Page
	var kind string
	rawjson.Members(data, func(key, value []byte) bool {
		switch {
		case rawjson.Named(key, "kind"):
			kind = rawjson.Text(value)
		case rawjson.Named(key, "items"):
			p.Items = value
		case rawjson.Named(key, "metadata"):
			rawjson.Members(value, func(key, value []byte) bool {
				switch {
				case rawjson.Named(key, "resourceVersion"):
					p.Version = rawjson.Text(value)
				case rawjson.Named(key, "continue"):
					p.Next = rawjson.Text(value)
				}
				return true
			})
		}
		return true
	})
	switch {
	case !strings.HasSuffix(kind, "List"):
		return Page{}, Malformed("a list was expected: got an object of kind %q", kind)
	case p.Items == nil || (p.Items[0] != '[' && string(p.Items) != "null"):
		return Page{}, Malformed("the list has no items")
	case p.Version == "" || p.Version == "0":
		return Page{}, Malformed("the list has no resource version")
	}
	return p, nil
}
