package main

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/plumbline-dev/plumbline/internal/core/app"
	"github.com/plumbline-dev/plumbline/internal/core/kinds"
	"github.com/plumbline-dev/plumbline/internal/engine/reconcile"
)

// self is who plumbd is among the users of live state.
var self = app.ID{Kind: "plumbd"}

var definitionKind = schema.GroupKind{Group: "apiextensions.k8s.io", Kind: "CustomResourceDefinition"}

// watchDefinitions has CustomResourceDefinitions watched, whoever changes them.
func (c *cluster) watchDefinitions(ctx context.Context) error {
	res, err := c.kube.Mapping(ctx, definitionKind, "v1")
	if err != nil {
		return err
	}
	return c.Require(ctx, self, []reconcile.Resource{reconcile.Resource(res)})[definitionKind]
}

// undefined fails when a kind that discovery does not know may exist all the
// same: an API server that has just started, or one of several that lags
// behind, leaves out kinds that are defined.
func (c *cluster) undefined(ctx context.Context, gk schema.GroupKind) error {
	if !strings.Contains(gk.Group, ".") || gk == definitionKind || c.narrow {
		return nil // not a kind that is defined, or whether it is may not be seen
	}
	if err := c.watchDefinitions(ctx); err != nil {
		return &kinds.UnavailableGroupError{Group: gk.Group, Cause: err}
	}
	var definitions []*unstructured.Unstructured
	for _, key := range c.live.Keys(definitionKind) {
		if _, group, _ := strings.Cut(key.Name, "."); group != gk.Group {
			continue
		}
		if crd, ok := c.live.Get(key); ok {
			definitions = append(definitions, crd)
		}
	}
	if name := kinds.DefinedBy(gk, definitions); name != "" {
		c.kube.Invalidate()
		return &kinds.UnavailableGroupError{Group: gk.Group, Cause: errors.New("discovery leaves out what the definition " + name + " defines")}
	}
	return nil
}

// users returns the applications that need a kind.
func (c *cluster) users(gk schema.GroupKind) []app.ID {
	var ids []app.ID
	for _, name := range c.live.Users(gk) {
		if id := ownerID(name); id != self {
			ids = append(ids, id)
		}
	}
	return ids
}

// usable returns who waited for a kind that can be looked at now.
func (c *cluster) usable(gk schema.GroupKind) []app.ID {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.waiting[gk], self)
	ids := slices.Collect(maps.Keys(c.waiting[gk]))
	delete(c.waiting, gk)
	return ids
}
