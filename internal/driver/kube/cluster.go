// Package kube reads and writes one Kubernetes cluster through its API server.
//
// In go objects, kinds and preconditions; out come the objects as the server
// stored them, or errors that keep the server's status and name the object.
// It never decides what to write, never polls, never takes a missing answer
// for a missing object, and never puts a Secret's values into an error.
package kube

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/plumbline-dev/plumbline/internal/core/apierror"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/transport"
)

// Options tune a connection. The zero value is ready to use.
type Options struct {
	// Timeout is the longest that one request may take, waits for a busy
	// server included; 0 means 30s. Watches are not concerned.
	Timeout time.Duration

	// DiscoverEvery is the shortest time between two looks for a kind that the
	// server does not have, and for a group that does not answer; 0 means 10s.
	DiscoverEvery time.Duration

	// Observe is told of every HTTP request when its headers arrived: the verb
	// ("get", "list", "watch", "apply", "patch", "create", "update", "delete"),
	// the resource ("deployments.apps", or the path when it is not about
	// objects), the status code (0 without an answer). It must be quick.
	Observe func(verb, resource string, code int, took time.Duration)

	// Permit is asked before every request that changes something; see Fence.
	// Nil means that all may be sent.
	Permit Permit

	UserAgent string       // "" means "plumbline"
	Logger    *slog.Logger // nil discards
}

// Cluster is a connection to one API server, on behalf of one identity. Its
// methods may be called concurrently.
type Cluster struct {
	client    rest.Interface
	http      *http.Client
	config    *rest.Config
	options   Options
	discovery *discoverer
}

// Connect returns a connection to the API server that config names, after it
// learned the server's version and kinds. The config is not changed. It fails
// when the server does not answer; a group of kinds that does not is no error.
func Connect(ctx context.Context, config *rest.Config, options Options) (*Cluster, error) {
	options = options.withDefaults()
	config = prepare(config, options)
	httpClient, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, fmt.Errorf("cluster %s: %w", config.Host, err)
	}
	c, err := newCluster(config, httpClient, options)
	if err != nil {
		return nil, err
	}
	c.discovery = newDiscoverer(c.client, options)
	if err := c.discovery.first(ctx); err != nil {
		return nil, fmt.Errorf("cluster %s: %s", config.Host, apierror.OneLine(err.Error()))
	}
	return c, nil
}

func (o Options) withDefaults() Options {
	if o.Timeout == 0 {
		o.Timeout = 30 * time.Second
	}
	if o.DiscoverEvery == 0 {
		o.DiscoverEvery = 10 * time.Second
	}
	if o.UserAgent == "" {
		o.UserAgent = "plumbline"
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

// prepare returns the config as this package needs it: no limits of its own,
// since the server has better ones, and no timeout that would end watches.
func prepare(config *rest.Config, options Options) *rest.Config {
	config = rest.CopyConfig(config)
	scheme := runtime.NewScheme()
	metav1.AddToGroupVersion(scheme, schema.GroupVersion{Version: "v1"})
	config.NegotiatedSerializer = serializer.NewCodecFactory(scheme).WithoutConversion()
	config.AcceptContentTypes, config.ContentType = "application/json", "application/json"
	config.GroupVersion = nil
	config.QPS, config.Burst, config.RateLimiter = -1, 0, nil
	config.Timeout = 0
	config.UserAgent = options.UserAgent
	config.WarningHandler = nil
	config.WarningHandlerWithContext = warnings{options.Logger}
	if loopback(config.Host) {
		config.DisableCompression = true
	}
	if options.Permit != nil {
		Fence(config, options.Permit) // first, so that it comes last before a request is sent
	}
	if options.Observe != nil {
		config.Wrap(func(next http.RoundTripper) http.RoundTripper {
			return &observer{next: next, observe: options.Observe}
		})
	}
	return config
}

func newCluster(config *rest.Config, httpClient *http.Client, options Options) (*Cluster, error) {
	client, err := rest.UnversionedRESTClientForConfigAndClient(config, httpClient)
	if err != nil {
		return nil, fmt.Errorf("cluster %s: %w", config.Host, err)
	}
	return &Cluster{client: client, http: httpClient, config: config, options: options}, nil
}

// loopback reports whether host is this machine, where compressing costs more
// than it saves.
func loopback(host string) bool {
	if u, err := url.Parse(host); err == nil && u.Host != "" {
		host = u.Hostname()
	} else if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// ErrNoUser is returned by Impersonate for an empty user, which would mean to
// act with the engine's own rights.
var ErrNoUser = errors.New("impersonate: a user name is required")

// Impersonate returns a view of the cluster that acts as user and groups. It
// shares connections and the knowledge of kinds with c and costs little.
func (c *Cluster) Impersonate(user string, groups ...string) (*Cluster, error) {
	if strings.TrimSpace(user) == "" {
		return nil, ErrNoUser
	}
	as := transport.ImpersonationConfig{UserName: user, Groups: groups}
	httpClient := &http.Client{
		Transport:     transport.NewImpersonatingRoundTripper(as, c.http.Transport),
		CheckRedirect: c.http.CheckRedirect,
	}
	if c.http.Transport == nil {
		httpClient.Transport = transport.NewImpersonatingRoundTripper(as, http.DefaultTransport)
	}
	view, err := newCluster(c.config, httpClient, c.options)
	if err != nil {
		return nil, err
	}
	view.discovery = c.discovery
	return view, nil
}

// REST returns the client beneath, for watches. It limits neither the time nor
// the rate of requests.
func (c *Cluster) REST() rest.Interface { return c.client }

// Host returns the address of the API server.
func (c *Cluster) Host() string { return c.config.Host }

// warnings passes the server's warnings to the log.
type warnings struct{ logger *slog.Logger }

// HandleWarningHeaderWithContext logs one warning.
func (w warnings) HandleWarningHeaderWithContext(_ context.Context, _ int, _, text string) {
	if text != "" {
		w.logger.Debug("api server warned", "warning", apierror.OneLine(text))
	}
}
