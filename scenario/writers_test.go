package scenario

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// agent finds the replica in a user agent.
var agent = regexp.MustCompile(`^plumbd/\S+ \((plumbd(?:-[2-9])?)\)`)

// by returns the replica that made a request, "" when it shares with nobody.
func (r request) by() string {
	m := agent.FindStringSubmatch(r.UserAgent)
	if m == nil {
		return ""
	}
	return m[1]
}

// writes reports whether a request changed an object, and of which application's
// things it is: Leases and events are nobody's.
func (r request) writes() bool {
	return slices.Contains([]string{"create", "update", "patch", "delete"}, r.Verb) && r.ResponseStatus.Code < 300 &&
		r.ObjectRef.Resource != "leases" && r.ObjectRef.Resource != "events" && !strings.Contains(r.RequestURI, "dryRun=")
}

// oneWriter [-moved|-still] proves from the audit log that no two replicas wrote
// for one application at a time: each write lies within the writer's Lease, no
// two overlap, and one that writes after another has renewed its Lease in between,
// and so has looked who else is there. With -moved, some application must have had
// two writers, and with -still none.
func (s *story) oneWriter(c *call) error {
	moved, still := c.flag("-moved"), c.flag("-still")
	if err := c.want(0, 0, "one-writer [-moved|-still]"); err != nil {
		return err
	}
	list, err := s.auditedSince(0)
	if err != nil {
		return err
	}
	slices.SortStableFunc(list, func(a, b request) int { return a.RequestReceivedTimestamp.Compare(b.RequestReceivedTimestamp) })
	owners := map[string]string{}
	renewed := map[string]time.Time{}
	last := map[string]request{} // write of each application
	writers := map[string]map[string]bool{}
	for _, r := range list {
		name := r.by()
		if name == "" {
			continue
		}
		if r.ObjectRef.Resource == "leases" && r.ObjectRef.Name == name && (r.Verb == "update" || r.Verb == "create") && r.ResponseStatus.Code < 300 {
			renewed[name] = r.RequestReceivedTimestamp
		}
		if !r.writes() {
			continue
		}
		owner := s.writtenFor(r, owners)
		if owner == "" {
			continue
		}
		at := r.RequestReceivedTimestamp
		if lease := renewed[name]; lease.IsZero() || at.Sub(lease) > s.world.lease {
			return fmt.Errorf("%s wrote at %s, %s after the last renewal of its Lease: %s", name, at, at.Sub(lease), r)
		}
		if before, ok := last[owner]; ok && before.by() != name {
			if at.Before(before.StageTimestamp) {
				return fmt.Errorf("%s: %s and %s wrote at the same time:\n%s\n%s", owner, before.by(), name, before, r)
			}
			if renewed[name].Before(before.RequestReceivedTimestamp) {
				return fmt.Errorf("%s: %s wrote after %s without having renewed its Lease in between:\n%s\n%s", owner, name, before.by(), before, r)
			}
		}
		last[owner] = r
		if writers[owner] == nil {
			writers[owner] = map[string]bool{}
		}
		writers[owner][name] = true
	}
	return judge(writers, moved, still)
}

func judge(writers map[string]map[string]bool, moved, still bool) error {
	several := 0
	for _, names := range writers {
		if len(names) > 1 {
			several++
		}
	}
	switch {
	case len(writers) == 0:
		return fmt.Errorf("nobody wrote anything")
	case moved && several == 0:
		return fmt.Errorf("no application had two writers, among %d", len(writers))
	case still && several > 0:
		return fmt.Errorf("%d of %d applications had two writers", several, len(writers))
	}
	return nil
}

// writtenFor names the application that a write was for: the object itself where
// it declares one, else the one whose mark the object bears, else the object.
func (s *story) writtenFor(r request, known map[string]string) string {
	ref := r.ObjectRef
	key := ref.Resource + " " + ref.Namespace + "/" + ref.Name
	if owner, ok := known[key]; ok {
		return owner
	}
	owner := key
	switch ref.Resource {
	case "applications":
		owner = "application " + ref.Name
	case "kustomizations":
		owner = "kustomization " + ref.Namespace + "/" + ref.Name
	case "namespaces", "customresourcedefinitions", "appprojects":
		owner = "" // every replica makes sure of these when it starts, and several applications of a namespace
	default:
		if mark := s.markOf(ref.Resource, ref.Namespace, ref.Name); mark != "" {
			owner = mark
		}
	}
	known[key] = owner
	return owner
}

// markOf returns the application that a live object's marks name, or "".
func (s *story) markOf(resource, namespace, name string) string {
	sv, err := s.world.lookUp(resource)
	if err != nil {
		return ""
	}
	obj, err := s.world.at(sv, namespace).Get(context.Background(), name, metav1.GetOptions{})
	if err != nil {
		return ""
	}
	if id, _, ok := strings.Cut(obj.GetAnnotations()["argocd.argoproj.io/tracking-id"], ":"); ok {
		return "application " + id
	}
	if owner := obj.GetLabels()["kustomize.toolkit.fluxcd.io/name"]; owner != "" {
		return "kustomization " + obj.GetLabels()["kustomize.toolkit.fluxcd.io/namespace"] + "/" + owner
	}
	return ""
}
