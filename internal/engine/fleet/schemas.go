// Package fleet knows what destinations serve.
//
// In go documents as an API server publishes them; out come structural types,
// read once per group version and again after a definition changed. The package
// polls nothing and applies nothing.
package fleet

import (
	"context"
	"fmt"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"

	core "github.com/plumbline-dev/plumbline/internal/core/schema"
)

// Documents reads the OpenAPI v3 document of a group version.
type Documents interface {
	Document(ctx context.Context, gv schema.GroupVersion) ([]byte, error)
}

// missingFor is how long the lack of a document is believed: a server publishes
// that of a new definition with a delay.
const missingFor = 2 * time.Second

// Schemas remembers the structural types of one destination.
type Schemas struct {
	documents Documents
	now       func() time.Time

	mu      sync.Mutex
	set     *core.Set
	read    map[schema.GroupVersion]bool
	missing map[schema.GroupVersion]time.Time
	reading map[schema.GroupVersion]chan struct{} // closed when that read is over
}

// NewSchemas returns an empty memory; now may be nil for time.Now.
func NewSchemas(documents Documents, now func() time.Time) *Schemas {
	if now == nil {
		now = time.Now
	}
	return &Schemas{
		documents: documents, now: now, set: &core.Set{},
		read: map[schema.GroupVersion]bool{}, missing: map[schema.GroupVersion]time.Time{},
		reading: map[schema.GroupVersion]chan struct{}{},
	}
}

// Get returns a set that knows gv, reading its document the first time. Callers
// who need the same document wait for one read; others do not wait for it.
func (s *Schemas) Get(ctx context.Context, gv schema.GroupVersion) (*core.Set, error) {
	for {
		s.mu.Lock()
		if at, ok := s.missing[gv]; s.read[gv] || ok && s.now().Sub(at) < missingFor {
			defer s.mu.Unlock()
			return s.set, nil
		}
		over, reading := s.reading[gv]
		if !reading {
			s.reading[gv] = make(chan struct{})
			s.mu.Unlock()
			return s.load(ctx, gv)
		}
		s.mu.Unlock()
		select {
		case <-over:
		case <-ctx.Done():
			return nil, fmt.Errorf("types of %s: %w", gv, ctx.Err())
		}
	}
}

// load reads a document for all who wait for it.
func (s *Schemas) load(ctx context.Context, gv schema.GroupVersion) (*core.Set, error) {
	doc, err := s.documents.Document(ctx, gv)
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.reading[gv])
	delete(s.reading, gv)
	if err != nil {
		s.missing[gv] = s.now()
		return nil, fmt.Errorf("types of %s: %w", gv, err)
	}
	set, err := s.set.With(gv, doc)
	if err != nil {
		s.missing[gv] = s.now()
		return nil, fmt.Errorf("types of %s: %w", gv, err)
	}
	s.set, s.read[gv] = set, true
	delete(s.missing, gv)
	return set, nil
}

// Forget drops what is known of a group, because one of its definitions changed.
func (s *Schemas) Forget(group string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for gv := range s.read {
		if gv.Group == group {
			s.set = s.set.Without(gv)
			delete(s.read, gv)
		}
	}
	for gv := range s.missing {
		if gv.Group == group {
			delete(s.missing, gv)
		}
	}
}
