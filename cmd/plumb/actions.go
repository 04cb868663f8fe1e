package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gobwas/glob"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/plumbline-dev/plumbline/internal/core/action"
	"github.com/plumbline-dev/plumbline/internal/dialect/argo"
	"github.com/plumbline-dev/plumbline/internal/driver/lua"
	"github.com/plumbline-dev/plumbline/internal/front/cli"
)

// book is the built-in actions and those that argocd-cm adds.
type book struct{ custom []argo.Actions }

// actions reads what a control plane is configured with; without any there are the
// built-in ones.
func actions(ctx context.Context, from cli.Objects, controlPlane string) (action.Book, error) {
	cm, err := from.Get(ctx, schema.GroupVersionKind{Version: "v1", Kind: "ConfigMap"}, controlPlane, argo.ConfigName)
	if errors.Is(err, cli.ErrNotFound) {
		return action.Builtin{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("actions of this installation: %w", err)
	}
	data, _, err := unstructured.NestedStringMap(cm.Object, "data")
	if err != nil {
		return nil, fmt.Errorf("actions of this installation: %w", err)
	}
	config := argo.DecodeConfig(data)
	for _, fault := range config.Faults {
		if strings.Contains(fault, "actions") {
			return nil, fmt.Errorf("actions of this installation: %s: %s", argo.ConfigName, fault)
		}
	}
	return book{config.Actions}, nil
}

// of returns the actions for a kind.
func (b book) of(obj *unstructured.Unstructured) (action.Book, error) {
	gvk := obj.GroupVersionKind()
	for _, a := range slices.Backward(b.custom) {
		group, errGroup := glob.Compile(a.Group)
		kind, errKind := glob.Compile(a.Kind)
		if err := errors.Join(errGroup, errKind); err != nil {
			return nil, fmt.Errorf("%s: %w", a.Key, err)
		}
		if !group.Match(gvk.Group) || !kind.Match(gvk.Kind) {
			continue
		}
		out := lua.Actions{Scripts: map[string]*lua.Script{}}
		if a.Merge {
			out.Rest = action.Builtin{}
		}
		var err error
		if a.Discovery != "" {
			if out.Discovery, err = lua.Compile(a.Key+" discovery.lua", a.Discovery); err != nil {
				return nil, err
			}
		}
		for name, script := range a.Scripts {
			if out.Scripts[name], err = lua.Compile(a.Key+" "+name, script); err != nil {
				return nil, err
			}
		}
		return out, nil
	}
	return action.Builtin{}, nil
}

// List implements action.Book.
func (b book) List(obj *unstructured.Unstructured) ([]action.Action, error) {
	found, err := b.of(obj)
	if err != nil {
		return nil, err
	}
	return found.List(obj)
}

// Run implements action.Book.
func (b book) Run(obj *unstructured.Unstructured, name string, params map[string]string, now time.Time) ([]action.Change, error) {
	found, err := b.of(obj)
	if err != nil {
		return nil, err
	}
	return found.Run(obj, name, params, now)
}
