// Package controllers runs the controllers of kube-controller-manager that a
// cluster's users see at work. A client configuration goes in; running control
// loops come out. Each controller acts under the service account that it has in
// a real cluster, so RBAC, audit and webhooks see the usual names. It never
// elects a leader: a sandbox has one process.
package controllers

import (
	"context"
	"fmt"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/metadata/metadatainformer"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
	"k8s.io/controller-manager/pkg/informerfactory"
)

const (
	workers = 5 // objects one controller handles at once

	// discoveryPeriod is the longest time between the creation of a custom
	// resource definition and the moment its objects are garbage collected.
	discoveryPeriod = 2 * time.Second

	manager = "kube-controller-manager" // field manager and user agent of all controllers
)

// Set says which controllers run.
type Set string

const (
	All  Set = "all"  // everything this package knows
	None Set = "none" // only what deletion needs: namespaces and garbage collection
)

// Config is what the controllers need.
type Config struct {
	Client     *rest.Config // may impersonate every user
	Set        Set
	RootCA     []byte // PEM; published into every namespace
	SigningKey string // path of the private key of service account tokens
}

// Running is a started set of controllers.
type Running struct{ wg sync.WaitGroup }

// Wait returns when every controller has stopped, which they do after the
// context given to Start has ended.
func (r *Running) Wait() { r.wg.Wait() }

// loop is one controller, ready to run until its context ends.
type loop func(ctx context.Context)

// env is what controllers are built from; they share every cache in it.
type env struct {
	Config
	informers informers.SharedInformerFactory
	metadata  metadatainformer.SharedInformerFactory
	mixed     informerfactory.InformerFactory // typed where possible, metadata otherwise
	mapper    *restmapper.DeferredDiscoveryRESTMapper
	started   chan struct{} // closed when informers may be waited for
}

// Start builds the controllers of cfg.Set, starts their caches and runs them
// until ctx ends. It does not wait for caches to fill.
func Start(ctx context.Context, cfg Config) (*Running, error) {
	e, err := newEnv(cfg)
	if err != nil {
		return nil, err
	}
	loops := []loop{e.resetMapper}
	for _, c := range catalogue(cfg.Set) {
		l, err := c.build(ctx, e)
		if err != nil {
			return nil, fmt.Errorf("controller %s: %w", c.name, err)
		}
		loops = append(loops, l)
	}
	e.informers.Start(ctx.Done())
	e.metadata.Start(ctx.Done())
	close(e.started)
	r := &Running{}
	for _, l := range loops {
		r.wg.Go(func() { l(ctx) })
	}
	return r, nil
}

func newEnv(cfg Config) (*env, error) {
	shared := rest.CopyConfig(cfg.Client)
	shared.UserAgent = manager + "/shared-informers"
	client, err := kubernetes.NewForConfig(shared)
	if err != nil {
		return nil, fmt.Errorf("controllers: client: %w", err)
	}
	meta, err := metadata.NewForConfig(shared)
	if err != nil {
		return nil, fmt.Errorf("controllers: client: %w", err)
	}
	e := &env{Config: cfg, started: make(chan struct{})}
	e.informers = informers.NewSharedInformerFactory(client, 0)
	e.metadata = metadatainformer.NewSharedInformerFactory(meta, 0)
	e.mixed = informerfactory.NewInformerFactory(e.informers, e.metadata)
	e.mapper = restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(client.Discovery()))
	return e, nil
}

func (e *env) resetMapper(ctx context.Context) {
	wait.UntilWithContext(ctx, func(context.Context) { e.mapper.Reset() }, 15*discoveryPeriod)
}

// config returns the client configuration of the controller with the given
// service account in kube-system.
func (e *env) config(account string) *rest.Config {
	c := rest.CopyConfig(e.Client)
	c.UserAgent = manager + "/" + account
	c.Impersonate = rest.ImpersonationConfig{
		UserName: "system:serviceaccount:kube-system:" + account,
		Groups:   []string{"system:serviceaccounts", "system:serviceaccounts:kube-system", "system:authenticated"},
	}
	return c
}

func (e *env) client(account string) (*kubernetes.Clientset, error) {
	return kubernetes.NewForConfig(e.config(account))
}

// parallel runs loops side by side as one.
func parallel(loops ...loop) loop {
	return func(ctx context.Context) {
		var wg sync.WaitGroup
		for _, l := range loops {
			wg.Go(func() { l(ctx) })
		}
		wg.Wait()
	}
}
