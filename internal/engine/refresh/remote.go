package refresh

import (
	"context"
	"errors"
	"hash/fnv"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/plumbline-dev/plumbline/internal/core/app"
	"github.com/plumbline-dev/plumbline/internal/core/condition"
	"github.com/plumbline-dev/plumbline/internal/core/source"
)

// remote is one repository. Its fields but key and url are guarded by Poller.mu.
type remote struct {
	key  remoteKey
	url  string // as the first reader wrote it
	stop context.CancelFunc
	poke chan struct{} // capacity 1: poll now

	wants   map[part]Want
	told    map[part]Seen // what each reader was last told
	waiting map[part]bool // of readers that asked for a poll
	tickets map[part]ticket

	refs        source.Refs
	err         error
	at          time.Time
	started     int64           // polls begun
	cause       context.Context // of the next poll; nil: its time has come, or nobody follows causes
	polls       int64           // polls completed
	fails       int             // in a row
	credentials *app.Credentials
	full        map[string]string // abbreviated commit ids that were looked up

	asked map[string]bool // what the last poll asked for beside branches and tags
	got   map[string]bool // what the last one asked for that succeeded: refs has the answers
}

// ticket is the poll that answers a request.
type ticket struct {
	token string
	poll  int64
}

func newRemote(key remoteKey, url string) *remote {
	return &remote{
		key: key, url: url, poke: make(chan struct{}, 1),
		wants: map[part]Want{}, told: map[part]Seen{}, waiting: map[part]bool{}, tickets: map[part]ticket{}, full: map[string]string{},
	}
}

// read returns what is known for a reader and remembers that it was told.
func (r *remote) read(wanted part, want Want) Seen {
	before, known := r.wants[wanted]
	r.wants[wanted] = want
	seen := r.seen(want)
	if r.polls > 0 && (!known || before.Ref != want.Ref) && (r.lacks(want.Ref) || abbreviation(want.Ref, r.refs) != "") {
		r.hurry() // it asks for more than branches and tags
	}
	r.told[wanted] = seen
	return seen
}

// lacks reports whether the last poll did not ask for all that ref needs.
func (r *remote) lacks(ref source.Ref) bool { return !holds(r.asked, ref.Needs()) }

func holds(set map[string]bool, names []string) bool {
	return !slices.ContainsFunc(names, func(name string) bool { return !set[name] })
}

// seen returns what is known for a want. A package that no poll has asked for yet has
// had no poll: that there is nothing of it says nothing about the repository.
func (r *remote) seen(want Want) Seen {
	seen := Seen{Polls: r.polls, At: r.at, Err: r.err}
	if want.Ref.Packaged() && r.lacks(want.Ref) {
		return Seen{At: r.at}
	}
	if r.refs == nil || want.Ref.Packaged() && !holds(r.got, want.Ref.Needs()) {
		return seen
	}
	rev, err := want.Ref.Resolve(r.refs)
	if id, ok := r.full[abbreviation(want.Ref, r.refs)]; err != nil && ok {
		rev, err = source.Revision{ID: id}, nil
	}
	if err != nil {
		seen.Err = condition.Because(condition.SourceFailed, errors.Join(r.err, err))
		return seen
	}
	seen.Revision = rev
	return seen
}

// abbreviation returns the abbreviated commit id that ref turns out to be, or "".
func abbreviation(ref source.Ref, refs source.Refs) string {
	_, err := ref.Resolve(refs)
	if unresolved := (*source.UnresolvedError)(nil); errors.As(err, &unresolved) {
		return unresolved.Abbreviated
	}
	return ""
}

// hurry asks the loop to poll at once and returns the number of that poll.
func (r *remote) hurry() int64 {
	select {
	case r.poke <- struct{}{}:
	default:
	}
	return r.started + 1
}

func (p *Poller) loop(ctx context.Context, r *remote) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-r.poke:
		}
		p.poll(ctx, r)
		p.mu.Lock()
		wait := r.wait(p.opts.Interval)
		p.mu.Unlock()
		timer.Reset(wait)
	}
}

// wait is the pause before the next poll: the shortest interval asked for, and
// after failures at most that, from one second doubling.
func (r *remote) wait(otherwise time.Duration) time.Duration {
	interval := time.Duration(0)
	for _, want := range r.wants {
		each := want.Interval
		if each <= 0 {
			each = otherwise
		}
		if interval == 0 || each < interval {
			interval = each
		}
	}
	if r.fails == 0 {
		return interval + r.jitter(interval)
	}
	return min(interval, time.Second<<min(r.fails-1, 10))
}

// jitter spreads the polls of packages, of which one server often has many repositories,
// over a quarter of the interval: of each repository by another part of it, and each
// time by another one.
func (r *remote) jitter(interval time.Duration) time.Duration {
	if !r.key.packages || interval >= Followed {
		return 0
	}
	h := fnv.New32a()
	h.Write([]byte(r.key.url + " " + strconv.FormatInt(r.polls, 10)))
	return interval / 4 / 1000 * time.Duration(h.Sum32()%1000)
}

// poll fetches once and tells the readers for whom something changed.
func (p *Poller) poll(ctx context.Context, r *remote) {
	select {
	case p.slots <- struct{}{}:
		defer func() { <-p.slots }()
	case <-ctx.Done():
		return
	}
	p.mu.Lock()
	r.started++
	select {
	case <-r.poke: // this poll answers it
	default:
	}
	timeout := r.timeout()
	cause := r.cause
	r.cause = nil
	p.mu.Unlock()
	ctx, end := p.trace(Caused(ctx, cause), r)
	fetchCtx, cancel := ctx, context.CancelFunc(func() {})
	if timeout > 0 {
		fetchCtx, cancel = context.WithTimeout(ctx, timeout)
	}
	defer cancel()
	found, err := p.fetch(fetchCtx, r)
	end(err)
	if ctx.Err() != nil {
		return
	}
	if err != nil {
		p.opts.Logger.Warn("fetch failed", "repository", source.Redact(r.url), "err", err)
	}
	if news := p.conclude(r, found, err); len(news) > 0 {
		for i := range news {
			if p.opts.Trace != nil {
				news[i].Cause = context.WithoutCancel(ctx)
			}
		}
		p.notify(news)
	}
}

// trace begins what Options.Trace follows.
func (p *Poller) trace(ctx context.Context, r *remote) (context.Context, func(error)) {
	if p.opts.Trace == nil {
		return ctx, func(error) {}
	}
	return p.opts.Trace(ctx, "fetch", source.Redact(r.url))
}

// timeout is the longest that a reader grants a fetch; 0 when one sets no bound.
func (r *remote) timeout() time.Duration {
	longest := time.Duration(0)
	for _, want := range r.wants {
		if want.Timeout == 0 {
			return 0
		}
		longest = max(longest, want.Timeout)
	}
	return longest
}

// answer is what a poll asked for, and what it found out.
type answer struct {
	needs []string
	refs  source.Refs
	full  map[string]string
}

// fetch gets the references and completes the abbreviated ids that readers ask
// for. Credentials are looked up again when those in use were refused.
func (p *Poller) fetch(ctx context.Context, r *remote) (answer, error) {
	found := answer{needs: p.needs(r)}
	remote, err := p.remote(ctx, r)
	if err != nil {
		return found, err
	}
	found.refs, err = p.repos.Fetch(ctx, remote, found.needs)
	if err != nil {
		p.mu.Lock()
		r.credentials = nil
		p.mu.Unlock()
		return found, condition.Because(condition.SourceFailed, err)
	}
	found.full = p.complete(ctx, r, remote, found.refs)
	return found, nil
}

// complete looks up the abbreviated ids that readers ask for. One that was found
// before stands when it cannot be looked up now.
func (p *Poller) complete(ctx context.Context, r *remote, remote Remote, refs source.Refs) map[string]string {
	p.mu.Lock()
	before := r.full // replaced by conclude, never changed
	p.mu.Unlock()
	full := map[string]string{}
	for _, short := range p.abbreviations(r, refs) {
		id, err := p.repos.Complete(ctx, remote, short)
		if err != nil {
			id = before[short]
		}
		if id != "" {
			full[short] = id
		}
	}
	return full
}

// needs lists the references beside branches and tags that readers ask for.
func (p *Poller) needs(r *remote) []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var names []string
	for _, want := range r.wants {
		names = append(names, want.Ref.Needs()...)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func (p *Poller) abbreviations(r *remote, refs source.Refs) []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var list []string
	looked := map[source.Ref]bool{}
	for _, want := range r.wants {
		if looked[want.Ref] {
			continue
		}
		looked[want.Ref] = true
		if short := abbreviation(want.Ref, refs); short != "" {
			list = append(list, short)
		}
	}
	return list
}

func (p *Poller) remote(ctx context.Context, r *remote) (Remote, error) {
	p.mu.Lock()
	known := r.credentials
	p.mu.Unlock()
	if known != nil {
		return Remote{URL: r.url, Credentials: *known, Packages: r.key.packages}, nil
	}
	var secret *app.SecretRef
	if r.key.secret != (app.SecretRef{}) {
		secret = &r.key.secret
	}
	found, err := p.keys.Credentials(ctx, r.url, secret)
	if err != nil {
		return Remote{}, condition.Because(condition.SourceFailed, err)
	}
	p.mu.Lock()
	r.credentials = &found
	p.mu.Unlock()
	return Remote{URL: r.url, Credentials: found, Packages: r.key.packages}, nil
}

// Renew forgets the credentials in use, so that the next poll looks them up again.
func (p *Poller) Renew() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, r := range p.remotes {
		r.credentials = nil
		if r.fails > 0 {
			r.hurry()
		}
	}
}

// conclude stores the result of a poll and returns the readers to notify.
func (p *Poller) conclude(r *remote, found answer, err error) []News {
	p.mu.Lock()
	defer p.mu.Unlock()
	r.polls = r.started
	r.err = err
	r.asked = map[string]bool{}
	for _, need := range found.needs {
		r.asked[need] = true
	}
	if err != nil {
		r.fails++
	} else {
		r.fails, r.at, r.refs, r.full, r.got = 0, time.Now(), found.refs, found.full, r.asked
	}
	var notify []News
	at := map[app.ID]int{} // in notify
	known := map[source.Ref]Seen{}
	for wanted, want := range r.wants {
		now, has := known[want.Ref]
		if !has {
			now = r.seen(want)
			known[want.Ref] = now
		}
		before := r.told[wanted]
		asked := r.waiting[wanted] || before.Polls == 0 || text(now.Err) != text(before.Err)
		if !asked && now.Revision == before.Revision {
			continue
		}
		r.told[wanted] = now
		if i, twice := at[wanted.reader]; twice {
			notify[i].Asked = notify[i].Asked || asked
			continue
		}
		at[wanted.reader] = len(notify)
		notify = append(notify, News{Reader: wanted.reader, Revision: now.Revision, Asked: asked})
	}
	for i, n := range notify {
		if len(p.readers[n.Reader]) > 1 {
			notify[i].Revision = p.newest(n.Reader)
		}
	}
	r.waiting = map[part]bool{}
	maps.DeleteFunc(r.told, func(wanted part, _ Seen) bool { _, still := r.wants[wanted]; return !still })
	return notify
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
