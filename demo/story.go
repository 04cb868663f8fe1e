//go:build unix

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/plumbline-dev/plumbline/internal/dialect/argo"
)

const (
	// patience is when the hints are shown although not everything is healthy.
	patience = 20 * time.Second
	// repairWithin is what still counts as the answer to a change by hand.
	repairWithin = 10 * time.Second
)

// trackingAnnotation marks the objects of an Application.
const trackingAnnotation = "argocd.argoproj.io/tracking-id"

// story tells what happens to one Application. Only its run method touches it.
type story struct {
	cfg     config
	repo    *repository
	out     *printer
	cluster *cluster
	started time.Time

	name, destination string
	watched           map[schema.GroupKind]bool
	told              verdict // of the Application
	push              *push   // that is not live yet
	byHand            map[types.UID]time.Time
	hinted            bool
}

// push is a commit that arrived at the git server.
type push struct {
	id string
	at time.Time
}

// show delivers the sample's Application and tells what happens until ctx ends.
func show(ctx context.Context, cfg config, repo *repository, out *printer) error {
	events := make(chan event, 256)
	c, err := connect(cfg.path("kubeconfig"), events)
	if err != nil {
		return err
	}
	pushes, err := fsnotify.NewWatcher()
	if err != nil {
		return fmt.Errorf("watching for pushes: %w", err)
	}
	defer pushes.Close()
	if err := pushes.Add(repo.heads()); err != nil {
		return fmt.Errorf("watching for pushes: %w", err)
	}
	s := &story{
		cfg: cfg, repo: repo, out: out, cluster: c, started: time.Now(),
		watched: map[schema.GroupKind]bool{}, byHand: map[types.UID]time.Time{},
	}
	if err := s.begin(ctx); err != nil {
		return err
	}
	return s.run(ctx, events, pushes)
}

// begin delivers the Application and watches what it is known to consist of.
func (s *story) begin(ctx context.Context) error {
	manifest := filepath.Join(s.repo.clone, "argocd", "applications", "web-app-production.yaml")
	application, err := s.cluster.deliver(ctx, manifest, s.repo.url)
	if err != nil {
		return fmt.Errorf("Application of the sample: %w", err)
	}
	s.name = application.GetName()
	s.destination, _, _ = unstructured.NestedString(application.Object, "spec", "destination", "namespace")
	for _, kind := range []schema.GroupKind{{Kind: "ConfigMap"}, {Kind: "Service"}, {Group: "apps", Kind: "Deployment"}} {
		if err := s.follow(ctx, kind); err != nil {
			return err
		}
	}
	if err := s.cluster.watch(ctx, namespaces, ""); err != nil {
		return err
	}
	return s.cluster.watch(ctx, applications, application.GetNamespace())
}

// follow watches a kind in the destination, once.
func (s *story) follow(ctx context.Context, kind schema.GroupKind) error {
	if s.watched[kind] || kind == (schema.GroupKind{Kind: "Namespace"}) {
		return nil
	}
	mapping, err := s.cluster.resource(kind)
	if err != nil {
		return err
	}
	s.watched[kind] = true
	namespace := s.destination
	if mapping.Scope.Name() == "root" {
		namespace = ""
	}
	return s.cluster.watch(ctx, mapping.Resource, namespace)
}

func (s *story) run(ctx context.Context, events <-chan event, pushes *fsnotify.Watcher) error {
	enough := time.NewTimer(patience)
	defer enough.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-enough.C:
			s.hint()
		case <-pushes.Events:
			s.pushed(ctx)
		case err := <-pushes.Errors:
			return fmt.Errorf("watching for pushes: %w", err)
		case e := <-events:
			s.happened(ctx, e)
		}
	}
}

// happened tells one change, if it is one worth telling.
func (s *story) happened(ctx context.Context, e event) {
	obj := e.either()
	switch {
	case obj.GetKind() == "Application":
		if obj.GetName() == s.name {
			s.application(ctx, e)
		}
		return
	case obj.GetKind() == "Namespace" && obj.GetName() != s.destination:
		return
	case obj.GetKind() != "Namespace" && !strings.HasPrefix(obj.GetAnnotations()[trackingAnnotation], s.name+":"):
		return
	}
	title := obj.GetKind() + " " + obj.GetName()
	switch {
	case e.new == nil:
		s.out.line(removed, title)
	case e.old == nil:
		if since(e.new, s.started) {
			s.out.line(created, title)
		}
	default:
		s.changed(e, title)
	}
	if now, before := readiness(e.new), readiness(e.old); now.complete() && now != before && (e.old != nil || since(e.new, s.started)) {
		s.out.line(healthy, title+"  "+now.String())
	}
}

func (s *story) changed(e event, title string) {
	changes := differences(e.old, e.new)
	if len(changes) == 0 {
		return
	}
	uid, by := e.new.GetUID(), author(e.old, e.new)
	text := title + "  " + summary(changes)
	if by != argo.Manager {
		s.byHand[uid] = time.Now()
		s.out.line(drifted, text+"  by "+by)
		return
	}
	at, ok := s.byHand[uid]
	delete(s.byHand, uid)
	if took := time.Since(at); ok && took < repairWithin {
		s.out.line(repaired, fmt.Sprintf("%s  %s later", text, brief(took)))
		return
	}
	s.out.line(changed, text)
}

// pushed tells that the branch moved.
func (s *story) pushed(ctx context.Context) {
	id := s.repo.head(ctx)
	if id == "" || id == s.told.revision || s.push != nil && s.push.id == id {
		return
	}
	at := time.Now()
	if file, err := os.Stat(filepath.Join(s.repo.heads(), branch)); err == nil {
		at = file.ModTime()
	}
	s.push = &push{id: id, at: at}
	s.out.line(committed, s.revision(ctx, id))
}

// revision names a commit for people.
func (s *story) revision(ctx context.Context, id string) string {
	if id == "" {
		return "nothing yet"
	}
	text := branch + "@" + id[:min(7, len(id))]
	if subject := s.repo.subject(ctx, id); subject != "" {
		text += fmt.Sprintf(" %q", subject)
	}
	return text
}

// application tells what the status of the Application says.
func (s *story) application(ctx context.Context, e event) {
	if e.new == nil {
		s.out.line(removed, "Application "+s.name)
		return
	}
	for _, r := range resources(e.new) {
		if err := s.follow(ctx, r); err != nil {
			s.out.line(problem, err.Error())
		}
	}
	now := read(e.new)
	if now == s.told || now.sync == "" {
		return
	}
	if now.problem != s.told.problem && now.problem != "" {
		s.out.line(problem, now.problem)
	}
	text := fmt.Sprintf("%s and %s at %s", now.sync, strings.ToLower(now.health), s.revision(ctx, now.revision))
	if s.push != nil && now.revision == s.push.id && now.sync == "Synced" {
		text += fmt.Sprintf("  live %s after the push", brief(time.Since(s.push.at)))
		s.push = nil
	}
	if now.sync != s.told.sync || now.health != s.told.health || now.revision != s.told.revision {
		s.out.line(status, text)
	}
	s.told = now
	if now.sync == "Synced" && now.health == "Healthy" {
		s.hint()
	}
}

func (s *story) hint() {
	if !s.hinted {
		s.hinted = true
		s.out.hints(s.cfg, s.repo, s.destination)
	}
}
