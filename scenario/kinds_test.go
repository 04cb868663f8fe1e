package scenario

import (
	"fmt"
	"strings"
	"sync"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
)

// kinds finds how a kind is served by any of the names that kubectl accepts.
type kinds struct {
	mu     sync.Mutex
	byName map[string]served
	byKind map[schema.GroupVersionKind]served
}

type served struct {
	gvr        schema.GroupVersionResource
	kind       string
	namespaced bool
}

// short are names that more than one group could claim.
var short = map[string]string{"app": "applications", "ks": "kustomizations", "deploy": "deployments", "cm": "configmaps", "project": "appprojects"}

// lookUp finds a kind by name; definitions may have come since the last time.
func (w *world) lookUp(name string) (served, error) {
	name = strings.ToLower(name)
	if long, ok := short[name]; ok {
		name = long
	}
	found, err := find(w, func() (served, bool) { s, ok := w.kinds.byName[name]; return s, ok })
	if err != nil {
		return served{}, fmt.Errorf("kind %q: %w", name, err)
	}
	return found, nil
}

func (w *world) lookUpKind(gvk schema.GroupVersionKind) (served, error) {
	found, err := find(w, func() (served, bool) { s, ok := w.kinds.byKind[gvk]; return s, ok })
	if err != nil {
		return served{}, fmt.Errorf("%s: %w", gvk, err)
	}
	return found, nil
}

func find(w *world, get func() (served, bool)) (served, error) {
	w.kinds.mu.Lock()
	defer w.kinds.mu.Unlock()
	if s, ok := get(); ok {
		return s, nil
	}
	if err := w.discover(); err != nil {
		return served{}, err
	}
	if s, ok := get(); ok {
		return s, nil
	}
	return served{}, fmt.Errorf("not served by the API server")
}

// discover reads all kinds; w.kinds.mu is held.
func (w *world) discover() error {
	client, err := discovery.NewDiscoveryClientForConfig(w.rest)
	if err != nil {
		return err
	}
	groups, lists, err := client.ServerGroupsAndResources()
	if err != nil && len(lists) == 0 {
		return err
	}
	preferred := map[string]bool{}
	for _, g := range groups {
		preferred[g.PreferredVersion.GroupVersion] = true
	}
	w.kinds.byName, w.kinds.byKind = map[string]served{}, map[schema.GroupVersionKind]served{}
	for _, list := range lists {
		gv, err := schema.ParseGroupVersion(list.GroupVersion)
		if err != nil {
			return err
		}
		for _, r := range list.APIResources {
			if strings.Contains(r.Name, "/") {
				continue
			}
			s := served{gvr: gv.WithResource(r.Name), kind: r.Kind, namespaced: r.Namespaced}
			w.kinds.byKind[gv.WithKind(r.Kind)] = s
			for _, name := range append(r.ShortNames, r.Name, r.SingularName, strings.ToLower(r.Kind), r.SingularName+"."+gv.Group) {
				if _, taken := w.kinds.byName[name]; !taken || (preferred[list.GroupVersion] && w.kinds.byName[name].gvr.Group == gv.Group) {
					w.kinds.byName[name] = s
				}
			}
		}
	}
	return nil
}

// at returns the client for objects of a kind in a namespace.
func (w *world) at(s served, namespace string) dynamic.ResourceInterface {
	if !s.namespaced {
		return w.client.Resource(s.gvr)
	}
	return w.client.Resource(s.gvr).Namespace(namespace)
}

// target is an object that a script names.
type target struct {
	served
	namespace, name string
}

func (t target) String() string {
	if t.namespace == "" {
		return t.kind + " " + t.name
	}
	return t.kind + " " + t.namespace + "/" + t.name
}

// target reads KIND NAME. A name without namespace lies in the story's own; an
// Application's or AppProject's then is the one in argocd with the story's prefix.
func (s *story) target(kind, name string) (target, error) {
	w, err := s.in()
	if err != nil {
		return target{}, err
	}
	sv, err := w.lookUp(kind)
	if err != nil {
		return target{}, err
	}
	t := target{served: sv, name: name}
	if !sv.namespaced {
		return t, nil
	}
	if namespace, plain, ok := strings.Cut(name, "/"); ok {
		t.namespace, t.name = namespace, plain
		return t, nil
	}
	if sv.gvr.Group == "argoproj.io" {
		t.namespace, t.name = "argocd", s.ns+"-"+name
		return t, nil
	}
	t.namespace = s.ns
	return t, nil
}
