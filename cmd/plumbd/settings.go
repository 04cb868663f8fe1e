package main

import (
	"context"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"sync"

	"github.com/gobwas/glob"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	corehealth "github.com/plumbline-dev/plumbline/internal/core/health"
	"github.com/plumbline-dev/plumbline/internal/core/signature"
	"github.com/plumbline-dev/plumbline/internal/dialect/argo"
	"github.com/plumbline-dev/plumbline/internal/driver/kube"
	"github.com/plumbline-dev/plumbline/internal/driver/lua"
)

// settings are those of argocd-cm, as they are now.
type settings struct {
	reader    client.Reader
	namespace string
	log       *slog.Logger
	changed   func() // looks at all applications

	mu      sync.Mutex
	config  argo.Config
	checks  *checks
	scripts map[string]*lua.Script // that compiled last, by key
}

// initial lays what ConfigMaps say is read once under what the flags say.
func initial(ctx context.Context, from *kube.Cluster, cfg config) (config, error) {
	data := map[string]map[string]string{}
	for _, name := range []string{argo.ConfigName, argo.ParamsName} {
		res, err := from.Mapping(ctx, schema.GroupKind{Kind: "ConfigMap"}, "v1")
		if err != nil {
			return cfg, err
		}
		cm, err := from.Get(ctx, kube.Ref{Resource: res, Namespace: cfg.namespace, Name: name})
		if apierrors.IsNotFound(err) {
			continue
		}
		if err != nil {
			return cfg, err
		}
		data[name], _, _ = unstructured.NestedStringMap(cm.Object, "data")
	}
	start, err := argo.DecodeStart(data[argo.ConfigName], data[argo.ParamsName])
	if err != nil {
		return cfg, fmt.Errorf("%s/%w", cfg.namespace, err)
	}
	if !cfg.given["application-namespaces"] {
		cfg.appNamespaces = start.Namespaces
	}
	if !cfg.given["poll"] && start.Poll > 0 {
		cfg.poll = start.Poll
	}
	return cfg, nil
}

// marking lays what argocd-cm says of marks under what the flags say.
func marking(ctx context.Context, reader client.Reader, given argo.Settings) (argo.Settings, error) {
	cm := &corev1.ConfigMap{}
	err := reader.Get(ctx, client.ObjectKey{Namespace: given.Namespace, Name: argo.ConfigName}, cm)
	if err != nil {
		return given, client.IgnoreNotFound(err)
	}
	found, err := given.With(cm.Data)
	if err != nil {
		return given, fmt.Errorf("%s/%s: %w", given.Namespace, argo.ConfigName, err)
	}
	if given.Tracking != "" {
		found.Tracking = given.Tracking
	}
	return found, nil
}

// current returns what is in force.
func (s *settings) current() (corehealth.Checks, argo.Config) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.checks == nil {
		return nil, s.config
	}
	return s.checks, s.config
}

// gives reports whether projects may inherit of one of this name.
func (s *settings) gives(project string) bool {
	_, config := s.current()
	return slices.ContainsFunc(config.Bases, func(b argo.GlobalProject) bool { return b.Project == project })
}

// Reconcile is called when the ConfigMap came, changed or went.
func (s *settings) Reconcile(ctx context.Context, _ ctrl.Request) (ctrl.Result, error) {
	return ctrl.Result{}, s.read(ctx)
}

// isSetting reports whether a ConfigMap is one that is read.
func isSetting(obj client.Object) bool {
	return obj.GetName() == argo.ConfigName || obj.GetName() == argo.KeysName
}

// read puts in force what the ConfigMap says now.
func (s *settings) read(ctx context.Context) error {
	data := map[string]map[string]string{}
	for _, name := range []string{argo.ConfigName, argo.KeysName} {
		cm := &corev1.ConfigMap{}
		err := s.reader.Get(ctx, client.ObjectKey{Namespace: s.namespace, Name: name}, cm)
		if client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("%s/%s: %w", s.namespace, name, err)
		}
		data[name] = cm.Data
	}
	config := argo.DecodeConfig(data[argo.ConfigName]).WithKeys(data[argo.KeysName])
	if !s.apply(config) {
		return nil
	}
	for _, fault := range config.Faults {
		s.log.Warn("setting not understood, the others are in force", "configmap", s.namespace+"/"+argo.ConfigName, "err", fault)
	}
	s.changed()
	return nil
}

// apply reports whether anything changed. A script that does not compile leaves the
// one before in force.
func (s *settings) apply(config argo.Config) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	config = config.Keeping(s.config)
	bare, before := config, s.config
	bare.Keys, before.Keys = signature.Keyring{}, signature.Keyring{}
	if reflect.DeepEqual(bare, before) && config.Keys.Equal(s.config.Keys) {
		return false
	}
	s.config = config
	s.checks = nil
	old := s.scripts
	s.scripts = map[string]*lua.Script{}
	for _, h := range config.Health {
		script, err := lua.Compile(h.Key, h.Script)
		if err != nil {
			s.log.Warn("health check not understood", "configmap", s.namespace+"/"+argo.ConfigName, "err", err)
			if script = old[h.Key]; script == nil {
				continue
			}
		}
		group, errGroup := glob.Compile(h.Group)
		kind, errKind := glob.Compile(h.Kind)
		if errGroup != nil || errKind != nil {
			s.log.Warn("health check not understood", "configmap", s.namespace+"/"+argo.ConfigName, "err", h.Key+": its group or kind is no glob")
			continue
		}
		if s.checks == nil {
			s.checks = &checks{}
		}
		s.scripts[h.Key] = script
		s.checks.list = append(s.checks.list, check{group: group, kind: kind, script: script})
	}
	return true
}

// checks are the scripts in force.
type checks struct{ list []check }

type check struct {
	group, kind glob.Glob
	script      *lua.Script
}

// Check implements corehealth.Checks.
func (c *checks) Check(obj *unstructured.Unstructured) (status corehealth.Status, rated, found bool) {
	gvk := obj.GroupVersionKind()
	for _, one := range c.list {
		if one.group.Match(gvk.Group) && one.kind.Match(gvk.Kind) {
			status, rated = one.script.Check(obj)
			return status, rated, true
		}
	}
	return corehealth.Status{}, false, false
}
