package flux_test

import (
	"errors"
	"testing"
	"time"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/plumbline-dev/plumbline/internal/core/app"
	"github.com/plumbline-dev/plumbline/internal/core/condition"
	"github.com/plumbline-dev/plumbline/internal/core/object"
	"github.com/plumbline-dev/plumbline/internal/core/source"
	"github.com/plumbline-dev/plumbline/internal/dialect/flux"
)

var now = time.Date(2026, 5, 4, 8, 0, 0, 7, time.UTC)

const revision = "main@sha1:18bc77047eed7038040a810160114e5c7b2b7931"

// A second report of the same outcome changes nothing, so that nothing is written.
func TestReportRests(t *testing.T) {
	inventory := object.NewInventory([]object.Entry{
		{Key: object.Key{Kind: "ConfigMap", Namespace: "shop", Name: "b"}, Version: "v1"},
		{Key: object.Key{Group: "apps", Kind: "Deployment", Namespace: "shop", Name: "a"}, Version: "v1"},
	})
	problem := func(r condition.Reason) []condition.Problem {
		return []condition.Problem{{Reason: r, Message: "It does not work"}}
	}
	for name, out := range map[string]app.Outcome{
		"applied":   {Compared: true, Inventory: inventory, RefreshSeen: "token"},
		"waiting":   {Compared: true, Inventory: inventory, Waiting: "Running health checks"},
		"source":    {Problems: problem(condition.SourceFailed)},
		"spec":      {Problems: problem(condition.NotSupported)},
		"health":    {Compared: true, Inventory: inventory, Problems: problem(condition.HealthFailed)},
		"prune":     {Compared: true, Inventory: inventory, Problems: problem(condition.PruneFailed)},
		"dependent": {Problems: problem(condition.DependencyWait)},
		"warning":   {Compared: true, Problems: problem(condition.RenderWarning)},
	} {
		for _, wait := range []bool{false, true} {
			k := &kustomizev1.Kustomization{ObjectMeta: metav1.ObjectMeta{Name: "apps", Namespace: "flux-system", Generation: 3}}
			k.Spec.Wait = wait
			first := flux.Report(k, out, revision, now)
			second := flux.Report(first, out, revision, now.Add(time.Hour))
			if d := cmp.Diff(first.Status, second.Status); d != "" {
				t.Errorf("%s, wait %t (-first +second):\n%s", name, wait, d)
			}
			if name != "source" && name != "spec" && name != "dependent" {
				if d := cmp.Diff(inventoryOf(out), flux.Decode(first).State.Inventory); d != "" {
					t.Errorf("%s: the inventory read back (-want +got):\n%s", name, d)
				}
			}
		}
	}
}

func inventoryOf(out app.Outcome) object.Inventory {
	if out.Inventory == nil {
		return object.Inventory{}
	}
	return out.Inventory
}

// A transition time moves with the status of a condition, not with its message.
func TestTransition(t *testing.T) {
	k := &kustomizev1.Kustomization{}
	fail := func(text string) app.Outcome {
		return app.Outcome{Problems: []condition.Problem{{Reason: condition.SourceFailed, Message: text}}}
	}
	one := flux.Report(k, fail("A"), revision, now)
	two := flux.Report(one, fail("B"), revision, now.Add(time.Minute))
	three := flux.Report(two, app.Outcome{Compared: true}, revision, now.Add(2*time.Minute))
	ready := func(k *kustomizev1.Kustomization) metav1.Condition {
		for _, c := range k.Status.Conditions {
			if c.Type == "Ready" {
				return c
			}
		}
		t.Fatal("no Ready condition")
		return metav1.Condition{}
	}
	if a, b := ready(one), ready(two); !a.LastTransitionTime.Equal(&b.LastTransitionTime) || b.Message != "B" {
		t.Errorf("another message: %+v, %+v", a, b)
	}
	if b, c := ready(two), ready(three); b.LastTransitionTime.Equal(&c.LastTransitionTime) || c.Status != metav1.ConditionTrue {
		t.Errorf("another status: %+v, %+v", b, c)
	}
	if len(three.Status.Conditions) != 1 {
		t.Errorf("what was in progress is gone: %+v", three.Status.Conditions)
	}
	if len(one.Status.Conditions) != 2 || len(k.Status.Conditions) != 0 {
		t.Error("earlier objects are not changed")
	}
}

func TestReportRepositoryRests(t *testing.T) {
	for name, f := range map[string]flux.Fetched{
		"fetched": {Revision: source.Revision{Name: "main", ID: "18bc77047eed7038040a810160114e5c7b2b7931"}},
		"failed":  {Err: errors.New("connection lost")},
		"refused": {Err: condition.Newf(condition.NotSupported, "spec.verify is not supported")},
	} {
		g := &sourcev1.GitRepository{ObjectMeta: metav1.ObjectMeta{Name: "config", Namespace: "flux-system", Generation: 2}}
		first := flux.ReportRepository(g, f, now)
		second := flux.ReportRepository(first, f, now.Add(time.Hour))
		if d := cmp.Diff(first.Status, second.Status); d != "" {
			t.Errorf("%s (-first +second):\n%s", name, d)
		}
	}
}
