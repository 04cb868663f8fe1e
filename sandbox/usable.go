package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/plumbline-dev/plumbline/sandbox/internal/controllers"
	"github.com/plumbline-dev/plumbline/sandbox/internal/nodes"
)

// awaitUsable returns when a user's first command would succeed: the default
// namespace exists and, with controllers, pods can be created and scheduled.
func (b *box) awaitUsable(ctx context.Context) error {
	client, err := kubernetes.NewForConfig(b.as("sandbox"))
	if err != nil {
		return fmt.Errorf("client: %w", err)
	}
	checks := []func(context.Context, kubernetes.Interface) error{defaultNamespace}
	if b.cfg.controllers == controllers.All {
		checks = append(checks, defaultAccount, b.nodesReady)
	}
	for _, check := range checks {
		if err := poll(ctx, func() error { return check(ctx, client) }); err != nil {
			return err
		}
	}
	return nil
}

func defaultNamespace(ctx context.Context, c kubernetes.Interface) error {
	_, err := c.CoreV1().Namespaces().Get(ctx, metav1.NamespaceDefault, metav1.GetOptions{})
	return err
}

func defaultAccount(ctx context.Context, c kubernetes.Interface) error {
	_, err := c.CoreV1().ServiceAccounts(metav1.NamespaceDefault).Get(ctx, "default", metav1.GetOptions{})
	return err
}

func (b *box) nodesReady(ctx context.Context, c kubernetes.Interface) error {
	list, err := c.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	usable := 0
	for i := range list.Items {
		if nodes.Usable(&list.Items[i]) {
			usable++
		}
	}
	if usable < b.cfg.nodes {
		return fmt.Errorf("nodes: %d of %d usable", usable, b.cfg.nodes)
	}
	return nil
}

// poll calls f until it succeeds or ctx ends.
func poll(ctx context.Context, f func() error) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		err := f()
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return errors.Join(context.Cause(ctx), err)
		}
	}
}
