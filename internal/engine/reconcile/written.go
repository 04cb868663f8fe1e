package reconcile

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/plumbline-dev/plumbline/internal/core/app"
)

// errBehind says that the cache has not seen our own last write yet.
var errBehind = errors.New("the cache is behind our last write")

// catchUp is when to look again for it.
const catchUp = 20 * time.Millisecond

// written remembers the resource versions of our own status writes, so that a
// cache which has not seen them yet is not mistaken for the truth.
type written struct {
	mu       sync.Mutex
	versions map[app.ID]int64
}

// note remembers a write.
func (w *written) note(id app.ID, obj client.Object) {
	version, err := strconv.ParseInt(obj.GetResourceVersion(), 10, 64)
	if err != nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.versions == nil {
		w.versions = map[app.ID]int64{}
	}
	w.versions[id] = version
}

// arrivals notes how the objects of a list that came from elsewhere stand now, as
// read past the cache.
func (w *written) arrivals(ctx context.Context, reader client.Reader, list *metav1.PartialObjectMetadataList, id func(namespace, name string) (app.ID, bool), in ...client.ListOption) ([]app.ID, error) {
	var ids []app.ID
	for {
		if err := reader.List(ctx, list, append(slices.Clone(in), client.Limit(arrivalPage), client.Continue(list.Continue))...); err != nil {
			return nil, err
		}
		for i := range list.Items {
			obj := &list.Items[i]
			if id, ok := id(obj.Namespace, obj.Name); ok {
				w.note(id, obj)
				ids = append(ids, id)
			}
		}
		if list.Continue == "" {
			return ids, nil
		}
	}
}

// arrivalPage is how many objects are asked for at once.
const arrivalPage = 500

// behind reports whether obj, read from a cache, is older than our last write.
func (w *written) behind(id app.ID, obj client.Object) bool {
	version, err := strconv.ParseInt(obj.GetResourceVersion(), 10, 64)
	w.mu.Lock()
	defer w.mu.Unlock()
	last, ok := w.versions[id]
	if !ok || err != nil {
		return false
	}
	if version >= last {
		delete(w.versions, id)
		return false
	}
	return true
}

// forget drops what is remembered of an object that is gone.
func (w *written) forget(id app.ID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.versions, id)
}
