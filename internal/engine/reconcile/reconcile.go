// Package reconcile runs the pipeline for one application at a time:
// resolve, render, diff, gate, plan, apply, assess, report.
//
// In goes the identity of an application; out comes its outcome, written once
// to the user's object. Everything decided is decided in core; this package
// reads for it and runs what it decided. It keeps in memory only what it can
// find out again.
package reconcile

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/plumbline-dev/plumbline/internal/core/app"
	"github.com/plumbline-dev/plumbline/internal/core/condition"
	"github.com/plumbline-dev/plumbline/internal/core/diff"
	"github.com/plumbline-dev/plumbline/internal/core/gate"
	"github.com/plumbline-dev/plumbline/internal/core/notice"
	"github.com/plumbline-dev/plumbline/internal/core/object"
	"github.com/plumbline-dev/plumbline/internal/core/plan"
	"github.com/plumbline-dev/plumbline/internal/core/signature"
	"github.com/plumbline-dev/plumbline/internal/engine/refresh"
)

// Reconciler brings applications to their desired state. Create it with New.
type Reconciler struct {
	dialects map[string]Dialect // by kind
	clusters Clusters
	sources  Sources
	renders  Renders
	options  Options
	roll     rollcall
	mute     mutes
	census   census
	proofs   signature.Proofs

	progress progress

	mu       sync.Mutex
	memories map[app.ID]*memory
}

// Options tune a Reconciler. The zero value works.
type Options struct {
	Now      func() time.Time // nil means time.Now
	Logger   *slog.Logger
	Recorder Recorder
	Parallel int           // objects of one kind applied at once; 0 means 8
	Settle   time.Duration // longest wait for kinds to become known; 0 means 30s

	// PruneLimit is what one revision may delete where neither an application
	// nor its project says; the zero value means app.DefaultPruneLimit.
	PruneLimit app.PruneLimit

	// Tell is given what happened to an application, as something to pass on. It
	// must not wait. Nil means that nobody is told.
	Tell func(about app.Application, list []notice.Notice)

	// TakeOver takes no notice of other engines that are at work on an application.
	TakeOver bool

	// Busy reports whether applications wait for their turn; nil means never.
	Busy func() bool
}

// New returns a Reconciler for the dialects by the kind of their objects.
func New(dialects map[string]Dialect, clusters Clusters, sources Sources, renders Renders, opts Options) *Reconciler {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	if opts.Recorder == nil {
		opts.Recorder = NoRecorder{}
	}
	opts.PruneLimit = opts.PruneLimit.Or(app.DefaultPruneLimit)
	if opts.Parallel <= 0 {
		opts.Parallel = 8
	}
	if opts.Busy == nil {
		opts.Busy = func() bool { return false }
	}
	if opts.Settle <= 0 {
		opts.Settle = 30 * time.Second
	}
	return &Reconciler{
		dialects: dialects, clusters: clusters, sources: sources, renders: renders, options: opts,
		memories: map[app.ID]*memory{},
	}
}

// Next says when to look at an application again.
type Next struct {
	After time.Duration // at the latest; 0: when something changes
	Quiet bool          // once nothing more urgent is left to do: an outcome is to be reported
}

// Reconcile brings one application one step closer to its desired state. It may
// be called at any time, but not twice at once for one application. An error
// means that the outcome could not be reported.
func (r *Reconciler) Reconcile(ctx context.Context, id app.ID) (Next, error) {
	asked := r.roll.asked(id)
	ctx, end := r.stage(ctx, id, "reconcile")
	next, answer, err := r.reconcile(ctx, id)
	end(err)
	if answer.known && err == nil {
		r.roll.answered(id, answer.revision, asked)
	}
	return next, err
}

// answer is whether it is known what an application declares, and at which
// revision; none when it declares nothing for a reason of its own.
type answer struct {
	known    bool
	revision string
}

func (r *Reconciler) reconcile(ctx context.Context, id app.ID) (Next, answer, error) {
	known := answer{known: true}
	subject, err := r.dialects[id.Kind].Load(ctx, id)
	if errors.Is(err, app.ErrGone) {
		r.forget(id)
		return Next{}, known, nil
	}
	r.roll.keep(id, errors.Is(err, errBehind))
	if errors.Is(err, errBehind) {
		return Next{After: catchUp}, answer{}, nil
	}
	if err != nil {
		return Next{}, answer{}, err
	}
	mem := r.memory(id)
	s := &session{Reconciler: r, subject: subject, app: subject.Application(), mem: mem, traits: subject.Traits(), now: r.options.Now()}
	s.policy = s.app.Policy
	if s.app.Suspended && s.app.Deletion == nil {
		return Next{}, known, nil
	}
	if err := s.arrive(); errors.Is(err, ErrConnecting) {
		return Next{After: connecting}, known, nil
	}
	out, report := s.run(ctx)
	if ctx.Err() != nil {
		return Next{}, answer{}, ctx.Err() // shutting down: what was not finished is found out again
	}
	if !report {
		return Next{After: out.Again}, answer{}, nil
	}
	known.revision, known.known = s.compared, !s.unsaid
	s.tell()
	if r.options.Busy() && s.canWait() && (mem.owed.IsZero() || s.now.Sub(mem.owed) < longestDebt) {
		if mem.owed.IsZero() {
			mem.owed = s.now
		}
		mem.inventory = out.Inventory
		return Next{Quiet: true}, known, nil
	}
	mem.owed = time.Time{}
	reportCtx, end := r.stage(ctx, id, "report")
	err = subject.Report(reportCtx, out, s.now)
	end(err)
	if err == nil && out.Gone {
		r.forget(id)
	}
	return Next{After: out.Again}, known, err
}

// connecting is when to look again at the latest while a cluster is connected to.
const connecting = 10 * time.Second

// arrive finds the cluster of the destination. What another one keeps for the
// application is dropped: nothing that was found out there is so here.
func (s *session) arrive() error {
	s.cluster, s.astray = s.clusters.Of(s.app.ID, s.app.Target)
	if s.astray != nil {
		return s.astray
	}
	if old := s.mem.cluster; old != nil && old != s.cluster {
		old.Release(s.app.ID)
		old.Claim(s.app.ID, nil)
		clear(s.mem.items)
	}
	s.mem.cluster = s.cluster
	return nil
}

// longestDebt is for how long a good outcome is put off at most.
const longestDebt = 30 * time.Second

// canWait reports whether the outcome is nothing but good news, which may be
// told when the API server has less to do. Ownership must be provable without
// an inventory meanwhile.
func (s *session) canWait() bool {
	return s.traits.Marked && s.out.Run != nil && s.out.Run.Phase == app.Succeeded && s.out.Run.Operation.Automatic &&
		s.app.Request == nil && s.app.Deletion == nil && s.app.Refresh == "" && s.out.Waiting == "" && len(s.out.Problems) == 0
}

// forget drops everything that was kept for an application.
func (r *Reconciler) forget(id app.ID) {
	r.sources.Forget(id)
	r.clusters.Forget(id)
	r.roll.gone(id)
	r.mute.heard(id)
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.memories, id)
}

// Held returns how many objects are not pruned because a guard holds them.
func (r *Reconciler) Held() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := int64(0)
	for _, mem := range r.memories {
		n += mem.held.Load()
	}
	return int(n)
}

func (r *Reconciler) memory(id app.ID) *memory {
	r.mu.Lock()
	defer r.mu.Unlock()
	mem := r.memories[id]
	if mem == nil {
		mem = newMemory()
		r.memories[id] = mem
	}
	return mem
}

// session is one reconcile of one application.
type session struct {
	*Reconciler
	subject Subject
	app     app.Application
	policy  app.Policy // of the application, or under an operation's own options
	traits  Traits
	mem     *memory
	now     time.Time
	cluster Cluster // of its destination; nil: there is none at present
	astray  error   // why not

	out    app.Outcome
	silent bool // there is nothing to report yet

	did notice.Did

	hooks     []plan.Item // of the revision that is compared with
	last      []plan.Item // its hooks that run when the application is deleted
	persisted bool        // the operation was written down as it is

	ahead    []object.Key                               // what is declared at a revision whose turn has not come
	unsaid   bool                                       // it could not be found out what is declared
	compared string                                     // id of the revision whose objects were claimed; empty: none
	mark     marked                                     // of what was rendered
	digests  map[*unstructured.Unstructured]diff.Digest // of desired objects
}

// run goes through the stages and returns the outcome, and false when there is
// nothing to report yet.
func (s *session) run(ctx context.Context) (app.Outcome, bool) {
	s.out.Run = s.mem.lastRun(s.app.State.Run)
	s.out.Applied = s.app.State.Applied
	s.did.Applied = s.app.State.Applied
	s.out.Inventory = s.app.State.Inventory
	if !s.mem.owed.IsZero() {
		s.out.Inventory = s.out.Inventory.Union(s.mem.inventory)
	}
	if why, after := gate.Contested(s.app.Rival, s.now); why != "" && !s.options.TakeOver {
		s.problem(errors.New(why), condition.OtherEngine)
		s.again(after)
		s.out.Contested = true
		return s.out, true
	}
	if s.app.Deletion != nil {
		s.finalize(ctx)
		return s.out, true
	}
	s.out.Problems = append(s.out.Problems, s.app.Problems...)
	if s.astray != nil && len(s.out.Problems) == 0 {
		s.problem(s.astray, condition.CompareFailed)
	}
	if err := s.subject.Admit(); err != nil {
		s.problem(err, condition.NotPermitted)
	}
	if len(s.out.Problems) > 0 {
		s.refuse()
		return s.out, true
	}
	_, end := s.stage(ctx, s.app.ID, "resolve")
	rev, ready := s.resolve()
	end(nil)
	if !ready {
		return s.out, len(s.out.Problems) > 0
	}
	if err := s.subject.Blocked(ctx); err != nil {
		if s.claimAnnounced(ctx, rev) == rev {
			s.claimAhead(ctx, rev)
		}
		s.problem(err, condition.DependencyWait)
		return s.out, true
	}
	s.compared = s.claimAnnounced(ctx, rev).ID
	if running, kept := s.runningHooks(ctx, rev); kept {
		s.claimAhead(ctx, rev)
		rev = running
		s.again(soon) // the revision that came meanwhile has its turn then
	}
	s.advance(ctx, rev)
	if s.out.Compared {
		s.orphans(ctx)
	}
	s.remember()
	return s.out, !s.silent
}

// remember keeps what tells cheaply whether a later revision changes anything.
func (s *session) remember() {
	var mark marked
	if s.out.Sync == app.Synced && s.out.Waiting == "" && s.traits.Trails {
		mark = s.mark
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mem.run = s.out.Run
	s.mem.mark = mark
}

// tell passes on what happened.
func (s *session) tell() {
	if s.options.Tell == nil {
		return
	}
	if list := s.mem.notices.After(s.did, s.out, s.now); len(list) > 0 {
		s.options.Tell(s.app, list)
	}
}

// refuse ends a reconcile of an application that cannot run as declared; an
// operation that was asked for fails with the reason.
func (s *session) refuse() {
	s.out.Sync = app.Unknown
	s.out.Health.Code = "Unknown"
	if op := s.app.Request; op != nil {
		s.out.Answers = true
		s.out.Run = &app.Run{
			Operation: *op, Phase: app.Errored, Message: s.out.Problems[0].Message,
			StartedAt: s.stamp(), FinishedAt: s.stamp(),
		}
		s.did.Ended, s.did.Message = app.Errored, s.out.Run.Message
	}
	s.answerRefresh()
}

// stamp is the time with the resolution that statuses keep.
func (s *session) stamp() time.Time { return s.now.Truncate(time.Second) }

func (s *session) problem(err error, fallback condition.Reason) {
	s.out.Problems = append(s.out.Problems, condition.Of(err, fallback))
}

// again asks for another look after d at the latest.
func (s *session) again(d time.Duration) {
	if d > 0 && (s.out.Again == 0 || d < s.out.Again) {
		s.out.Again = d
	}
}

func (s *session) answerRefresh() {
	if s.app.Refresh != s.app.State.Seen {
		s.out.RefreshSeen = s.app.Refresh
	}
}

// wants are what the application reads from repositories, in the order of its sources.
func (s *session) wants() []refresh.Want {
	wants := make([]refresh.Want, len(s.app.Sources))
	for i, src := range s.app.Sources {
		wants[i] = refresh.Want{URL: src.URL, Secret: src.Secret, Ref: src.Ref}
	}
	return wants
}
