package reconcile

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/plumbline-dev/plumbline/internal/core/app"
	"github.com/plumbline-dev/plumbline/internal/core/gate"
	"github.com/plumbline-dev/plumbline/internal/core/plan"
	"github.com/plumbline-dev/plumbline/internal/core/source"
)

// mutes are the applications that cannot say what they declare, with what their
// files mention. It is safe for concurrent use.
type mutes struct {
	mu   sync.Mutex
	list map[app.ID]mute
}

type mute struct {
	source   string // app.Application.Declared
	revision string
	urls     []string        // of the repositories
	mentions []gate.Mentions // of each
}

// heard notes that an application can say what it declares, or that it is gone.
func (m *mutes) heard(id app.ID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.list, id)
}

// mentions returns what others out of the repository of an application mention of
// its leftovers.
func (m *mutes) mentions(of app.Application, leftovers []plan.Leftover) []gate.Mention {
	m.mu.Lock()
	defer m.mu.Unlock()
	var found []gate.Mention
	for other, mute := range m.list {
		for i, mentions := range mute.mentions {
			if other == of.ID || !slices.ContainsFunc(of.Sources, func(from app.Source) bool { return source.NormalizeURL(from.URL) == mute.urls[i] }) {
				continue
			}
			for _, l := range leftovers {
				if file, ok := mentions.Of(l.Entry.Key); ok {
					found = append(found, gate.Mention{Of: l.Entry.Key, By: other, File: file})
				}
			}
		}
	}
	return found
}

// mentions reads as mere text what does not render at a revision. Where that
// cannot be read either, it is not said yet what the application declares.
func (s *session) mentions(ctx context.Context, rev source.Revision) {
	m := &s.mute
	m.mu.Lock()
	known, ok := m.list[s.app.ID]
	m.mu.Unlock()
	if ok && known.revision == rev.ID && known.source == s.app.Declared {
		return
	}
	trees, err := s.trees(ctx, rev)
	if err != nil {
		s.unsaid = true // what was known before stands
		s.again(10 * time.Second)
		return
	}
	now := mute{source: s.app.Declared, revision: rev.ID}
	for i, from := range s.app.Sources {
		now.urls = append(now.urls, source.NormalizeURL(from.URL))
		now.mentions = append(now.mentions, gate.MentionsOf(trees[i], from.Render.Path, s.app.Target.Namespace))
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.list == nil {
		m.list = map[app.ID]mute{}
	}
	m.list[s.app.ID] = now
}
