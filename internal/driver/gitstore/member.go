package gitstore

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/plumbline-dev/plumbline/internal/core/gitremote"
	"github.com/plumbline-dev/plumbline/internal/core/source"
)

// member is one set of credentials for a repository, and what they opened.
type member struct {
	repo    *repo
	remote  gitremote.Remote
	address gitremote.Address

	mu       sync.Mutex
	extra    map[string]bool // references wanted beside branches and tags
	refs     source.Refs     // of the last successful fetch; nil if there was none
	moved    string          // where the address redirects to, if it does
	headless bool            // the remote's HEAD points nowhere
	flight   *flight         // the fetch under way

	traced string // see trace; used by whoever has the turn
}

func (p *repo) member(r gitremote.Remote, a gitremote.Address) *member {
	key := r.Identity(p.store.secret)
	p.mu.Lock()
	defer p.mu.Unlock()
	m, ok := p.members[key]
	if !ok {
		m = &member{repo: p, remote: r, address: a, extra: map[string]bool{}}
		p.members[key] = m
	}
	return m
}

func (m *member) last() (source.Refs, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.refs, m.refs != nil
}

// proven makes sure that these credentials opened the repository once.
func (m *member) proven(ctx context.Context) error {
	if _, ok := m.last(); ok {
		return nil
	}
	_, err := m.fetch(ctx, nil)
	if _, ok := m.last(); ok && err != nil { // restored: see recall
		return nil
	}
	return err
}

// flight is a fetch that several callers wait for. It ends early when all of them
// have left.
type flight struct {
	extra   []string
	done    chan struct{}
	cancel  context.CancelCauseFunc
	waiters int // guarded by member.mu

	refs source.Refs
	err  error
}

var errNobodyWaits = errors.New("nobody waits for the fetch any more")

// fetch joins the fetch under way, if that one brings what is wanted, or starts
// one.
func (m *member) fetch(ctx context.Context, extra []string) (source.Refs, error) {
	for {
		f, err := m.board(extra)
		if err != nil {
			return nil, err
		}
		select {
		case <-f.done:
		case <-ctx.Done():
			m.leave(f)
			return nil, gitremote.Failed(m.remote, gitremote.FailedTimeout, context.Cause(ctx).Error(), context.Cause(ctx))
		}
		if f.covers(extra) {
			return f.refs, f.err
		}
	}
}

func (f *flight) covers(extra []string) bool {
	return !slices.ContainsFunc(extra, func(name string) bool { return !slices.Contains(f.extra, name) })
}

func (m *member) board(extra []string) (*flight, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, name := range extra {
		m.extra[name] = true
	}
	if m.flight != nil {
		m.flight.waiters++
		return m.flight, nil
	}
	if err := m.repo.store.begin(); err != nil {
		return nil, err
	}
	f := &flight{done: make(chan struct{}), waiters: 1}
	for name := range m.extra {
		f.extra = append(f.extra, name)
	}
	var ctx context.Context
	ctx, f.cancel = context.WithCancelCause(m.repo.store.life)
	m.flight = f
	go m.fly(ctx, f)
	return f, nil
}

func (m *member) leave(f *flight) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if f.waiters--; f.waiters > 0 {
		return
	}
	f.cancel(errNobodyWaits)
	if m.flight == f { // a newcomer must not board what is about to fail
		m.flight = nil
	}
}

// fly runs the fetch, tells all who wait, and then tidies up.
func (m *member) fly(ctx context.Context, f *flight) {
	defer m.repo.store.tasks.Done()
	defer f.cancel(nil)
	if err := m.repo.acquire(ctx); err != nil {
		f.err = gitremote.Failed(m.remote, gitremote.FailedTimeout, err.Error(), err)
		m.land(f)
		return
	}
	defer m.repo.release()
	m.repo.renew()
	f.refs, f.err = m.update(ctx, f.extra)
	if m.repo.isDamaged(f.err) && m.repo.renew() {
		f.refs, f.err = m.update(ctx, f.extra)
	}
	m.remember(f.err, f.extra)
	m.land(f)
	if f.err == nil {
		m.repo.maintain(m.repo.store.life)
	}
}

func (m *member) land(f *flight) {
	m.mu.Lock()
	if f.err == nil {
		m.refs = f.refs
	}
	if m.flight == f {
		m.flight = nil
	}
	m.mu.Unlock()
	close(f.done)
}
