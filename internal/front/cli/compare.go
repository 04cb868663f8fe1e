package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/plumbline-dev/plumbline/internal/core/diff"
	"github.com/plumbline-dev/plumbline/internal/core/health"
	"github.com/plumbline-dev/plumbline/internal/core/object"
	"github.com/plumbline-dev/plumbline/internal/core/plan"
)

// standing is how one object stands in a view.
type standing struct {
	item   plan.Item
	change diff.Change
	live   *unstructured.Unstructured
}

// comparison is how an application stands in a view.
type comparison struct {
	decl      *Declaration
	standings []standing
	leftovers []plan.Leftover
	removed   []*unstructured.Unstructured // the objects of leftovers
	problems  []error                      // objects that could not be compared, or would be refused
}

// compare looks at every desired object and at every leftover.
func compare(ctx context.Context, u unit, items []plan.Item, live view) (*comparison, error) {
	c := &comparison{decl: u.decl}
	desired := map[object.Key]bool{}
	for _, item := range items {
		desired[item.Key()] = true
		s, err := stand(ctx, u.decl, item, live)
		if err != nil {
			c.problems = append(c.problems, fmt.Errorf("%s: %s: %w", u.title, cmp.Or(item.Origin.File, "?"), err))
			continue
		}
		c.standings = append(c.standings, s)
	}
	if err := c.addNamespace(ctx, items, live); err != nil {
		return nil, fmt.Errorf("%s: %w", u.title, err)
	}
	owned, err := live.owned(ctx, u.decl)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", u.title, err)
	}
	slices.SortFunc(owned, func(a, b *unstructured.Unstructured) int { return object.KeyOf(a).Compare(object.KeyOf(b)) })
	for _, obj := range owned {
		if !desired[object.KeyOf(obj)] {
			c.leave(obj)
		}
	}
	return c, nil
}

func stand(ctx context.Context, d *Declaration, item plan.Item, live view) (standing, error) {
	key := item.Key()
	found, err := live.get(ctx, item.Object.GroupVersionKind(), key)
	if err != nil {
		return standing{}, err
	}
	s := standing{item: item, live: found}
	s.change, err = live.change(ctx, diff.Input{
		Desired: item.Object, Live: found, Manager: d.Manager, Takeover: d.Takeover, IgnoreFields: d.IgnoredFields(key),
	})
	if err != nil {
		return standing{}, err
	}
	switch s.change.Kind {
	case diff.Create:
		s.item.Standing = plan.Missing
	case diff.Update, diff.Prune:
		s.item.Standing, s.item.Why = plan.Differs, describe(s.change)
	case diff.Adopt:
		s.item.Standing, s.item.Why = plan.Unowned, s.change.Reason
	case diff.None:
		s.item.Standing = plan.Same
	}
	if found != nil {
		s.item.Settled = settled(d, found)
	}
	return s, nil
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

// settled reports whether a live object lets later waves begin.
func settled(d *Declaration, live *unstructured.Unstructured) plan.Settled {
	if d.Order == plan.ByStage {
		switch progress, _ := health.Wait(live); progress {
		case health.Failed:
			return plan.Broken
		case health.InProgress:
			return plan.Pending
		case health.Current:
		}
		return plan.Ready
	}
	status, rated := health.Assess(live)
	if !rated || d.IgnoresHealth(live) {
		return plan.Ready
	}
	switch status.Code {
	case health.Healthy:
		return plan.Ready
	case health.Degraded, health.Unknown:
		return plan.Broken
	case health.Progressing, health.Suspended, health.Missing:
	}
	return plan.Pending
}

// leave notes a live object of the application that it no longer declares.
func (c *comparison) leave(obj *unstructured.Unstructured) {
	left := plan.Leftover{
		Entry: object.Entry{Key: object.KeyOf(obj), Version: obj.GroupVersionKind().Version},
		UID:   string(obj.GetUID()), Going: obj.GetDeletionTimestamp() != nil, Held: c.decl.KeepOnPrune(obj),
	}
	left.Wave, left.Last = c.decl.PruneWave(obj)
	c.leftovers = append(c.leftovers, left)
	c.removed = append(c.removed, obj)
}

// addNamespace puts the destination's namespace in front when the policy asks
// for it and nothing declares it.
func (c *comparison) addNamespace(ctx context.Context, items []plan.Item, live view) error {
	name := c.decl.App.Target.Namespace
	policy := c.decl.App.Policy
	if !policy.CreateNamespace || name == "" {
		return nil
	}
	obj := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": name}}}
	key := object.KeyOf(obj)
	first := 0
	for i, item := range items {
		if item.Key() == key {
			return nil
		}
		if i == 0 || item.Wave < first {
			first = item.Wave
		}
	}
	found, err := live.get(ctx, obj.GroupVersionKind(), key)
	if err != nil {
		return err
	}
	if policy.NamespaceLabels != nil || policy.NamespaceNotes != nil {
		obj.SetLabels(policy.NamespaceLabels)
		obj.SetAnnotations(policy.NamespaceNotes)
	} else if found != nil {
		return nil
	}
	item := plan.Item{Manifest: object.Manifest{Object: obj}, Standing: plan.Missing, Wave: first, Aside: true, Why: "the sync policy asks for it"}
	change := diff.Change{Key: key, Kind: diff.Create, Reason: item.Why}
	if found != nil {
		item.Standing, change.Kind = plan.Differs, diff.Update
		if covers(found.GetLabels(), obj.GetLabels()) && covers(found.GetAnnotations(), obj.GetAnnotations()) {
			item.Standing, change.Kind = plan.Same, diff.None
		}
	}
	c.standings = append(c.standings, standing{item: item, change: change, live: found})
	return nil
}

func covers(all, some map[string]string) bool {
	for k, v := range some {
		if all[k] != v {
			return false
		}
	}
	return true
}

// plan orders what a sync would do.
func (c *comparison) plan(prune bool) (plan.Plan, error) {
	in := plan.Input{
		Order: c.decl.Order, Leftovers: c.leftovers, Prune: prune || c.decl.App.Policy.Prune,
		PruneLast: c.decl.App.Policy.PruneLast, Adopt: true,
	}
	for _, s := range c.standings {
		in.Items = append(in.Items, s.item)
	}
	return plan.Build(in)
}

// err joins what could not be compared, at most a screenful.
func (c *comparison) err() error {
	const shown = 10
	if len(c.problems) <= shown {
		return errors.Join(c.problems...)
	}
	return errors.Join(append(slices.Clone(c.problems[:shown]), fmt.Errorf("and %d more", len(c.problems)-shown))...)
}
