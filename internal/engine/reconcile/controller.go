package reconcile

import (
	"context"
	"errors"
	"reflect"
	"sync"
	"time"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	ctrl "sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/plumbline-dev/plumbline/api/argoproj/v1alpha1"
	"github.com/plumbline-dev/plumbline/internal/core/app"
	"github.com/plumbline-dev/plumbline/internal/core/gate"
	"github.com/plumbline-dev/plumbline/internal/core/pulse"
	"github.com/plumbline-dev/plumbline/internal/core/shard"
	"github.com/plumbline-dev/plumbline/internal/dialect/argo"
	"github.com/plumbline-dev/plumbline/internal/dialect/flux"
	"github.com/plumbline-dev/plumbline/internal/engine/refresh"
)

type queue = workqueue.TypedRateLimitingInterface[app.ID]

// Controller queues applications and hands them to a Reconciler, each at most
// once at a time.
type Controller struct {
	reconciler *Reconciler
	workers    int

	mu      sync.Mutex
	queue   queue
	waiting []app.ID                   // queued before the controller started
	moved   time.Time                  // when the last application was done with, or none waited
	trail   time.Time                  // when the last of the applications that are in no hurry is due
	late    map[app.ID]time.Time       // those applications, and when each is due
	causes  map[app.ID]context.Context // of the next reconcile, where somebody follows them
	shares  Shares                     // nil: everything is ours
	moves   []*arrival                 // whose arrivals have not been read yet
	reader  client.Reader              // of the declarations

	settings argo.Settings // of Start
	began    sync.Once     // the first reconcile
	lull     pulse.Lull    // to report what nobody is in a hurry for
}

// trailPause is the time between two applications that are told of a revision
// which changes nothing of them: it bounds the status writes of a commit to a
// repository of many applications.
const trailPause = 20 * time.Millisecond

// NewController returns a Controller with that many workers; 0 means 16.
func NewController(r *Reconciler, workers int) *Controller {
	if workers <= 0 {
		workers = 16
	}
	return &Controller{reconciler: r, workers: workers, late: map[app.ID]time.Time{}, causes: map[app.ID]context.Context{}}
}

// Enqueue asks for a look at an application. It may be called at any time.
func (c *Controller) Enqueue(id app.ID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.queue == nil {
		c.waiting = append(c.waiting, id)
		return
	}
	c.lull.Asked(id)
	c.queue.Add(id)
}

// Revised queues applications whose repository was polled: at once those that
// the revision changes, and one after the other, later, those that it leaves as
// they are, which only have to say so.
func (c *Controller) Revised(ctx context.Context, news []refresh.News) {
	var late, touched []app.ID
	untouched := c.reconciler.Untouched(ctx, news)
	for _, n := range news {
		if untouched[n.Reader] {
			late = append(late, n.Reader)
			continue
		}
		c.cause(n)
		touched = append(touched, n.Reader)
		c.reconciler.Expect(n.Reader, n.Revision.ID)
	}
	for _, id := range touched {
		c.Enqueue(id)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.queue == nil {
		c.waiting = append(c.waiting, late...)
		return
	}
	now := time.Now()
	for _, id := range late {
		if due, ok := c.late[id]; ok && due.After(now) {
			continue
		}
		if c.trail.Before(now) {
			c.trail = now
			clear(c.late)
		}
		c.trail = c.trail.Add(trailPause)
		c.late[id] = c.trail
		c.queue.AddAfter(id, c.trail.Sub(now))
	}
}

// cause keeps what a reconcile is due to.
func (c *Controller) cause(n refresh.News) {
	if n.Cause == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.causes[n.Reader] = n.Cause
}

// caused returns and forgets what the reconcile that begins is due to.
func (c *Controller) caused(id app.ID) context.Context {
	c.mu.Lock()
	defer c.mu.Unlock()
	cause := c.causes[id]
	delete(c.causes, id)
	return cause
}

// Start registers the controller with mgr: it watches Applications and
// AppProjects below settings, Kustomizations and GitRepositories. gives reports of
// which projects others inherit.
func (c *Controller) Start(mgr manager.Manager, settings argo.Settings, gives func(project string) bool) error {
	ctl, err := controller.NewTyped("applications", mgr, controller.TypedOptions[app.ID]{
		MaxConcurrentReconciles: c.workers,
		Reconciler:              ctrl.TypedFunc[app.ID](c.reconcile),
		RateLimiter:             workqueue.NewTypedItemExponentialFailureRateLimiter[app.ID](200*time.Millisecond, time.Minute),
	})
	if err != nil {
		return err
	}
	c.settings = settings
	cache := mgr.GetCache()
	c.reader = mgr.GetClient()
	watches := []source.TypedSource[app.ID]{
		source.TypedFunc[app.ID](c.open),
		source.TypedKind(cache, &v1alpha1.Application{}, c.applicationEvents(), predicate.NewTypedPredicateFuncs(func(a *v1alpha1.Application) bool { return settings.Admits(a.Namespace) })),
		source.TypedKind(cache, &v1alpha1.AppProject{}, c.projectEvents(settings, gives)),
		source.TypedKind(cache, &kustomizev1.Kustomization{}, c.kustomizationEvents()),
		source.TypedKind(cache, &sourcev1.GitRepository{}, c.repositoryEvents()),
	}
	for _, w := range watches {
		if err := ctl.Watch(w); err != nil {
			return err
		}
	}
	return nil
}

func (c *Controller) open(_ context.Context, q queue) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.queue = q
	for _, id := range c.waiting {
		q.Add(id)
	}
	c.waiting = nil
	return nil
}

// expectAll expects every application that there is.
func (c *Controller) expectAll(ctx context.Context) {
	for _, id := range c.applications(ctx, func(*v1alpha1.Application) bool { return true }) {
		c.reconciler.Expect(id, "")
	}
	for _, id := range c.kustomizations(ctx, func(*kustomizev1.Kustomization) bool { return true }) {
		c.reconciler.Expect(id, "")
	}
}

// Announced says that a GitRepository is about to show another revision, before
// anybody acts on it.
func (c *Controller) Announced(ctx context.Context, news refresh.News) {
	if c.reader == nil {
		return
	}
	repo := news.Reader
	ids := c.kustomizations(ctx, func(k *kustomizev1.Kustomization) bool { return flux.UsesSource(k, repo.Namespace, repo.Name) })
	for _, id := range ids {
		c.reconciler.Expect(id, news.Revision.ID)
	}
	time.AfterFunc(overdue, func() {
		for _, id := range ids {
			if c.reconciler.roll.asked(id) != (gate.Asked{}) {
				c.Enqueue(id)
			}
		}
	})
}

// overdue is when Kustomizations that have not said what they declare at an
// announced revision are looked at without its being shown: less than gate.Patience.
const overdue = 5 * time.Second

func (c *Controller) reconcile(ctx context.Context, id app.ID) (ctrl.Result, error) {
	c.began.Do(func() { c.expectAll(ctx) })
	if c.early(id) {
		return ctrl.Result{}, nil
	}
	defer c.work(id)()
	cause := c.caused(id)
	work, end, err := c.begin(ctx, id)
	switch {
	case errors.Is(err, shard.ErrElsewhere):
		c.reconciler.forget(id)
		return ctrl.Result{}, nil
	case err != nil:
		return ctrl.Result{RequeueAfter: postponed}, nil
	}
	defer end()
	defer c.done()
	next, err := c.reconciler.Reconcile(refresh.Caused(work, cause), id)
	if (work.Err() != nil || errors.Is(err, shard.ErrLapsed)) && ctx.Err() == nil {
		c.reconciler.forget(id) // what was remembered was not reported
		return ctrl.Result{RequeueAfter: postponed}, nil
	}
	switch {
	case err != nil && ctx.Err() != nil:
		return ctrl.Result{}, nil //nolint:nilerr // shutting down
	case next.Quiet:
		c.hush(id)
		return ctrl.Result{RequeueAfter: time.Millisecond, Priority: new(quiet)}, nil
	}
	return ctrl.Result{RequeueAfter: next.After, Priority: new(normal)}, err
}

// Priorities of the queue.
const (
	normal = 0
	quiet  = -10
)

// hush notes that an application is queued only to report.
func (c *Controller) hush(id app.ID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lull.Hush(id)
}

// early reports whether an application has only to report, and others are at work:
// it is queued again when they are not.
func (c *Controller) early(id app.ID) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	early, first := c.lull.Early(id)
	if first {
		time.AfterFunc(pulse.LullLimit, func() {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.release(true)
		})
	}
	return early
}

// work notes that a reconcile begins; the function ends it.
func (c *Controller) work(id app.ID) func() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lull.Begin(id)
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.lull.End(id)
		c.release(false)
	}
}

// release queues what was early, if its time has come; c.mu is held.
func (c *Controller) release(over bool) {
	if over || c.queue.Len() == 0 {
		c.queue.(priorityqueue.PriorityQueue[app.ID]).AddWithOpts(priorityqueue.AddOpts{Priority: new(quiet)}, c.lull.Release(over)...)
	}
}

// Busy reports whether more applications have something to do, and not only to
// report, than there are workers.
func (c *Controller) Busy() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.queue != nil && c.lull.Busy(c.queue.Len(), c.workers)
}

// applicationEvents passes on what a person or a tool changed, and not our own
// status writes.
func (c *Controller) applicationEvents() handler.TypedEventHandler[*v1alpha1.Application, app.ID] {
	return handler.TypedFuncs[*v1alpha1.Application, app.ID]{
		CreateFunc: func(_ context.Context, e event.TypedCreateEvent[*v1alpha1.Application], q queue) {
			c.reconciler.Expect(argo.IDOf(e.Object), "")
			q.Add(argo.IDOf(e.Object))
		},
		DeleteFunc: func(_ context.Context, e event.TypedDeleteEvent[*v1alpha1.Application], q queue) {
			q.Add(argo.IDOf(e.Object))
		},
		UpdateFunc: func(_ context.Context, e event.TypedUpdateEvent[*v1alpha1.Application], _ queue) {
			old, now := e.ObjectOld, e.ObjectNew
			if old.Generation != now.Generation && !reflect.DeepEqual(old.Spec, now.Spec) {
				c.reconciler.Expect(argo.IDOf(now), "")
			}
			if !reflect.DeepEqual(old.Annotations, now.Annotations) || !old.DeletionTimestamp.Equal(now.DeletionTimestamp) ||
				!reflect.DeepEqual(old.Operation, now.Operation) || !reflect.DeepEqual(old.Spec, now.Spec) || terminated(now) != terminated(old) || !argo.LastRival(now).Equal(argo.LastRival(old)) {
				c.Enqueue(argo.IDOf(now))
			}
		},
	}
}

func terminated(a *v1alpha1.Application) bool {
	return a.Status.OperationState != nil && a.Status.OperationState.Phase == v1alpha1.OperationTerminating
}

// projectEvents queues the applications of a project that changed, and all of them if
// others inherit of it.
func (c *Controller) projectEvents(settings argo.Settings, gives func(project string) bool) handler.TypedEventHandler[*v1alpha1.AppProject, app.ID] {
	return handler.TypedEnqueueRequestsFromMapFunc(func(ctx context.Context, p *v1alpha1.AppProject) []app.ID {
		if p.Namespace != settings.Namespace {
			return nil
		}
		all := gives(p.Name)
		return c.applications(ctx, func(a *v1alpha1.Application) bool {
			return all || a.Spec.Project == p.Name || (a.Spec.Project == "" && p.Name == "default")
		})
	})
}

// kustomizationEvents queues a Kustomization whose declaration changed, and
// those that depend on one whose status changed.
func (c *Controller) kustomizationEvents() handler.TypedEventHandler[*kustomizev1.Kustomization, app.ID] {
	return handler.TypedFuncs[*kustomizev1.Kustomization, app.ID]{
		CreateFunc: func(_ context.Context, e event.TypedCreateEvent[*kustomizev1.Kustomization], q queue) {
			c.reconciler.Expect(flux.IDOf(e.Object), "")
			q.Add(flux.IDOf(e.Object))
		},
		DeleteFunc: func(_ context.Context, e event.TypedDeleteEvent[*kustomizev1.Kustomization], q queue) {
			q.Add(flux.IDOf(e.Object))
		},
		UpdateFunc: func(ctx context.Context, e event.TypedUpdateEvent[*kustomizev1.Kustomization], _ queue) {
			old, now := e.ObjectOld, e.ObjectNew
			if old.Generation != now.Generation {
				c.reconciler.Expect(flux.IDOf(now), "")
			}
			if old.Generation != now.Generation || !reflect.DeepEqual(old.Annotations, now.Annotations) || !old.DeletionTimestamp.Equal(now.DeletionTimestamp) {
				c.Enqueue(flux.IDOf(now))
			}
			if reflect.DeepEqual(old.Status, now.Status) {
				return
			}
			for _, id := range c.kustomizations(ctx, func(k *kustomizev1.Kustomization) bool { return flux.DependsOn(k, now.Namespace, now.Name) }) {
				c.Enqueue(id)
			}
		},
	}
}

// repositoryEvents queues the Kustomizations that read from a GitRepository.
func (c *Controller) repositoryEvents() handler.TypedEventHandler[*sourcev1.GitRepository, app.ID] {
	return handler.TypedEnqueueRequestsFromMapFunc(func(ctx context.Context, g *sourcev1.GitRepository) []app.ID {
		return c.kustomizations(ctx, func(k *kustomizev1.Kustomization) bool { return flux.UsesSource(k, g.Namespace, g.Name) })
	})
}

// EnqueueApplications asks for a look at every Application.
func (c *Controller) EnqueueApplications(ctx context.Context) {
	if c.reader == nil {
		return // it has not begun
	}
	for _, id := range c.applications(ctx, func(*v1alpha1.Application) bool { return true }) {
		c.Enqueue(id)
	}
}

func (c *Controller) kustomizations(ctx context.Context, want func(*kustomizev1.Kustomization) bool) []app.ID {
	list := &kustomizev1.KustomizationList{}
	if err := c.reader.List(ctx, list); err != nil {
		c.reconciler.options.Logger.Error("kustomizations not listed", "err", err)
		return nil
	}
	var ids []app.ID
	for i := range list.Items {
		if want(&list.Items[i]) {
			ids = append(ids, flux.IDOf(&list.Items[i]))
		}
	}
	return ids
}

func (c *Controller) applications(ctx context.Context, want func(*v1alpha1.Application) bool) []app.ID {
	list := &v1alpha1.ApplicationList{}
	if err := c.reader.List(ctx, list); err != nil {
		c.reconciler.options.Logger.Error("applications not listed", "err", err)
		return nil
	}
	var ids []app.ID
	for i := range list.Items {
		if c.settings.Admits(list.Items[i].Namespace) && want(&list.Items[i]) {
			ids = append(ids, argo.IDOf(&list.Items[i]))
		}
	}
	return ids
}
