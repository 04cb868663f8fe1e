package livestate

import (
	"context"
	"io"
	"strconv"

	"github.com/plumbline-dev/plumbline/internal/core/listwatch"
	"github.com/plumbline-dev/plumbline/internal/core/rawjson"
)

// list receives the initial state page by page, for servers that do not stream
// it. When any page is missing, nothing that is stored changes.
func (w *watch) list(ctx context.Context) (listwatch.Version, error) {
	w.staged = map[listwatch.Name]*record{}
	next, at := "", ""
	for {
		page, err := w.page(ctx, next)
		if err != nil {
			return listwatch.Version{}, err
		}
		if at == "" {
			at = page.Version
		}
		var bad error
		rawjson.Elements(page.Items, func(raw []byte) bool {
			bad = w.changed(raw)
			return bad == nil
		})
		if bad != nil {
			return listwatch.Version{}, bad
		}
		if next = page.Next; next == "" {
			break
		}
	}
	resume := listwatch.ParseVersion(at)
	return resume, w.commit(resume)
}

func (w *watch) page(ctx context.Context, next string) (listwatch.Page, error) {
	guard, ctx := newWatchdog(ctx, w.state.cfg.Stall)
	defer guard.stop()
	params := map[string]string{"limit": strconv.Itoa(w.state.cfg.PageSize)}
	if next != "" {
		params["continue"] = next
	}
	body, err := w.open(ctx, params)
	if err != nil {
		return listwatch.Page{}, guard.explain(err)
	}
	defer body.Close()
	data, err := io.ReadAll(io.LimitReader(guard.reader(body), listwatch.PageLimit+1))
	if err != nil {
		return listwatch.Page{}, guard.explain(&listwatch.StreamError{Cause: err})
	}
	return listwatch.ReadPage(data)
}
