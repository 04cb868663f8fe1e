// Package apiserver runs kube-apiserver inside the process. Certificates, a
// store and a bound listener go in; a served API comes out. It always
// authorizes with Node and RBAC and never serves another address than the
// listener it was given.
package apiserver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/spf13/pflag"
	utilerrors "k8s.io/apimachinery/pkg/util/errors"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/kubernetes/cmd/kube-apiserver/app"
	"k8s.io/kubernetes/cmd/kube-apiserver/app/options"

	"github.com/plumbline-dev/plumbline/sandbox/internal/pki"
)

// Config is what an API server needs. Every field but Audit and TokenFile is
// required.
type Config struct {
	Listener   net.Listener // bound to 127.0.0.1; owned by the server from Start on
	Etcd       string       // endpoint of the store
	CA         *pki.Pair    // signs the serving and all client certificates
	Serving    *pki.Pair
	SigningKey string // private key of service account tokens
	TokenFile  string // static tokens in CSV; "" means none
	Audit      Audit
}

// Audit says where requests are recorded. The zero value records nothing.
type Audit struct {
	LogFile    string
	PolicyFile string
}

// Server is a running API server.
type Server struct {
	URL string

	done chan struct{}
	err  error
}

// Start builds the server and serves in the background until ctx ends. The
// server answers before it is ready; call WaitReady with a client.
func Start(ctx context.Context, cfg Config) (*Server, error) {
	addr, ok := cfg.Listener.Addr().(*net.TCPAddr)
	if !ok {
		return nil, fmt.Errorf("api server: listener %s is not TCP", cfg.Listener.Addr())
	}
	opts, err := completed(ctx, cfg, addr.Port)
	if err != nil {
		return nil, fmt.Errorf("api server: options: %w", err)
	}
	config, err := app.NewConfig(opts)
	if err != nil {
		return nil, fmt.Errorf("api server: config: %w", err)
	}
	complete, err := config.Complete()
	if err != nil {
		return nil, fmt.Errorf("api server: config: %w", err)
	}
	chain, err := app.CreateServerChain(complete)
	if err != nil {
		return nil, fmt.Errorf("api server: %w", err)
	}
	prepared, err := chain.PrepareRun()
	if err != nil {
		return nil, fmt.Errorf("api server: %w", err)
	}
	s := &Server{URL: "https://" + addr.String(), done: make(chan struct{})}
	go func() {
		defer close(s.done)
		s.err = prepared.Run(ctx)
	}()
	return s, nil
}

func completed(ctx context.Context, cfg Config, port int) (options.CompletedOptions, error) {
	opts := options.NewServerRunOptions()
	sets := opts.Flags()
	fs := pflag.NewFlagSet("kube-apiserver", pflag.ContinueOnError)
	for _, set := range sets.FlagSets {
		fs.AddFlagSet(set)
	}
	if err := fs.Parse(arguments(cfg, port)); err != nil {
		return options.CompletedOptions{}, err
	}
	if err := opts.GenericServerRunOptions.ComponentGlobalsRegistry.Set(); err != nil {
		return options.CompletedOptions{}, err
	}
	rest.SetDefaultWarningHandler(rest.NoWarnings{})
	opts.SecureServing.Listener = cfg.Listener
	name, err := cache.NewInformerName("kube-apiserver")
	if err != nil {
		return options.CompletedOptions{}, err
	}
	opts.InformerName = name
	c, err := opts.Complete(ctx)
	if err != nil {
		return options.CompletedOptions{}, err
	}
	return c, utilerrors.NewAggregate(c.Validate())
}

// arguments is the server's command line. The watch caches size themselves;
// everything that only a fleet needs is off.
func arguments(cfg Config, port int) []string {
	args := []string{
		"--etcd-servers=" + cfg.Etcd,
		"--secure-port=" + strconv.Itoa(port),
		"--bind-address=127.0.0.1",
		"--advertise-address=127.0.0.1",
		"--endpoint-reconciler-type=none",
		"--tls-cert-file=" + cfg.Serving.CertFile,
		"--tls-private-key-file=" + cfg.Serving.KeyFile,
		"--client-ca-file=" + cfg.CA.CertFile,
		"--authorization-mode=Node,RBAC",
		"--enable-admission-plugins=NodeRestriction",
		"--allow-privileged=true",
		"--service-cluster-ip-range=10.96.0.0/16",
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file=" + cfg.SigningKey,
		"--service-account-signing-key-file=" + cfg.SigningKey,
		"--event-ttl=30m",
		"--profiling=false",
		"--shutdown-delay-duration=0s",
		"--shutdown-watch-termination-grace-period=1s",
	}
	if cfg.TokenFile != "" {
		args = append(args, "--token-auth-file="+cfg.TokenFile)
	}
	if cfg.Audit.LogFile != "" {
		args = append(args, "--audit-log-path="+cfg.Audit.LogFile, "--audit-policy-file="+cfg.Audit.PolicyFile)
	}
	return args
}

// WaitReady returns when /readyz answers ok.
func (s *Server) WaitReady(ctx context.Context, c kubernetes.Interface) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	var last error
	for {
		var code int
		res := c.Discovery().RESTClient().Get().AbsPath("/readyz").Do(ctx).StatusCode(&code)
		if code == http.StatusOK {
			return nil
		}
		if res.Error() != nil {
			last = res.Error()
		}
		select {
		case <-tick.C:
		case <-s.done:
			return fmt.Errorf("api server: ended while starting: %w", errors.Join(s.err, last))
		case <-ctx.Done():
			return fmt.Errorf("api server: not ready: %w", errors.Join(context.Cause(ctx), last))
		}
	}
}

// Done is closed when the server has ended.
func (s *Server) Done() <-chan struct{} { return s.done }

// Err tells why the server ended. It is valid after Done is closed; a server
// that was asked to stop has none.
func (s *Server) Err() error { return s.err }
