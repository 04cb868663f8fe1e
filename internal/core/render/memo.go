package render

import (
	"context"
	"errors"
	"fmt"
	"path"
	"sync"

	"github.com/plumbline-dev/plumbline/internal/core/source"
)

// Outcome says how a Memo came by a result.
type Outcome string

// The outcomes.
const (
	Remembered Outcome = "Remembered" // nothing that the render read has changed
	Rendered   Outcome = "Rendered"   // by this call
	Shared     Outcome = "Shared"     // by another call for the same request and tree at the same time
)

// Codec packs results for storage. Implementations are safe for concurrent use
// and Unpack(Pack(b)) returns b.
type Codec interface {
	Pack(data []byte) []byte
	Unpack(data []byte) ([]byte, error)
}

// MemoOptions tune a Memo. The zero value is ready to use.
type MemoOptions struct {
	Limit int64 // bytes kept; 0 means 64 MiB
	Codec Codec // nil stores results as they are
}

// A Memo remembers renders by what they read. A result is used again for any
// tree, of whatever revision, that would give the render the same answers.
//
// Errors are remembered like results, because a broken commit stays broken until
// something that the render read changes. Not remembered are impure results,
// StoppedErrors and whatever happened while the context ended.
//
// A Memo is safe for concurrent use. Results are decoded anew for every caller.
type Memo struct {
	codec Codec

	mu      sync.Mutex
	store   memoStore
	flights map[flightKey]*flight
	stats   Stats
}

// Stats counts what a Memo did and says what it holds.
type Stats struct {
	Hits      int64 // answered from memory
	Misses    int64 // rendered
	Shared    int64 // waited for another caller's render
	Impure    int64 // rendered and not remembered because impure
	Evictions int64 // forgotten to stay within the limit
	Entries   int
	Bytes     int64
}

// NewMemo returns an empty Memo.
func NewMemo(opts MemoOptions) *Memo {
	if opts.Limit == 0 {
		opts.Limit = 64 << 20
	}
	return &Memo{codec: opts.Codec, store: newMemoStore(opts.Limit), flights: map[flightKey]*flight{}}
}

// flightKey identifies a render that is under way.
type flightKey struct {
	key  Key
	tree string // id of the root
}

type flight struct {
	done   chan struct{}
	result Result
	err    error
}

// Render returns what r makes of req and tree, from memory if it can.
//
// Equal requests for equal trees that arrive while one is being rendered wait
// for it; if that one is cancelled, one of those waiting renders instead.
func (m *Memo) Render(ctx context.Context, req Request, tree source.Tree, r Renderer) (Result, Outcome, error) {
	req, err := req.Detect(tree) // so that the key covers what the files say about the tool
	if err != nil {
		return Result{}, Rendered, err
	}
	key := req.Key()
	for {
		if res, err, ok := m.recall(key, tree); ok {
			return res, Remembered, err
		}
		f, mine := m.board(key, tree)
		if mine {
			outcome := Remembered // by a flight that landed in between
			if res, err, ok := m.recall(key, tree); ok {
				f.result, f.err = res, err
			} else {
				f.result, f.err = m.render(ctx, req, tree, r)
				outcome = Rendered
			}
			m.land(key, tree, f)
			return f.result, outcome, f.err
		}
		select {
		case <-ctx.Done():
			return Result{}, Shared, context.Cause(ctx)
		case <-f.done:
		}
		if transient(f.err) {
			continue
		}
		m.count(func(s *Stats) { s.Shared++ })
		return f.result, Shared, f.err
	}
}

// A Mark stands for what a request rendered to, so that it can be told in a
// microsecond or two whether it renders to the same on another tree. The zero Mark
// stands for nothing.
type Mark struct {
	key    Key
	path   string
	found  Tool   // by the files of the directory; empty: asked for by name
	scope  string // id of the directory
	digest string // of the result
	within bool   // nothing outside the directory was read
}

// Within returns the link-free directory which alone decides what comes of a mark's
// request, and false if there is more to it.
func (m Mark) Within() (dir string, ok bool) { return m.path, m.within }

// Mark returns the mark of a request that rendered to result on tree; the zero Mark
// if that is not remembered, or the request was made for this revision alone.
func (m *Memo) Mark(req Request, result Result, tree source.Tree) Mark {
	if req.Pinned || req.Tool == "" && len(req.Rules)+len(req.Off) > 0 { // what they make of a directory is not told cheaply
		return Mark{}
	}
	mark := Mark{digest: result.Digest}
	if req.Tool == "" {
		req.Tool, mark.found = result.Tool, result.Tool
	}
	mark.key = req.Key()
	e := m.find(mark.key, tree)
	dir, err := CleanPath(req.Path)
	if err != nil || e == nil {
		return Mark{}
	}
	if mark.scope, err = tree.ID(dir); err != nil {
		return Mark{}
	}
	mark.path, mark.within = dir, e.footprint.Scope() == dir
	return mark
}

// Same reports whether it is remembered that what a mark stands for renders to the
// same on tree. It decodes nothing, and reads no more of tree than ids where the
// directory is the same one.
func (m *Memo) Same(mark Mark, tree source.Tree) bool {
	if mark == (Mark{}) {
		return false
	}
	if mark.found != "" {
		if id, err := tree.ID(mark.path); err != nil || id != mark.scope {
			if tool, err := Detect(tree, mark.path); err != nil || tool != mark.found {
				return false
			}
		}
	}
	e := m.find(mark.key, tree)
	return e != nil && e.err == nil && e.digest == mark.digest
}

// Stats returns the counters up to now.
func (m *Memo) Stats() Stats {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.stats
	s.Entries, s.Bytes, s.Evictions = m.store.len(), m.store.bytes, m.store.evictions
	return s
}

// recall looks for an entry that holds for tree. An entry that turns out to be
// damaged counts as none.
func (m *Memo) recall(key Key, tree source.Tree) (Result, error, bool) {
	e := m.find(key, tree)
	if e == nil {
		return Result{}, nil, false
	}
	if e.err != nil {
		m.count(func(s *Stats) { s.Hits++ })
		return Result{}, atRevision(e.err, tree.Revision()), true
	}
	res, err := m.unpack(e)
	if err != nil {
		return Result{}, nil, false
	}
	m.count(func(s *Stats) { s.Hits++ })
	return res, nil, true
}

// find compares footprints without holding the lock: they read from the tree.
func (m *Memo) find(key Key, tree source.Tree) *entry {
	m.mu.Lock()
	candidates := m.store.entries(key)
	m.mu.Unlock()
	for _, e := range candidates {
		if e.footprint.Holds(tree) {
			m.mu.Lock()
			m.store.touch(e)
			m.mu.Unlock()
			return e
		}
	}
	return nil
}

// board joins the render of key and tree that is under way or begins one.
func (m *Memo) board(key Key, tree source.Tree) (f *flight, mine bool) {
	f = &flight{done: make(chan struct{})}
	id, err := tree.ID(".")
	if err != nil {
		return f, true
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if other, has := m.flights[flightKey{key, id}]; has {
		return other, false
	}
	m.flights[flightKey{key, id}] = f
	return f, true
}

func (m *Memo) land(key Key, tree source.Tree, f *flight) {
	if id, err := tree.ID("."); err == nil {
		m.mu.Lock()
		if m.flights[flightKey{key, id}] == f {
			delete(m.flights, flightKey{key, id})
		}
		m.mu.Unlock()
	}
	close(f.done)
}

func (m *Memo) render(ctx context.Context, req Request, tree source.Tree, r Renderer) (res Result, err error) {
	defer func() {
		if p := recover(); p != nil {
			res, err = Result{}, &StoppedError{Cause: fmt.Sprintf("of path %q crashed: %v", req.Path, p)}
		}
	}()
	scope, err := CleanPath(req.Path)
	if err != nil {
		return Result{}, err
	}
	m.count(func(s *Stats) { s.Misses++ })
	recorder := source.Record(tree, scope)
	for _, name := range req.Heeds {
		_, _ = recorder.ReadFile(path.Join(scope, name)) // for the record
	}
	res, err = r.Render(ctx, req, recorder)
	if err == nil && res.Digest == "" {
		res.Digest = Digest(res.Manifests)
	}
	if res.Impure != "" {
		m.count(func(s *Stats) { s.Impure++ })
		return res, err
	}
	footprint := recorder.Footprint()
	if ctx.Err() != nil || transient(err) || footprint == (source.Footprint{}) {
		return res, err
	}
	e := &entry{key: req.Key(), footprint: footprint, err: err, digest: res.Digest}
	if err == nil {
		var packErr error
		if e.packed, packErr = m.pack(res); packErr != nil {
			return res, nil // usable now, but not to be kept
		}
	}
	m.mu.Lock()
	m.store.add(e)
	m.mu.Unlock()
	return res, err
}

func (m *Memo) count(f func(*Stats)) {
	m.mu.Lock()
	f(&m.stats)
	m.mu.Unlock()
}

// transient reports errors that another attempt may not meet.
func transient(err error) bool {
	if err == nil {
		return false
	}
	if _, stopped := errors.AsType[*StoppedError](err); stopped {
		return true
	}
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// atRevision corrects the revision in an error remembered from another one.
func atRevision(err error, rev source.Revision) error {
	if bad, ok := err.(*PathError); ok && bad.Revision != rev {
		moved := *bad
		moved.Revision = rev
		return &moved
	}
	return err
}
