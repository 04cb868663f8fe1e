package fleet

import (
	"context"
	"fmt"
	"log/slog"
	"reflect"
	"sync"
	"time"

	"github.com/plumbline-dev/plumbline/internal/core/app"
	"github.com/plumbline-dev/plumbline/internal/engine/reconcile"
)

// Dialer connects to a cluster: it returns when the cluster answers, and a function
// that ends everything about it.
type Dialer func(ctx context.Context, to app.Cluster) (reconcile.Cluster, func(), error)

// Registry holds the clusters that applications go to: the engine's own, and those
// that somebody registered. A cluster is connected to when the first application
// asks for it, and tried again while it does not answer; nobody waits for it. Its
// methods may be called concurrently.
type Registry struct {
	home    reconcile.Cluster
	address string // that stands for home
	dial    Dialer
	wake    func(app.ID)
	log     *slog.Logger

	ctx  context.Context
	stop context.CancelFunc
	work sync.WaitGroup

	mu         sync.Mutex
	registered app.Clusters
	links      map[string]*link    // by server
	lost       map[app.ID]struct{} // who asked for a cluster that is not registered
}

// link is a connection, or the attempt at one.
type link struct {
	to      app.Cluster
	stop    context.CancelFunc
	cluster reconcile.Cluster // nil: not yet
	end     func()
	err     error // of the last attempt
	users   map[app.ID]struct{}
}

// NewRegistry returns a Registry without any registered cluster. wake is called for
// an application when there is news of the cluster that it asked for. Close it.
func NewRegistry(home reconcile.Cluster, address string, dial Dialer, wake func(app.ID), log *slog.Logger) *Registry {
	ctx, stop := context.WithCancel(context.Background())
	return &Registry{
		home: home, address: address, dial: dial, wake: wake, log: log, ctx: ctx, stop: stop,
		links: map[string]*link{}, lost: map[app.ID]struct{}{},
	}
}

// Close ends all connections and returns when nothing of them runs any more.
func (r *Registry) Close() {
	r.stop()
	r.mu.Lock()
	links := r.links
	r.links = map[string]*link{}
	r.mu.Unlock()
	for _, l := range links {
		l.close(r)
	}
	r.work.Wait()
}

// Register replaces the clusters that are registered. Connections to those that are
// reached in another way now, or not at all any more, end.
func (r *Registry) Register(list app.Clusters) {
	r.mu.Lock()
	r.registered = list
	var ended []*link
	news := r.lost
	r.lost = map[app.ID]struct{}{}
	for server, l := range r.links {
		if now, still := list.At(server); still && reflect.DeepEqual(now, l.to) {
			continue
		}
		delete(r.links, server)
		ended = append(ended, l)
		for id := range l.users {
			news[id] = struct{}{}
		}
	}
	r.mu.Unlock()
	for _, l := range ended {
		l.close(r)
	}
	for id := range news {
		r.wake(id)
	}
}

func (l *link) close(r *Registry) {
	l.stop()
	r.mu.Lock()
	end := l.end
	l.end = nil
	r.mu.Unlock()
	if end != nil {
		end()
	}
}

// Resolve completes the destination of an application, see app.Clusters; when that
// fails, the application is told once the registered clusters change.
func (r *Registry) Resolve(id app.ID, to app.Destination) (app.Destination, app.Cluster, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	resolved, cluster, err := r.registered.Resolve(to, r.address)
	if err != nil {
		r.lost[id] = struct{}{}
	}
	return resolved, cluster, err
}

// Of returns the cluster of a resolved destination for an application. It fails with
// reconcile.ErrConnecting while the first attempt is under way, and with why the last
// attempt failed after that.
func (r *Registry) Of(id app.ID, to app.Destination) (reconcile.Cluster, error) {
	if to.Server == r.address || to == (app.Destination{Namespace: to.Namespace, RunAs: to.RunAs}) {
		return r.home, nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	spec, known := r.registered.At(to.Server)
	if !known || spec.Problem != "" {
		r.lost[id] = struct{}{}
		_, _, err := r.registered.Resolve(to, r.address)
		return nil, err
	}
	l := r.links[to.Server]
	if l == nil {
		ctx, stop := context.WithCancel(r.ctx)
		l = &link{to: spec, stop: stop, users: map[app.ID]struct{}{}}
		r.links[to.Server] = l
		r.work.Go(func() { r.connect(ctx, l) })
	}
	l.users[id] = struct{}{}
	switch {
	case l.cluster != nil:
		return l.cluster, nil
	case l.err != nil:
		return nil, fmt.Errorf("cluster %q cannot be reached: %w", spec.Server, l.err)
	}
	return nil, reconcile.ErrConnecting
}

// Pauses between attempts to connect.
const (
	firstPause   = time.Second
	longestPause = 30 * time.Second
)

// connect tries until the cluster answers or ctx ends.
func (r *Registry) connect(ctx context.Context, l *link) {
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		cluster, end, err := r.dial(ctx, l.to)
		r.mu.Lock()
		if ctx.Err() != nil { // it was closed meanwhile
			r.mu.Unlock()
			if err == nil {
				end()
			}
			return
		}
		changed := err == nil || l.err == nil || l.err.Error() != err.Error()
		l.cluster, l.end, l.err = cluster, end, err
		if err != nil {
			l.cluster, l.end = nil, nil
		}
		users := make([]app.ID, 0, len(l.users))
		for id := range l.users {
			users = append(users, id)
		}
		r.mu.Unlock()
		if changed {
			for _, id := range users {
				r.wake(id)
			}
		}
		if err == nil {
			r.log.Info("cluster connected", "cluster", l.to.Name, "server", l.to.Server)
			return
		}
		if changed {
			r.log.Warn("cluster does not answer", "cluster", l.to.Name, "server", l.to.Server, "err", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

// Forget drops what every cluster keeps for an application.
func (r *Registry) Forget(id app.ID) {
	r.mu.Lock()
	clusters := []reconcile.Cluster{r.home}
	delete(r.lost, id)
	for _, l := range r.links {
		if delete(l.users, id); l.cluster != nil {
			clusters = append(clusters, l.cluster)
		}
	}
	r.mu.Unlock()
	for _, c := range clusters {
		c.Release(id)
		c.Claim(id, nil)
	}
}
