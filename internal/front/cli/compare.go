package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/plumbline-dev/plumbline/internal/core/app"
	"github.com/plumbline-dev/plumbline/internal/core/assess"
	"github.com/plumbline-dev/plumbline/internal/core/diff"
	"github.com/plumbline-dev/plumbline/internal/core/gate"
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
	hooks     []plan.Item                  // that a sync runs
	problems  []error                      // objects that could not be compared, or would be refused
}

// compare looks at every desired object and at every leftover.
func compare(ctx context.Context, u unit, items []plan.Item, live view) (*comparison, error) {
	c := &comparison{decl: u.decl}
	items, hooks, _ := plan.Split(items)
	c.expect(hooks)
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
		if !desired[object.KeyOf(obj)] && !u.decl.IsHook(obj) {
			c.leave(obj)
		}
	}
	c.guard()
	return c, nil
}

// expect notes the hooks that a sync runs unless it fails.
func (c *comparison) expect(hooks []plan.Item) {
	for _, hook := range hooks {
		if hook.Phase == app.SyncFail {
			continue
		}
		hook = hook.Titled()
		hook.Standing, hook.Why = plan.Missing, "hook: runs in every sync of everything"
		c.hooks = append(c.hooks, hook)
	}
}

// guard holds what the server would hold because it is too much at once. A
// limit that only the server or the project knows is not known here.
func (c *comparison) guard() {
	owned := len(c.decl.App.State.Inventory)
	if owned == 0 {
		owned = len(c.leftovers)
		for _, s := range c.standings {
			if s.live != nil {
				owned++
			}
		}
	}
	c.leftovers, _ = gate.Guard(gate.Prunes{
		App: c.decl.App.ID, Limit: c.decl.App.Policy.PruneLimit.Or(app.DefaultPruneLimit), Owned: owned,
		Standing: c.decl.App.State.PruneHeld, Leftovers: c.leftovers,
	})
}

func stand(ctx context.Context, d *Declaration, item plan.Item, live view) (standing, error) {
	key := item.Key()
	found, err := live.get(ctx, item.Object.GroupVersionKind(), key)
	if err != nil {
		return standing{}, err
	}
	s := standing{item: item, live: found}
	in := diff.Input{Desired: item.Object, Live: found, Manager: d.Manager, Takeover: d.Takeover}
	ignore := d.App.Ignores.Of(key)
	in.IgnoreFields, in.IgnoreQueries, in.IgnoreManagers = ignore.Fields, ignore.Queries, ignore.Managers
	s.change, err = live.change(ctx, in)
	if err != nil {
		return standing{}, err
	}
	s.item.Standing, s.item.Why = assess.Standing(s.change)
	if found != nil && !d.IgnoresHealth(found) {
		s.item.Settled = assess.VitalsOf(found, nil).Settled(d.Order)
	}
	return s, nil
}

// leave notes a live object of the application that it no longer declares.
func (c *comparison) leave(obj *unstructured.Unstructured) {
	left := plan.Leftover{
		Entry: object.Entry{Key: object.KeyOf(obj), Version: obj.GroupVersionKind().Version},
		UID:   string(obj.GetUID()), Going: obj.GetDeletionTimestamp() != nil, Held: c.decl.KeepOnPrune(obj),
	}
	if left.Held == "" && c.decl.AsksOnPrune(obj) {
		left.Held = "a person has to agree to its deletion"
	}
	left.Wave, left.Last = c.decl.PruneWave(obj)
	c.leftovers = append(c.leftovers, left)
	c.removed = append(c.removed, obj)
}

// addNamespace puts the destination's namespace in front when the policy asks
// for it and nothing declares it.
func (c *comparison) addNamespace(ctx context.Context, items []plan.Item, live view) error {
	var found *unstructured.Unstructured
	var failed error
	item, ok := assess.Namespace(c.decl.App, c.decl.App.Policy, items, func(key object.Key) *unstructured.Unstructured {
		found, failed = live.get(ctx, schema.GroupVersionKind{Version: "v1", Kind: "Namespace"}, key)
		return found
	})
	if failed != nil || !ok {
		return failed
	}
	change := diff.Change{Key: item.Key(), Kind: diff.Create, Reason: item.Why}
	switch item.Standing {
	case plan.Differs:
		change.Kind = diff.Update
	case plan.Same:
		change.Kind = diff.None
	case plan.Missing, plan.Unowned:
	}
	c.standings = append(c.standings, standing{item: item, change: change, live: found})
	return nil
}

// plan orders what a sync would do. Hooks run only beside something else.
func (c *comparison) plan(prune bool) (plan.Plan, error) {
	in := plan.Input{
		Order: c.decl.Order, Leftovers: c.leftovers, Prune: prune || c.decl.App.Policy.Prune,
		PruneLast: c.decl.App.Policy.PruneLast, Adopt: true,
	}
	for _, s := range c.standings {
		in.Items = append(in.Items, s.item)
	}
	p, err := plan.Build(in)
	if err != nil || p.Idle() {
		return p, err
	}
	in.Items = append(in.Items, c.hooks...)
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
