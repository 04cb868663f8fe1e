// Package refresh keeps the references of remote repositories known.
//
// In go repositories and who reads from them; out come the newest references,
// and a call for each reader whose revision has become another one. Each
// repository is polled once for all of its readers. The package fetches nothing
// itself: a Repositories port does. It never deletes what it knew: while a
// remote cannot be reached, its last references stand.
package refresh

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/plumbline-dev/plumbline/internal/core/app"
	"github.com/plumbline-dev/plumbline/internal/core/signature"
	"github.com/plumbline-dev/plumbline/internal/core/source"
)

// Remote is a repository and the credentials to open it with.
type Remote struct {
	URL         string
	Credentials app.Credentials
	Packages    bool   // it is a repository of charts or artifacts rather than of Git
	Chart       string // of which a tree is asked for; empty: an artifact, or Git
}

// Repositories moves and reads Git objects and packages. Implementations are safe for
// concurrent use and make one request of simultaneous equal ones.
type Repositories interface {
	// Fetch brings the objects of all branches and tags, and of the further
	// references named in full, and returns what they stand for. Of packages, see
	// source.Package, it brings nothing, and returns what the further ones stand for.
	Fetch(ctx context.Context, remote Remote, further []string) (source.Refs, error)
	// Tree reads a revision, fetching it by its id when it is not there yet.
	Tree(ctx context.Context, remote Remote, rev source.Revision) (source.Tree, error)
	// Complete returns the full form of an abbreviated commit id.
	Complete(ctx context.Context, remote Remote, id string) (string, error)
	// History reads commits and tags that are there; nil for packages, which have none.
	History(remote Remote) signature.History
}

// Keys looks up credentials: those of the named Secret, or those registered
// for the URL when secret is nil.
type Keys interface {
	Credentials(ctx context.Context, url string, secret *app.SecretRef) (app.Credentials, error)
	// Named returns the URL of the repository that is registered under a name.
	Named(ctx context.Context, name string) (string, error)
}

// Want is what a reader needs of a repository.
type Want struct {
	URL      string
	Secret   *app.SecretRef
	Ref      source.Ref
	Interval time.Duration // between polls; the shortest of all readers counts; 0 means Options.Interval
	Timeout  time.Duration // of one fetch; 0: as long as the server keeps sending
}

// Seen is what is known for a reader.
type Seen struct {
	Revision source.Revision // zero: none yet
	Err      error           // of the last fetch, or of resolving the reference
	Polls    int64           // completed since the start; 0: not asked yet
	At       time.Time       // of the last success
}

// Options tune a Poller. The zero value works.
type Options struct {
	Interval time.Duration // between polls of one repository; 0 means 2m
	Parallel int           // fetches at once; 0 means 8
	Logger   *slog.Logger

	// Trace is told of each fetch, and ended by the function it returns. The
	// context carries what caused the fetch on to News.Cause. Nil: nobody follows.
	Trace func(ctx context.Context, what, repository string) (context.Context, func(error))
}

// Poller watches repositories. Create one with New and start it with Run.
type Poller struct {
	repos  Repositories
	keys   Keys
	opts   Options
	notify func([]News)
	slots  chan struct{}

	mu      sync.Mutex
	ctx     context.Context // of Run; nil before
	remotes map[remoteKey]*remote
	readers map[app.ID][]*remote // one for each thing that a reader wants
	charts  map[string]resolved  // of dependencies
	loops   sync.WaitGroup
}

// part is one of the things that a reader wants.
type part struct {
	reader app.ID
	number int // from 0
}

type remoteKey struct {
	url      string
	packages bool
	secret   app.SecretRef
}

// News is what a poll found out for one reader.
type News struct {
	Reader   app.ID
	Revision source.Revision // newest of all that it wants, joined; zero when one is not known
	Asked    bool            // the reader asked for the poll, or has an error to look at
	Cause    context.Context // of the poll, for those who follow causes; nil: nobody does
}

// Caused returns ctx with what cause carries; nil carries nothing.
func Caused(ctx, cause context.Context) context.Context {
	if cause == nil {
		return ctx
	}
	return caused{Context: ctx, cause: cause}
}

type caused struct {
	context.Context
	cause context.Context
}

// Value prefers what the cause carries.
func (c caused) Value(key any) any {
	if v := c.cause.Value(key); v != nil {
		return v
	}
	return c.Context.Value(key)
}

// New returns a Poller that calls notify, from its own goroutines and without
// holding a lock, once for each poll with all readers for whom something is
// new: another revision, an error that came or went, or a poll they asked for.
func New(repos Repositories, keys Keys, opts Options, notify func([]News)) *Poller {
	if opts.Interval <= 0 {
		opts.Interval = 2 * time.Minute
	}
	if opts.Parallel <= 0 {
		opts.Parallel = 8
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	return &Poller{
		repos: repos, keys: keys, opts: opts, notify: notify,
		slots:   make(chan struct{}, opts.Parallel),
		remotes: map[remoteKey]*remote{},
		readers: map[app.ID][]*remote{},
	}
}

// Run polls until ctx ends and returns when every fetch has stopped.
func (p *Poller) Run(ctx context.Context) error {
	p.mu.Lock()
	p.ctx = ctx
	for _, r := range p.remotes {
		p.start(r)
	}
	p.mu.Unlock()
	<-ctx.Done()
	p.loops.Wait()
	return nil
}

// start begins the loop of r; p.mu is held.
func (p *Poller) start(r *remote) {
	if p.ctx == nil || r.stop != nil {
		return
	}
	ctx, stop := context.WithCancel(p.ctx)
	r.stop = stop
	p.loops.Go(func() { p.loop(ctx, r) })
}

// Read declares what reader needs, in place of what it needed before, and
// returns what is known of each. The first reader of a repository starts its
// polling.
func (p *Poller) Read(reader app.ID, wants ...Want) []Seen {
	p.mu.Lock()
	defer p.mu.Unlock()
	before := p.readers[reader]
	now, seen := make([]*remote, len(wants)), make([]Seen, len(wants))
	for i, want := range wants {
		now[i] = p.remoteOf(want)
		if i < len(before) && before[i] != now[i] {
			p.leave(part{reader, i}, before[i])
		}
		seen[i] = now[i].read(part{reader, i}, want)
	}
	for i := len(now); i < len(before); i++ {
		p.leave(part{reader, i}, before[i])
	}
	if !slices.Equal(before, now) {
		p.readers[reader] = now
	}
	return seen
}

// remoteOf returns the remote that a want is of, and begins to poll it if nobody
// did; p.mu is held.
func (p *Poller) remoteOf(want Want) *remote {
	key := remoteKey{url: source.NormalizeURL(want.URL), packages: want.Ref.Packaged()}
	if want.Secret != nil {
		key.secret = *want.Secret
	}
	r := p.remotes[key]
	if r == nil {
		r = newRemote(key, want.URL)
		p.remotes[key] = r
		p.start(r)
	}
	return r
}

// Forget ends what reader needed; a repository without readers is not polled.
func (p *Poller) Forget(reader app.ID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, r := range p.readers[reader] {
		p.leave(part{reader, i}, r)
	}
	delete(p.readers, reader)
}

// leave removes what a reader wanted from r, and r itself with the last; p.mu is
// held.
func (p *Poller) leave(wanted part, r *remote) {
	delete(r.wants, wanted)
	delete(r.tickets, wanted)
	if len(r.wants) > 0 {
		return
	}
	delete(p.remotes, r.key)
	if r.stop != nil {
		r.stop()
	}
}

// Now asks for a poll at once and returns, for each thing that reader wants, the
// number of polls after which its answer is in: reader is notified then, whatever
// the answer.
func (p *Poller) Now(reader app.ID) []int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	remotes := p.readers[reader]
	polls := make([]int64, len(remotes))
	for i, r := range remotes {
		r.waiting[part{reader, i}] = true
		polls[i] = r.hurry()
	}
	return polls
}

// Answer is Now, of the first thing that reader wants, for a request that carries
// a token: asking again with the same token starts no further poll and returns the
// same number.
func (p *Poller) Answer(reader app.ID, token string) int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	remotes, first := p.readers[reader], part{reader: reader}
	if len(remotes) == 0 {
		return 0
	}
	r := remotes[0]
	if r.tickets[first].token == token {
		return r.tickets[first].poll
	}
	r.waiting[first] = true
	poll := r.hurry()
	r.tickets[first] = ticket{token: token, poll: poll}
	return poll
}

// Pushed asks for a poll of every repository that one of the URLs names, as a
// webhook does. It returns how many there are.
func (p *Poller) Pushed(ctx context.Context, urls ...string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	named := map[string]bool{}
	for _, u := range urls {
		named[source.NormalizeURL(u)] = true
	}
	n := 0
	for key, r := range p.remotes {
		if named[key.url] {
			if p.opts.Trace != nil {
				r.cause = context.WithoutCancel(ctx)
			}
			r.hurry()
			n++
		}
	}
	return n
}

// ErrUnread says that nobody has said yet, or not any more, what a reader reads.
var ErrUnread = errors.New("no repository is known")

// Tree returns the files of a revision of the thing of the given number that
// reader wants. It fails with ErrUnread when Read was not called for it.
func (p *Poller) Tree(ctx context.Context, reader app.ID, number int, rev source.Revision) (source.Tree, error) {
	remote, err := p.wanted(ctx, reader, number)
	if err != nil {
		return nil, err
	}
	return p.repos.Tree(ctx, remote, rev)
}

// History returns the commits and tags of the thing of the given number that reader
// wants, and nil if that has none. It fails with ErrUnread when Read was not called for it.
func (p *Poller) History(ctx context.Context, reader app.ID, number int) (signature.History, error) {
	remote, err := p.wanted(ctx, reader, number)
	if err != nil {
		return nil, err
	}
	return p.repos.History(remote), nil
}

// wanted returns the remote of the thing of the given number that reader wants.
func (p *Poller) wanted(ctx context.Context, reader app.ID, number int) (Remote, error) {
	p.mu.Lock()
	remotes := p.readers[reader]
	var ref source.Ref
	if number < len(remotes) {
		ref = remotes[number].wants[part{reader, number}].Ref
	}
	p.mu.Unlock()
	if number >= len(remotes) {
		return Remote{}, fmt.Errorf("%w for %s", ErrUnread, reader)
	}
	remote, err := p.remote(ctx, remotes[number])
	remote.Chart, remote.Credentials.PassCredentials = ref.Chart, ref.PassCredentials
	return remote, err
}

// newest joins what is known of all that a reader wants; p.mu is held.
func (p *Poller) newest(reader app.ID) source.Revision {
	remotes := p.readers[reader]
	parts := make([]source.Revision, len(remotes))
	for i, r := range remotes {
		parts[i] = r.seen(r.wants[part{reader, i}]).Revision
		if parts[i].ID == "" {
			return source.Revision{}
		}
	}
	return source.Join(parts)
}

// Ages returns for each repository the time since its last successful poll,
// by redacted URL; those that never answered are left out, and those that are
// polled by another replica.
func (p *Poller) Ages(now time.Time) map[string]time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	ages := make(map[string]time.Duration, len(p.remotes))
	for _, r := range p.remotes {
		if !r.at.IsZero() && r.wait(p.opts.Interval) < Followed {
			ages[source.Redact(r.url)] = now.Sub(r.at)
		}
	}
	return ages
}
