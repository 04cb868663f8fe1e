package gitstore

import (
	"container/list"
	"sync"
)

// place is where an object lies; packs are never moved or reused.
type place struct {
	pack   *pack
	offset uint64
}

// content is an inflated object. Nobody may change the bytes of a shared one.
type content struct {
	kind     kind
	data     []byte
	verified bool // the id was compared with the bytes
	shared   bool // the cache has the bytes too
}

// lru remembers the objects used last, up to a number of bytes in all: trees and
// the bases of deltas, which are read again and again.
type lru struct {
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

func newLRU(limit int64) *lru {
	return &lru{limit: limit, recent: list.New(), at: map[place]*list.Element{}}
}

func (l *lru) get(at place) (content, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e, ok := l.at[at]
	if !ok {
		return content{}, false
	}
	l.recent.MoveToFront(e)
	c := e.Value.(*cached).content
	c.shared = true
	return c, true
}

func (l *lru) put(at place, c content) {
	cost := int64(len(c.data)) + cachedOverhead
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

func (l *lru) drop(e *list.Element) {
	c := l.recent.Remove(e).(*cached)
	delete(l.at, c.at)
	l.size -= int64(len(c.data)) + cachedOverhead
}

// forget drops everything that lies in a pack, so that its mapping can go.
func (l *lru) forget(p *pack) {
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
