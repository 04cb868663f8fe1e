// Package assess judges an application from how its objects stand.
//
// In go desired objects, what an apply of each would change, live objects and
// leftovers; out come plan items with a standing, and the sync status, health
// and list of resources that users see. Controller and command line share it,
// so that both tell the same. The package reads nothing by itself.
package assess

import (
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/plumbline-dev/plumbline/internal/core/app"
	"github.com/plumbline-dev/plumbline/internal/core/diff"
	"github.com/plumbline-dev/plumbline/internal/core/health"
	"github.com/plumbline-dev/plumbline/internal/core/object"
	"github.com/plumbline-dev/plumbline/internal/core/plan"
)

// Standing reads from a change how an object stands, and why when it differs:
// "spec.replicas: 2 -> 3, and 4 more".
func Standing(change diff.Change) (plan.Standing, string) {
	switch change.Kind {
	case diff.Create:
		return plan.Missing, change.Reason
	case diff.Update, diff.Prune:
		return plan.Differs, describe(change)
	case diff.Adopt:
		return plan.Unowned, change.Reason
	case diff.None:
	}
	return plan.Same, ""
}

func describe(change diff.Change) string {
	if len(change.Fields) == 0 {
		return change.Reason
	}
	text := change.Fields[0].String()
	if more := len(change.Fields) - 1; more > 0 {
		return fmt.Sprintf("%s, and %d more", text, more)
	}
	return text
}

// Vitals are what a live object alone tells about how it is doing.
type Vitals struct {
	Health   health.Status
	Rated    bool // whether Health means anything for the kind
	Progress health.Progress
	Images   []string // of its containers
}

// VitalsOf reads the vitals of a live object. Checks of the installation's own go
// before what is built in; nil: there are none.
func VitalsOf(live *unstructured.Unstructured, checks health.Checks) Vitals {
	v := Vitals{Images: Images(live)}
	v.Health, v.Rated = health.AssessWith(live, checks)
	v.Progress, _ = health.Wait(live)
	return v
}

// Settled says whether an object lets later waves begin under an order: staged
// orders ask whether waiting for it can end, waves whether it is healthy.
func (v Vitals) Settled(order plan.Order) plan.Settled {
	if order == plan.ByStage {
		switch v.Progress {
		case health.Failed:
			return plan.Broken
		case health.InProgress:
			return plan.Pending
		case health.Current:
		}
		return plan.Ready
	}
	if !v.Rated {
		return plan.Ready
	}
	switch v.Health.Code {
	case health.Healthy:
		return plan.Ready
	case health.Degraded, health.Unknown:
		return plan.Broken
	case health.Progressing, health.Suspended, health.Missing:
	}
	return plan.Pending
}

// RunsOnce reports whether objects of a kind run to an end, after which nothing
// but a new one runs again.
func RunsOnce(gk schema.GroupKind) bool {
	switch gk {
	case schema.GroupKind{Group: "batch", Kind: "Job"}, schema.GroupKind{Kind: "Pod"}:
		return true
	}
	return gk.Kind == "Workflow" // of whatever engine
}

// Images lists the container images of a workload in the order they are declared.
func Images(obj *unstructured.Unstructured) []string {
	path := []string{"spec", "template", "spec"}
	switch obj.GetKind() {
	case "Pod":
		path = []string{"spec"}
	case "CronJob":
		path = []string{"spec", "jobTemplate", "spec", "template", "spec"}
	}
	spec, _, _ := unstructured.NestedFieldNoCopy(obj.Object, path...)
	pod, _ := spec.(map[string]any)
	var list []string
	for _, field := range []string{"initContainers", "containers"} {
		containers, _ := pod[field].([]any)
		for _, c := range containers {
			container, _ := c.(map[string]any)
			if image, _ := container["image"].(string); image != "" {
				list = append(list, image)
			}
		}
	}
	return list
}

// State is how all objects of an application stand.
type State struct {
	Items     []plan.Item
	Leftovers []plan.Leftover
	Health    map[object.Key]health.Status // of live objects whose health counts
	Unknown   map[object.Key]bool          // objects that cannot be looked at at present
	Claimed   map[object.Key]bool          // objects that carry another application's mark
	Ignored   map[object.Key]bool          // leftovers that leave the application in sync
	Unseen    []object.Entry               // what is owned, not desired, and cannot be looked at at present
}

// Verdict is what users see of a State.
type Verdict struct {
	Sync      app.SyncStatus
	Health    health.Status
	Resources []app.Resource // sorted by key
}

// Judge derives sync status, health and resources. The application is out of
// sync when one of its objects is; its health is the worst of those that have
// any, and missing when nothing of it exists. Objects that are missing and
// nested applications that are missing or unknown leave health alone.
func Judge(s State) Verdict {
	v := Verdict{Sync: app.Synced, Health: health.Status{Code: health.Healthy}}
	missing := 0
	for _, item := range s.Items {
		if item.Aside {
			if item.Standing == plan.Differs {
				v.Sync = app.OutOfSync
			}
			continue
		}
		r := s.resource(item)
		if r.Sync == app.OutOfSync {
			v.Sync = app.OutOfSync
		}
		if item.Standing == plan.Missing {
			missing++
		}
		if h, rated := s.Health[r.Key]; rated && !nested(r.Key, h) {
			v.Health = worse(v.Health, h, r.Key)
		}
		v.Resources = append(v.Resources, r)
	}
	for _, left := range s.Leftovers {
		v.Resources = append(v.Resources, app.Resource{
			Key: left.Entry.Key, Version: left.Entry.Version, Sync: app.OutOfSync, Prune: true, Reason: left.Held, Wave: left.Wave,
		})
		if !s.Ignored[left.Entry.Key] {
			v.Sync = app.OutOfSync
		}
	}
	// Statuses are the memory of what is owned: left out, they would be forgotten.
	for _, entry := range s.Unseen {
		v.Resources = append(v.Resources, app.Resource{Key: entry.Key, Version: entry.Version, Sync: app.Unknown})
	}
	if missing > 0 && missing == len(v.Resources) {
		v.Health = health.Status{Code: health.Missing, Message: "Nothing of it is in the cluster"}
	}
	slices.SortFunc(v.Resources, func(a, b app.Resource) int { return a.Key.Compare(b.Key) })
	return v
}

func (s State) resource(item plan.Item) app.Resource {
	r := app.Resource{Key: item.Key(), Version: item.Object.GroupVersionKind().Version, Sync: app.Synced, Wave: item.Wave}
	r.Claimed = s.Claimed[r.Key]
	if h, rated := s.Health[r.Key]; rated {
		r.Health = &h
	}
	if s.Unknown[r.Key] {
		r.Sync = app.Unknown
		return r
	}
	switch item.Standing {
	case plan.Missing:
		r.Sync, r.Reason = app.OutOfSync, "not in cluster"
		r.Health = &health.Status{Code: health.Missing}
	case plan.Differs:
		r.Sync, r.Reason = app.OutOfSync, item.Why
	case plan.Unowned, plan.Same:
	}
	return r
}

// nested reports whether the state of an application within the application
// leaves the outer one's health alone.
func nested(key object.Key, h health.Status) bool {
	return key.Kind == "Application" && (h.Code == health.Missing || h.Code == health.Unknown)
}

func worse(worst, next health.Status, key object.Key) health.Status {
	if !health.Worse(next.Code, worst.Code) {
		return worst
	}
	return health.Status{Code: next.Code, Message: fmt.Sprintf("%s: %s", key, next.Message)}
}
