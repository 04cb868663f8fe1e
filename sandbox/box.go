package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/component-base/version"

	"github.com/plumbline-dev/plumbline/sandbox/internal/apiserver"
	"github.com/plumbline-dev/plumbline/sandbox/internal/controllers"
	"github.com/plumbline-dev/plumbline/sandbox/internal/etcd"
	"github.com/plumbline-dev/plumbline/sandbox/internal/gitserver"
	"github.com/plumbline-dev/plumbline/sandbox/internal/kubeconfig"
	"github.com/plumbline-dev/plumbline/sandbox/internal/nodes"
	"github.com/plumbline-dev/plumbline/sandbox/internal/scheduler"
	"github.com/plumbline-dev/plumbline/sandbox/internal/statedir"
)

// startTimeout is when a start that takes longer is given up.
const startTimeout = 2 * time.Minute

// box is one sandbox, from its lock to its last goroutine.
type box struct {
	cfg config
	out *output
	dir *statedir.Dir

	certs   certificates
	store   *etcd.Server
	api     *apiserver.Server
	client  *rest.Config // everything; may impersonate
	git     *gitserver.Server
	gitURLs *gitAddress

	stopActors context.CancelFunc // controllers, scheduler, nodes
	actors     []func()           // each waits for one of them
	stopAPI    context.CancelFunc
}

// ready is the line on standard output.
type ready struct {
	Event      string      `json:"event"`
	Server     string      `json:"server"`
	Kubeconfig string      `json:"kubeconfig"`
	Git        *gitAddress `json:"git,omitempty"`
	Took       string      `json:"took"`
}

type gitAddress struct {
	HTTP  string `json:"http"`
	HTTPS string `json:"https"`
	CA    string `json:"ca"`
}

// open starts everything and returns when it is usable. It returns the box also
// with an error, so that what did start can be closed.
func open(ctx context.Context, cfg config, out *output) (*box, error) {
	b := &box{cfg: cfg, out: out}
	ctx, cancel := context.WithTimeoutCause(ctx, startTimeout, fmt.Errorf("gave up after %s", startTimeout))
	defer cancel()
	for _, step := range []func(context.Context) error{
		b.openData, b.startStore, b.startAPI, b.startGit, b.startActors, b.awaitUsable, b.writeKubeconfigs,
	} {
		if err := step(ctx); err != nil {
			return b, err
		}
	}
	return b, nil
}

func (b *box) openData(context.Context) error {
	var err error
	if b.dir, err = statedir.Open(b.cfg.data); err != nil {
		return err
	}
	b.certs, err = issue(b.dir)
	return err
}

func (b *box) startStore(ctx context.Context) error {
	var err error
	b.store, err = etcd.Start(ctx, b.dir.Path("etcd"), b.out.zap)
	return err
}

func (b *box) startAPI(ctx context.Context) error {
	l, err := listen(b.cfg.apiPort, b.dir.Ports().API)
	if err != nil {
		return fmt.Errorf("api server: %w", err)
	}
	cfg := apiserver.Config{
		Listener: l, Etcd: b.store.Endpoint,
		CA: b.certs.ca, Serving: b.certs.serving, SigningKey: b.certs.signingKey,
	}
	if cfg.TokenFile, err = b.writeTokens(); err != nil {
		return err
	}
	if b.cfg.auditLog != "" {
		if cfg.Audit.LogFile, err = filepath.Abs(b.cfg.auditLog); err != nil {
			return fmt.Errorf("--audit-log: %w", err)
		}
		cfg.Audit.PolicyFile = b.dir.Path("audit-policy.yaml")
		if err := apiserver.WriteAuditPolicy(cfg.Audit.PolicyFile); err != nil {
			return err
		}
	}
	// The server outlives ctx, which ends when the start is over.
	run, stop := context.WithCancel(context.WithoutCancel(ctx))
	b.stopAPI = stop
	if b.api, err = apiserver.Start(run, cfg); err != nil {
		return err
	}
	b.client = &rest.Config{
		Host: b.api.URL,
		TLSClientConfig: rest.TLSClientConfig{
			CAData: b.certs.ca.CertPEM, CertData: b.certs.internal.CertPEM, KeyData: b.certs.internal.KeyPEM,
		},
		QPS: -1,
	}
	p := b.dir.Ports()
	p.API = l.Addr().(*net.TCPAddr).Port
	if err := b.dir.RememberPorts(p); err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(b.as("sandbox"))
	if err != nil {
		return fmt.Errorf("api server: client: %w", err)
	}
	return b.api.WaitReady(ctx, client)
}

// writeTokens returns "" when there are no users beside the admin.
func (b *box) writeTokens() (string, error) {
	if len(b.cfg.users) == 0 {
		return "", nil
	}
	var users []apiserver.User
	for _, u := range b.cfg.users {
		token, err := b.dir.Token(u.name)
		if err != nil {
			return "", err
		}
		users = append(users, apiserver.User{Name: u.name, Groups: u.groups, Token: token})
	}
	path := b.dir.Path("tokens.csv")
	return path, apiserver.WriteTokens(path, users)
}

func (b *box) startGit(context.Context) error {
	if b.cfg.gitRoot == "" {
		return nil
	}
	s, err := gitserver.New(gitserver.Options{
		Root: b.cfg.gitRoot, User: b.cfg.gitUser, Password: b.cfg.gitPassword, Hook: b.cfg.pushHook, Log: b.out.slog,
	})
	if err != nil {
		return err
	}
	cert, err := tls.X509KeyPair(b.certs.git.CertPEM, b.certs.git.KeyPEM)
	if err != nil {
		return fmt.Errorf("git server: certificate: %w", err)
	}
	p := b.dir.Ports()
	plain, err := listen(b.cfg.gitPort, p.Git)
	if err != nil {
		return fmt.Errorf("git server: %w", err)
	}
	secure, err := listen(0, p.GitTLS)
	if err != nil {
		return errors.Join(fmt.Errorf("git server: %w", err), plain.Close())
	}
	s.Serve(plain, secure, cert)
	b.git = s
	b.gitURLs = &gitAddress{
		HTTP: "http://" + plain.Addr().String(), HTTPS: "https://" + secure.Addr().String(), CA: b.certs.gitCA,
	}
	p.Git, p.GitTLS = plain.Addr().(*net.TCPAddr).Port, secure.Addr().(*net.TCPAddr).Port
	return b.dir.RememberPorts(p)
}

func (b *box) startActors(ctx context.Context) error {
	run, stop := context.WithCancel(context.WithoutCancel(ctx))
	b.stopActors = stop
	running, err := controllers.Start(run, controllers.Config{
		Client: b.as("kube-controller-manager"), Set: b.cfg.controllers,
		RootCA: b.certs.ca.CertPEM, SigningKey: b.certs.signingKey,
	})
	if err != nil {
		return err
	}
	b.actors = append(b.actors, running.Wait)
	if b.cfg.controllers == controllers.None {
		return nil
	}
	if err := controllers.CreateStorageClass(ctx, b.as("sandbox-cloud")); err != nil {
		return err
	}
	kubelet := b.as("kubelet")
	if err := nodes.Start(run, kubelet, nodes.Options{Count: b.cfg.nodes, Version: version.Get().GitVersion, Log: b.out.log}); err != nil {
		return err
	}
	sched := b.as("kube-scheduler")
	sched.Impersonate = rest.ImpersonationConfig{UserName: "system:kube-scheduler", Groups: []string{"system:authenticated"}}
	done, err := scheduler.Start(run, sched)
	if err != nil {
		return err
	}
	b.actors = append(b.actors, func() { <-done })
	return nil
}

// as returns the all-powerful client configuration under the given user agent,
// which becomes the field manager of what it writes.
func (b *box) as(agent string) *rest.Config {
	c := rest.CopyConfig(b.client)
	c.UserAgent = agent
	return c
}

func (b *box) ready(took time.Duration) ready {
	path, err := filepath.Abs(b.cfg.kubeconfig)
	if err != nil {
		path = b.cfg.kubeconfig
	}
	return ready{
		Event: "ready", Server: b.api.URL, Kubeconfig: path, Git: b.gitURLs,
		Took: took.Round(100 * time.Millisecond).String(),
	}
}

func (b *box) writeKubeconfigs(context.Context) error {
	t := kubeconfig.Target{Server: b.api.URL, CAPEM: b.certs.ca.CertPEM}
	for _, u := range b.cfg.users {
		token, err := b.dir.Token(u.name)
		if err != nil {
			return err
		}
		if err := kubeconfig.Write(b.cfg.kubeconfig+"-"+u.name, t, kubeconfig.Identity{Name: u.name, Token: token}); err != nil {
			return err
		}
	}
	admin := kubeconfig.Identity{Name: "admin", CertPEM: b.certs.admin.CertPEM, KeyPEM: b.certs.admin.KeyPEM}
	return kubeconfig.Write(b.cfg.kubeconfig, t, admin)
}
