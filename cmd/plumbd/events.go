package main

import (
	"context"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/plumbline-dev/plumbline/api/argoproj/v1alpha1"
	"github.com/plumbline-dev/plumbline/internal/core/app"
	"github.com/plumbline-dev/plumbline/internal/core/notice"
	"github.com/plumbline-dev/plumbline/internal/driver/kube"
	"github.com/plumbline-dev/plumbline/internal/engine/tell"
)

// apiVersions of the objects that events are about, by kind.
var apiVersions = map[string]string{
	v1alpha1.ApplicationKind:      v1alpha1.GroupVersion.String(),
	kustomizev1.KustomizationKind: kustomizev1.GroupVersion.String(),
}

// events stores Event objects through a connection.
type events struct{ kube *kube.Cluster }

// Post implements tell.Writer.
func (e events) Post(ctx context.Context, event *unstructured.Unstructured) error {
	_, err := e.kube.Create(ctx, event, kube.WriteOptions{Manager: "plumbd"})
	return err
}

// teller sends events; nil when nobody wants them.
func (w *wiring) newTeller(busy func() bool) *tell.Teller {
	if !w.cfg.events {
		return nil
	}
	return tell.New(events{w.kube}, tell.Options{Pace: busy, Logger: w.log})
}

// telling passes notices on to a teller; nil where there is none.
func telling(t *tell.Teller) func(app.Application, []notice.Notice) {
	if t == nil {
		return nil
	}
	return func(about app.Application, list []notice.Notice) {
		t.Tell(notice.Subject{ID: about.ID, UID: about.UID, APIVersion: apiVersions[about.ID.Kind]}, list)
	}
}

// told adds how many events were sent, dropped and refused.
func (c *counters) told(t *tell.Teller) {
	if t == nil {
		return
	}
	for outcome, value := range map[string]func() int64{
		"sent":    func() int64 { n, _, _ := t.Counts(); return n },
		"dropped": func() int64 { _, n, _ := t.Counts(); return n },
		"failed":  func() int64 { _, _, n := t.Counts(); return n },
	} {
		c.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "plumb_events_total", Help: "Events about applications that were sent, dropped because too many waited, and refused by the API server.",
			ConstLabels: prometheus.Labels{"outcome": outcome},
		}, func() float64 { return float64(value()) }))
	}
}
