package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/plumbline-dev/plumbline/internal/core/app"
	"github.com/plumbline-dev/plumbline/internal/core/plan"
	"github.com/plumbline-dev/plumbline/internal/dialect/argo"
	"github.com/plumbline-dev/plumbline/internal/driver/kube"
	"github.com/plumbline-dev/plumbline/internal/driver/livestate"
	"github.com/plumbline-dev/plumbline/internal/engine/fleet"
	"github.com/plumbline-dev/plumbline/internal/engine/reconcile"
	"github.com/plumbline-dev/plumbline/internal/engine/refresh"
)

// observed returns a connection with a memory of what lives there; wake is called for
// applications when something of theirs changes.
func (w *wiring) observed(connection *kube.Cluster, to app.Cluster, wake func(app.ID)) *cluster {
	var c *cluster
	config := livestate.Config{
		Client:      connection.REST(),
		Owners:      w.owners,
		Logger:      w.log,
		OnInterrupt: w.counters.interrupted,
		Quiet:       w.cfg.silence,
		StaleAfter:  w.staleAfter(),
		OnKind: func(gk schema.GroupKind, err error) {
			ids := c.users(gk) // what they say of it is old now
			if err == nil {
				ids = c.usable(gk)
			}
			for _, id := range ids {
				wake(id)
			}
		},
		OnChange: func(change livestate.Change) {
			if plan.IsCRD(change.Key) {
				c.definitionChanged(change.Key.Name)
			}
			for _, name := range change.Owners {
				wake(ownerID(name))
			}
		},
	}
	var live memory
	if len(to.Namespaces) > 0 {
		live = livestate.NewSpread(config, to.Namespaces, to.Wide)
	} else {
		live = livestate.New(config)
	}
	c = newCluster(connection, live)
	c.narrow = len(to.Namespaces) > 0 && !to.Wide
	return c
}

// dial connects to a registered cluster.
func (w *wiring) dial(wake func(app.ID)) fleet.Dialer {
	return func(ctx context.Context, to app.Cluster) (reconcile.Cluster, func(), error) {
		config, err := configOf(to)
		if err != nil {
			return nil, nil, err
		}
		connection, err := kube.Connect(ctx, config, w.kubeOptions())
		if err != nil {
			return nil, nil, errors.New(strings.TrimPrefix(err.Error(), "cluster "+to.Server+": ")) // whoever is told knows which
		}
		c := w.observed(connection, to, wake)
		w.remotes.add(c)
		var watching sync.WaitGroup
		if !c.narrow {
			watching.Go(func() { _ = c.keepDefinitions(ctx) })
		}
		return c, func() {
			w.remotes.remove(c)
			c.live.Close()
			watching.Wait() // its context has ended
		}, nil
	}
}

// configOf says how to reach a cluster. Nothing of it comes from this machine's files.
func configOf(to app.Cluster) (*rest.Config, error) {
	a := to.Access
	config := &rest.Config{
		Host: to.Server, BearerToken: a.BearerToken, Username: a.Username, Password: a.Password, DisableCompression: a.DisableCompression,
		TLSClientConfig: rest.TLSClientConfig{Insecure: a.Insecure, ServerName: a.ServerName, CAData: a.CA, CertData: a.Cert, KeyData: a.Key},
	}
	if a.ProxyURL != "" {
		proxy, err := url.Parse(a.ProxyURL)
		if err != nil || proxy.Host == "" {
			return nil, fmt.Errorf("%s: config.proxyUrl is no URL", to.From)
		}
		config.Proxy = http.ProxyURL(proxy)
	}
	return config, nil
}

// remotes are the registered clusters that are connected, for figures about them.
type remotes struct {
	mu   sync.Mutex
	list map[*cluster]struct{}
}

func (r *remotes) add(c *cluster) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.list == nil {
		r.list = map[*cluster]struct{}{}
	}
	r.list[c] = struct{}{}
}

func (r *remotes) remove(c *cluster) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.list, c)
}

// sum adds up a figure of home and all of them.
func (r *remotes) sum(home memory, of func(memory) int) float64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	total := of(home)
	for c := range r.list {
		total += of(c.live)
	}
	return float64(total)
}

// renewal looks at credentials and clusters again.
type renewal struct {
	poller   *refresh.Poller
	registry *fleet.Registry
	secrets  refresh.Secrets
	known    string // what the registered clusters were read from
}

// Reconcile is called when a repository or cluster Secret came, changed or went.
func (r *renewal) Reconcile(ctx context.Context, _ ctrl.Request) (ctrl.Result, error) {
	r.poller.Renew()
	return ctrl.Result{}, r.register(ctx)
}

// register reads the cluster Secrets.
func (r *renewal) register(ctx context.Context) error {
	list := &corev1.SecretList{}
	err := r.secrets.Reader.List(ctx, list, client.InNamespace(r.secrets.Namespace), client.MatchingLabels{argo.SecretTypeLabel: argo.SecretTypeCluster})
	if err != nil {
		return fmt.Errorf("cluster Secrets in %s: %w", r.secrets.Namespace, err)
	}
	var versions strings.Builder
	secrets := make([]argo.RepositorySecret, len(list.Items))
	for i, item := range list.Items {
		fmt.Fprintf(&versions, "%s %s\n", item.UID, item.ResourceVersion)
		secrets[i] = argo.RepositorySecret{Name: item.Name, Type: item.Labels[argo.SecretTypeLabel], Data: item.Data}
	}
	if r.known == versions.String() {
		return nil
	}
	r.known = versions.String()
	r.registry.Register(argo.DecodeClusters(secrets))
	return nil
}
