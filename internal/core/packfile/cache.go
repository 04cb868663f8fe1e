package packfile

import (
	"container/list"
	"sync"

	"github.com/plumbline-dev/plumbline/internal/core/gitobject"
)

// place is where an object lies; packs are never moved or reused.
type place struct {
	pack   *Pack
	offset uint64
}

// content is an inflated object; once it is in the cache, nobody may change its
// bytes.
type content struct {
	gitobject.Object
	verified bool // the id was compared with the bytes
}

// Cache remembers the objects used last, up to a number of bytes in all: trees and
// the bases of deltas, which are read again and again. Any number of packs share
// one; it is safe for concurrent use.
type Cache struct {
	limit int64

	mu     sync.Mutex
	size   int64
	recent *list.List // of *cached, the newest first
	at     map[place]*list.Element
}

type cached struct {
	at place
	content
}

const cachedOverhead = 200 // bytes for an entry's bookkeeping

// NewCache returns an empty cache that takes at most limit bytes.
func NewCache(limit int64) *Cache {
	return &Cache{limit: limit, recent: list.New(), at: map[place]*list.Element{}}
}

func (l *Cache) get(at place) (content, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e, ok := l.at[at]
	if !ok {
		return content{}, false
	}
	l.recent.MoveToFront(e)
	c := e.Value.(*cached).content
	c.Shared = true
	return c, true
}

func (l *Cache) put(at place, c content) {
	cost := int64(len(c.Data)) + cachedOverhead
	if cost > l.limit/4 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if e, ok := l.at[at]; ok {
		e.Value.(*cached).verified = e.Value.(*cached).verified || c.verified
		return
	}
	l.at[at] = l.recent.PushFront(&cached{at, c})
	for l.size += cost; l.size > l.limit; {
		l.drop(l.recent.Back())
	}
}

func (l *Cache) drop(e *list.Element) {
	c := l.recent.Remove(e).(*cached)
	delete(l.at, c.at)
	l.size -= int64(len(c.Data)) + cachedOverhead
}

// Forget drops everything that lies in a pack, so that its mapping can go.
func (l *Cache) Forget(p *Pack) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for e := l.recent.Front(); e != nil; {
		next := e.Next()
		if e.Value.(*cached).at.pack == p {
			l.drop(e)
		}
		e = next
	}
}
