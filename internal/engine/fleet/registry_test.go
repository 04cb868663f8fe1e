package fleet_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/plumbline-dev/plumbline/internal/core/app"
	"github.com/plumbline-dev/plumbline/internal/core/object"
	"github.com/plumbline-dev/plumbline/internal/engine/fleet"
	"github.com/plumbline-dev/plumbline/internal/engine/reconcile"
)

const address = "https://kubernetes.default.svc"

// named is a cluster that only notes who is released.
type named struct {
	reconcile.Cluster
	name     string
	released *[]string
}

func (n named) Release(id app.ID)          { *n.released = append(*n.released, n.name+" "+id.Name) }
func (n named) Claim(app.ID, []object.Key) {}

// net is what there is to connect to.
type net struct {
	mu    sync.Mutex
	down  error
	hang  bool
	dials int
	ended []string
	woken []string

	released []string
}

func (n *net) dial(ctx context.Context, to app.Cluster) (reconcile.Cluster, func(), error) {
	n.mu.Lock()
	n.dials++
	down, hang := n.down, n.hang
	n.mu.Unlock()
	if hang {
		<-ctx.Done()
		return nil, nil, ctx.Err()
	}
	if down != nil {
		return nil, nil, down
	}
	return named{name: to.Name, released: &n.released}, func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.ended = append(n.ended, to.Name+"/"+to.Access.BearerToken)
	}, nil
}

func (n *net) wake(id app.ID) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.woken = append(n.woken, id.Name)
}

// told returns who was woken since the last call.
func (n *net) told() string {
	synctest.Wait()
	n.mu.Lock()
	defer n.mu.Unlock()
	slices.Sort(n.woken)
	text := strings.Join(n.woken, " ")
	n.woken = nil
	return text
}

func (n *net) set(down error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.down = down
}

func registry(t *testing.T, story func(t *testing.T, r *fleet.Registry, n *net, home reconcile.Cluster)) {
	synctest.Test(t, func(t *testing.T) {
		n := &net{}
		home := named{name: "home", released: &n.released}
		r := fleet.NewRegistry(home, address, n.dial, n.wake, slog.New(slog.DiscardHandler))
		defer r.Close()
		story(t, r, n, home)
	})
}

func id(name string) app.ID { return app.ID{Kind: "Application", Name: name} }

var west = app.Cluster{Name: "west", Server: "https://west", Access: app.Access{BearerToken: "1"}}

func to(c app.Cluster) app.Destination { return app.Destination{Server: c.Server, Cluster: c.Name} }

func TestConnect(t *testing.T) {
	registry(t, func(t *testing.T, r *fleet.Registry, n *net, home reconcile.Cluster) {
		r.Register(app.Clusters{west})
		if c, err := r.Of(id("a"), app.Destination{Server: address}); err != nil || c != home {
			t.Errorf("home: %v, %v", c, err)
		}
		if c, err := r.Of(id("k"), app.Destination{Namespace: "x", RunAs: "y"}); err != nil || c != home {
			t.Errorf("who names none is at home: %v, %v", c, err)
		}
		if n.dials != 0 {
			t.Error("connected before anybody asked")
		}
		for _, name := range []string{"a", "b"} {
			if _, err := r.Of(id(name), to(west)); !errors.Is(err, reconcile.ErrConnecting) {
				t.Errorf("first answer: %v", err)
			}
		}
		if got := n.told(); got != "a b" || n.dials != 1 {
			t.Errorf("woken %q after %d dials", got, n.dials)
		}
		c, err := r.Of(id("a"), to(west))
		if err != nil || c.(named).name != "west" {
			t.Errorf("%v, %v", c, err)
		}
		r.Forget(id("a"))
		if got := strings.Join(n.released, ","); got != "home a,west a" && got != "west a,home a" {
			t.Errorf("released: %s", got)
		}
	})
}

func TestDown(t *testing.T) {
	registry(t, func(t *testing.T, r *fleet.Registry, n *net, _ reconcile.Cluster) {
		n.set(errors.New("connection refused"))
		r.Register(app.Clusters{west})
		_, _ = r.Of(id("a"), to(west))
		if got := n.told(); got != "a" {
			t.Errorf("woken %q", got)
		}
		if _, err := r.Of(id("a"), to(west)); err == nil || err.Error() != `cluster "https://west" cannot be reached: connection refused` {
			t.Errorf("%v", err)
		}
		time.Sleep(10 * time.Minute)
		if got := n.told(); got != "" || n.dials < 10 || n.dials > 40 {
			t.Errorf("woken %q after %d dials: the same answer is no news", got, n.dials)
		}
		n.set(errors.New("no route"))
		time.Sleep(time.Minute)
		if got := n.told(); got != "a" {
			t.Errorf("another reason is news: woken %q", got)
		}
		n.set(nil)
		time.Sleep(time.Minute)
		if got := n.told(); got != "a" {
			t.Errorf("back: woken %q", got)
		}
		dials := n.dials
		time.Sleep(time.Hour)
		if n.dials != dials {
			t.Error("a connected cluster is dialled again")
		}
	})
}

func TestRegister(t *testing.T) {
	registry(t, func(t *testing.T, r *fleet.Registry, n *net, _ reconcile.Cluster) {
		if _, _, err := r.Resolve(id("a"), to(west)); err == nil {
			t.Error("an unknown cluster is resolved")
		}
		if _, err := r.Of(id("b"), to(west)); err == nil || errors.Is(err, reconcile.ErrConnecting) {
			t.Errorf("an unknown cluster: %v", err)
		}
		if _, err := r.Of(id("c"), app.Destination{Cluster: "west"}); err == nil {
			t.Error("a destination that was not resolved is home")
		}
		r.Register(app.Clusters{west})
		if got := n.told(); got != "a b c" {
			t.Errorf("who asked is told once it is known: %q", got)
		}
		_, _ = r.Of(id("a"), to(west))
		n.told()
		r.Register(app.Clusters{west})
		if got := n.told(); got != "" || len(n.ended) > 0 {
			t.Errorf("nothing changed: woken %q, ended %v", got, n.ended)
		}
		renewed := west
		renewed.Access.BearerToken = "2"
		r.Register(app.Clusters{renewed})
		if got := n.told(); got != "a" || strings.Join(n.ended, " ") != "west/1" {
			t.Errorf("another token: woken %q, ended %v", got, n.ended)
		}
		_, _ = r.Of(id("a"), to(west))
		n.told()
		r.Register(nil)
		if got := n.told(); got != "a" || strings.Join(n.ended, " ") != "west/1 west/2" {
			t.Errorf("gone: woken %q, ended %v", got, n.ended)
		}
		broken := west
		broken.Problem = "config is not JSON"
		r.Register(app.Clusters{broken})
		if _, err := r.Of(id("a"), to(west)); err == nil || !strings.Contains(err.Error(), "config is not JSON") {
			t.Errorf("one that cannot be used: %v", err)
		}
	})
}

// A cluster that goes while it is being connected to leaves nothing behind.
func TestHanging(t *testing.T) {
	registry(t, func(t *testing.T, r *fleet.Registry, n *net, _ reconcile.Cluster) {
		n.hang = true
		r.Register(app.Clusters{west})
		_, _ = r.Of(id("a"), to(west))
		synctest.Wait()
		if _, err := r.Of(id("b"), to(west)); !errors.Is(err, reconcile.ErrConnecting) {
			t.Errorf("nobody waits for it: %v", err)
		}
		r.Register(nil)
		if got := n.told(); got != "a b" {
			t.Errorf("woken %q", got)
		}
	})
}
