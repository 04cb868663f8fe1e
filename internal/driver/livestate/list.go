package livestate

import (
	"context"
	"encoding/json"
	"io"
	"strconv"
	"strings"
)

// pageLimit is the largest page of a list that is accepted, in bytes.
const pageLimit = 512 << 20

// list receives the initial state page by page, for servers that do not stream
// it. When any page is missing, nothing that is stored changes.
func (w *watch) list(ctx context.Context) (version, error) {
	w.staged = map[name]*record{}
	next, at := "", ""
	for {
		page, err := w.page(ctx, next)
		if err != nil {
			return version{}, err
		}
		if at == "" {
			at = page.version
		}
		var bad error
		elements(page.items, func(raw []byte) bool {
			bad = w.changed(raw)
			return bad == nil
		})
		if bad != nil {
			return version{}, bad
		}
		if next = page.next; next == "" {
			break
		}
	}
	resume := parseVersion(at)
	return resume, w.commit(resume)
}

// page is one answer to a list request.
type page struct {
	items   []byte // raw JSON array
	next    string
	version string
}

func (w *watch) page(ctx context.Context, next string) (page, error) {
	guard, ctx := newWatchdog(ctx, w.state.cfg.Stall)
	defer guard.stop()
	params := map[string]string{"limit": strconv.Itoa(w.state.cfg.PageSize)}
	if next != "" {
		params["continue"] = next
	}
	body, err := w.open(ctx, params)
	if err != nil {
		return page{}, guard.explain(err)
	}
	defer body.Close()
	data, err := io.ReadAll(io.LimitReader(guard.reader(body), pageLimit+1))
	if err != nil {
		return page{}, guard.explain(&streamError{cause: err})
	}
	return readPage(data)
}

// readPage reads the answer to a list request.
func readPage(data []byte) (page, error) {
	if len(data) > pageLimit {
		return page{}, malformed("a page of the list is larger than %d bytes", pageLimit)
	}
	if !json.Valid(data) {
		return page{}, malformed("a list was expected: got %d bytes that start with %q", len(data), data[:min(len(data), 60)])
	}
	var p page
	var kind string
	members(data, func(key, value []byte) bool {
		switch {
		case named(key, "kind"):
			kind = text(value)
		case named(key, "items"):
			p.items = value
		case named(key, "metadata"):
			members(value, func(key, value []byte) bool {
				switch {
				case named(key, "resourceVersion"):
					p.version = text(value)
				case named(key, "continue"):
					p.next = text(value)
				}
				return true
			})
		}
		return true
	})
	switch {
	case !strings.HasSuffix(kind, "List"):
		return page{}, malformed("a list was expected: got an object of kind %q", kind)
	case p.items == nil || (p.items[0] != '[' && string(p.items) != "null"):
		return page{}, malformed("the list has no items")
	case p.version == "" || p.version == "0":
		return page{}, malformed("the list has no resource version")
	}
	return p, nil
}
