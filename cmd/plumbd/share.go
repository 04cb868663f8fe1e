package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/plumbline-dev/plumbline/internal/core/shard"
	"github.com/plumbline-dev/plumbline/internal/driver/kube"
	"github.com/plumbline-dev/plumbline/internal/engine/reconcile"
	"github.com/plumbline-dev/plumbline/internal/engine/share"
)

// sharing is what the flags say about several replicas.
type sharing struct {
	on      bool
	name    string
	address string
	lease   time.Duration
}

// shortestLease is the least that leaves time for requests between renewals.
const shortestLease = time.Second

// complete fills in what the flags left open.
func (s *sharing) complete(data, listen string) error {
	if !s.on {
		return nil
	}
	host, err := os.Hostname()
	if err != nil {
		return fmt.Errorf("-share: the host has no name: %w", err)
	}
	abs, err := filepath.Abs(data)
	if err != nil {
		return fmt.Errorf("-data: %w", err)
	}
	s.name = cmp.Or(s.name, shard.PlaceName(host, abs))
	if err := shard.CheckName(s.name); err != nil {
		return fmt.Errorf("-share-name: %w", err)
	}
	if s.lease < shortestLease {
		return fmt.Errorf("-share-lease: %s is shorter than %s", s.lease, shortestLease)
	}
	s.address = cmp.Or(s.address, shard.Reachable(listen, host))
	if _, _, err := net.SplitHostPort(s.address); err != nil {
		return fmt.Errorf("-share-address: %q is not host:port", s.address)
	}
	return nil
}

// userAgent tells replicas apart in the API server's audit log.
func (c config) userAgent() string {
	if c.share.on {
		return "plumbd/" + version + " (" + c.share.name + ")"
	}
	return "plumbd/" + version
}

func newLeases(restConfig *rest.Config, cfg config, counters *counters, log *slog.Logger) (*kube.Leases, error) {
	return kube.NewLeases(restConfig, cfg.namespace, cfg.share.lease, kube.Options{Observe: counters.request, UserAgent: cfg.userAgent(), Logger: log})
}

// newShare returns this replica's part in the work, and nil when it has all of it.
func (w *wiring) newShare() *share.Share {
	if !w.cfg.share.on {
		return nil
	}
	return share.New(w.leases, share.Options{
		Name: w.cfg.share.name, Address: w.cfg.share.address, Duration: w.cfg.share.lease, Run: rand.Text()[:8], Logger: w.log,
		OnChange: func(ctx context.Context, c share.Change) { w.changed(ctx, c) },
	})
}

// permit is what writes need; nil: nothing.
func (w *wiring) permit() kube.Permit {
	if w.share == nil {
		return nil
	}
	return w.share.Permit
}

// alone fails when this replica does not share its work and others that do are
// at it.
func (w *wiring) alone(ctx context.Context) error {
	if w.share != nil {
		return nil
	}
	others, err := share.Others(ctx, w.leases, w.cfg.share.lease)
	switch {
	case apierrors.IsForbidden(err):
		w.log.Debug("leases not looked at", "err", err)
	case err != nil:
		return fmt.Errorf("looking for replicas: %w", err)
	case len(others) > 0:
		return fmt.Errorf("leases in namespace %s: replicas that share their work are running (%s): start this one with -share, too, or end those first", w.cfg.namespace, strings.Join(others, ", "))
	}
	return nil
}

// rebalanced makes every part go by the new division of work.
func (w *wiring) rebalanced(control *reconcile.Controller, events chan<- event.GenericEvent) func(context.Context, share.Change) {
	return func(ctx context.Context, change share.Change) {
		control.Rebalanced(ctx, change)
		go func() {
			list := &sourcev1.GitRepositoryList{}
			if err := w.manager.GetClient().List(ctx, list); err != nil {
				w.log.Warn("repositories not listed", "err", err)
				return
			}
			for i := range list.Items {
				select {
				case events <- event.GenericEvent{Object: &list.Items[i]}:
				case <-ctx.Done():
					return
				}
			}
		}()
	}
}
