package reconcile

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/plumbline-dev/plumbline/internal/core/app"
	"github.com/plumbline-dev/plumbline/internal/core/assess"
	"github.com/plumbline-dev/plumbline/internal/core/condition"
	"github.com/plumbline-dev/plumbline/internal/core/diff"
	"github.com/plumbline-dev/plumbline/internal/core/health"
	"github.com/plumbline-dev/plumbline/internal/core/object"
	"github.com/plumbline-dev/plumbline/internal/core/plan"
	"github.com/plumbline-dev/plumbline/internal/engine/apply"
)

// comparison is how the desired objects and the leftovers stand in the cluster.
type comparison struct {
	items     []plan.Item
	leftovers []plan.Leftover
	inventory object.Inventory
	health    map[object.Key]health.Status
	unknown   map[object.Key]error // objects whose kind cannot be looked at at present
	unseen    []object.Entry       // those of them that are owned and not desired
	extra     map[object.Key]bool  // leftovers that do not count
	shared    []string             // objects that other applications claim
	claimed   map[object.Key]bool  // the same
	going     map[object.Key]bool  // desired objects that are being deleted
	images    []string
	invalid   []error // objects that the API server would refuse whatever is live
	served    served
	hooks     []*unstructured.Unstructured // that are live, of whatever operation
	holds     []condition.Problem          // why leftovers stay until a person confirms
	awaited   int                          // applications that had yet to say what they declare
	drifted   int                          // objects in sync that others changed since the last time
}

// compare looks at every desired object and every leftover. Only objects that
// changed since the last time are looked at closely.
func (s *session) compare(ctx context.Context, items []plan.Item) (*comparison, error) {
	ctx, end := s.stage(ctx, s.app.ID, "diff")
	c := &comparison{
		items: slices.Clone(items), health: map[object.Key]health.Status{},
		unknown: map[object.Key]error{}, extra: map[object.Key]bool{}, claimed: map[object.Key]bool{}, going: map[object.Key]bool{},
	}
	err := s.compareAll(ctx, c)
	s.options.Recorder.Drift(c.drifted, 0)
	end(err)
	return c, err
}

func (s *session) compareAll(ctx context.Context, c *comparison) error {
	if s.mem.checks != s.traits.Checks || !reflect.DeepEqual(s.mem.ignores, s.app.Ignores) || !slices.Equal(s.mem.taken, s.traits.Takeover) { // every verdict may be another one
		clear(s.mem.items)
		s.mem.ignores, s.mem.checks, s.mem.taken = s.app.Ignores, s.traits.Checks, s.traits.Takeover
	}
	owned := s.candidates(c.items)
	served, err := s.serve(ctx, c, owned)
	if err != nil {
		return err
	}
	c.served = served
	for i := range c.items {
		if err := s.stand(ctx, c, &c.items[i], served); err != nil {
			return err
		}
	}
	s.addNamespace(c)
	if len(owned) > 0 {
		c.awaited = s.roll.others(s.app.ID) // before looking at what others claim
	}
	for _, entry := range owned {
		s.leftover(c, entry, served)
	}
	s.guard(ctx, c)
	s.takeStock(c)
	s.mem.sweep(c.items)
	slices.Sort(c.images)
	c.images = slices.Compact(c.images)
	return nil
}

// version returns that in which an object is declared.
func (c *comparison) version(key object.Key) string {
	for _, item := range c.items {
		if item.Key() == key {
			return item.Object.GroupVersionKind().Version
		}
	}
	return ""
}

// candidates are the objects that may be ours besides the desired ones: what
// the inventory remembers and what carries our mark.
func (s *session) candidates(items []plan.Item) object.Inventory {
	desired := make(map[object.Key]bool, len(items))
	for _, item := range items {
		desired[item.Key()] = true
	}
	var entries []object.Entry
	for _, e := range s.out.Inventory {
		if !desired[e.Key] && !s.excludes(e.Key) {
			entries = append(entries, e)
		}
	}
	for _, e := range s.app.State.Hooks {
		if !desired[e.Key] {
			entries = append(entries, e)
		}
	}
	known := object.NewInventory(entries)
	for _, key := range s.cluster.Owned(s.app.ID) {
		if s.traits.Marked && !desired[key] && !known.Has(key) && !s.excludes(key) {
			entries = append(entries, object.Entry{Key: key})
		}
	}
	return object.NewInventory(entries)
}

// served says for each kind how the cluster serves it or why that is not known.
type served map[schema.GroupKind]struct {
	resource Resource
	err      error
}

// serve finds out about all kinds and waits until their objects are known. A
// kind that the cluster does not have fails the comparison unless the same set
// defines it; a kind that cannot be looked at stays unknown by itself.
func (s *session) serve(ctx context.Context, c *comparison, owned object.Inventory) (served, error) {
	kinds := served{}
	ask := func(gk schema.GroupKind, version string) {
		if _, asked := kinds[gk]; asked {
			return
		}
		entry := kinds[gk]
		entry.resource, entry.err = s.cluster.Resource(ctx, gk, version)
		kinds[gk] = entry
	}
	for _, item := range c.items {
		gvk := item.Object.GroupVersionKind()
		ask(gvk.GroupKind(), gvk.Version)
	}
	for _, hook := range s.hooks {
		gvk := hook.Object.GroupVersionKind()
		ask(gvk.GroupKind(), gvk.Version)
	}
	for _, e := range owned {
		ask(e.Key.GroupKind(), e.Version)
	}
	for _, e := range s.policy.Awaited {
		ask(e.Key.GroupKind(), e.Version)
	}
	if s.policy.CreateNamespace {
		ask(namespaceKind, "v1")
	}
	var resources []Resource
	for _, k := range kinds {
		if k.err == nil {
			resources = append(resources, k.resource)
		}
	}
	slices.SortFunc(resources, func(a, b Resource) int { return cmp.Compare(a.GVK.String(), b.GVK.String()) })
	settle, cancel := context.WithTimeout(ctx, s.options.Settle)
	defer cancel()
	for gk, err := range s.cluster.Require(settle, s.app.ID, resources) {
		entry := kinds[gk]
		entry.err = err
		kinds[gk] = entry
	}
	return kinds, ctx.Err()
}

// stand finds the standing and health of one desired object.
func (s *session) stand(ctx context.Context, c *comparison, item *plan.Item, kinds served) error {
	key := item.Key()
	if err := kinds[key.GroupKind()].err; err != nil {
		return s.unserved(c, item, err)
	}
	meta, exists := s.cluster.Meta(key)
	desired := s.digestOf(item.Object)
	if !exists {
		item.Standing = plan.Missing
		delete(s.mem.items, key)
		if err := s.validate(ctx, item); err != nil {
			c.invalid = append(c.invalid, err)
		}
		return nil
	}
	known := s.mem.items[key]
	if known == nil || known.uid != meta.UID || known.version != meta.ResourceVersion || known.desired != desired {
		live, found := s.cluster.Live(key)
		if !found {
			item.Standing = plan.Missing
			return nil
		}
		var err error
		if known, err = s.look(ctx, item, live, desired, known); err != nil {
			if invalid := (*diff.InvalidError)(nil); errors.As(err, &invalid) {
				c.invalid = append(c.invalid, fmt.Errorf("%s: %w", item.Origin.File, err))
				item.Standing, item.Why = plan.Differs, err.Error()
				return nil
			}
			return condition.Because(condition.CompareFailed, fmt.Errorf("%s: %w", key, err))
		}
		if before := s.mem.items[key]; before != nil && before.verdict == plan.Same && before.desired == desired && known.verdict == plan.Differs {
			c.drifted++
		}
		s.mem.items[key] = known
	}
	item.Standing, item.Why = known.verdict, known.why
	if meta.Going {
		c.going[key] = true
	}
	if !s.subject.IgnoresHealth(item.Object) {
		item.Settled = known.vitals.Settled(s.traits.Order)
		if known.vitals.Rated {
			c.health[key] = known.vitals.Health
		}
	}
	if known.owner != (app.ID{}) && known.owner != s.app.ID {
		c.claimed[key] = true
		c.shared = append(c.shared, fmt.Sprintf("%s/%s is part of applications %s and %s", key.Kind, key.Name, s.app.ID, known.owner))
	}
	c.images = append(c.images, known.vitals.Images...)
	return nil
}

// digestOf returns the digest of a desired object; it is asked for at every look.
func (s *session) digestOf(obj *unstructured.Unstructured) diff.Digest {
	d, ok := s.digests[obj]
	if !ok {
		if s.digests == nil {
			s.digests = map[*unstructured.Unstructured]diff.Digest{}
		}
		d = diff.DigestOf(obj)
		s.digests[obj] = d
	}
	return d
}

// unserved handles an object whose kind the cluster does not serve.
func (s *session) unserved(c *comparison, item *plan.Item, err error) error {
	key := item.Key()
	if unknown := (*UnknownKindError)(nil); !errors.As(err, &unknown) {
		c.unknown[key] = err
		return nil
	}
	item.Standing = plan.Missing
	for _, other := range c.items {
		if gk, _, ok := assess.Defines(other.Object); ok && gk == key.GroupKind() {
			return nil
		}
	}
	if s.policy.MissingKindsLater {
		return nil
	}
	c.invalid = append(c.invalid, fmt.Errorf("%s: %s: the cluster has no kind %s in version %s; install its CustomResourceDefinition first or declare it in the same source",
		item.Origin.File, key, key.GroupKind(), item.Object.GroupVersionKind().GroupVersion()))
	return nil
}

// validate checks a new object against the cluster's structural types.
func (s *session) validate(ctx context.Context, item *plan.Item) error {
	if item.Lenient {
		return nil
	}
	schemas, err := s.cluster.Schemas(ctx, item.Object.GroupVersionKind().GroupVersion())
	if err != nil {
		return nil // the server will say what is wrong
	}
	_, err = diff.Compute(diff.Input{Desired: item.Object, Manager: s.traits.Manager, Schemas: schemas})
	if invalid := (*diff.InvalidError)(nil); errors.As(err, &invalid) {
		return fmt.Errorf("%s: %w", item.Origin.File, err)
	}
	return nil
}

// look compares one object with its live state closely.
func (s *session) look(ctx context.Context, item *plan.Item, live *unstructured.Unstructured, desired diff.Digest, before *standing) (*standing, error) {
	now := &standing{uid: string(live.GetUID()), version: live.GetResourceVersion(), desired: desired, vitals: assess.VitalsOf(live, s.traits.Checks)}
	now.owner, _ = s.subject.Owner(live)
	if s.subject.HandsOff(live) {
		now.verdict = plan.Same
		return now, nil
	}
	owned, ours := diff.Owned(live, s.traits.Manager)
	if before != nil && before.uid == now.uid && before.desired == desired && before.verdict == plan.Same && ours && before.owned == owned {
		now.verdict, now.owned = plan.Same, owned
		return now, nil
	}
	change, err := s.change(ctx, item, live)
	if err != nil {
		return nil, err
	}
	if now.verdict, now.why = assess.Standing(change); now.verdict == plan.Same {
		now.owned = owned
	}
	return now, nil
}

func (s *session) diffInput(item *plan.Item, live *unstructured.Unstructured) diff.Input {
	ignore := s.app.Ignores.Of(item.Key())
	return diff.Input{
		Desired: item.Object, Live: live, Manager: s.traits.Manager, Takeover: s.traits.Takeover,
		IgnoreFields: ignore.Fields, IgnoreQueries: ignore.Queries, IgnoreManagers: ignore.Managers,
	}
}

// respect makes items that differ leave alone what is ignored of them.
func (s *session) respect(ctx context.Context, items []plan.Item) error {
	if !s.policy.KeepIgnored || len(s.app.Ignores) == 0 {
		return nil
	}
	for i := range items {
		item := &items[i]
		live, exists := s.cluster.Live(item.Key())
		if !exists || item.Standing != plan.Differs {
			continue
		}
		in := s.diffInput(item, live)
		var err error
		if in.Schemas, err = s.cluster.Schemas(ctx, item.Object.GroupVersionKind().GroupVersion()); err != nil {
			return err
		}
		if item.Object, err = diff.Respect(in, item.Replace || s.policy.Replace); err != nil {
			return fmt.Errorf("%s: %w", item.Origin.File, err)
		}
	}
	return nil
}

// change computes what an apply would do, here if that can be decided and by a
// dry run on the server otherwise.
func (s *session) change(ctx context.Context, item *plan.Item, live *unstructured.Unstructured) (diff.Change, error) {
	in := s.diffInput(item, live)
	var undecided *diff.UndecidedError
	schemas, err := s.cluster.Schemas(ctx, item.Object.GroupVersionKind().GroupVersion())
	if err == nil {
		in.Schemas = schemas
		var change diff.Change
		if change, err = diff.Compute(in); err == nil || !errors.As(err, &undecided) {
			return change, err
		}
	}
	result, err := s.cluster.Apply(ctx, item.Object, apply.Options{
		User: s.app.ID, RunAs: s.app.Target.RunAs, Manager: s.traits.Manager, DryRun: true, Lenient: item.Lenient,
	})
	if err != nil {
		return diff.Change{Key: item.Key(), Kind: diff.Update, Reason: err.Error()}, nil //nolint:nilerr // shown as the reason; applying will fail with it
	}
	return diff.FromDryRun(in, result)
}

// leftover judges one object that is ours by inventory or mark and not desired.
func (s *session) leftover(c *comparison, entry object.Entry, kinds served) {
	kind := kinds[entry.Key.GroupKind()]
	if kind.err != nil {
		if unknown := (*UnknownKindError)(nil); !errors.As(kind.err, &unknown) {
			c.unknown[entry.Key] = kind.err
			c.unseen = append(c.unseen, entry)
		}
		return
	}
	meta, exists := s.cluster.Meta(entry.Key)
	if !exists {
		return
	}
	live, found := s.cluster.Live(entry.Key)
	if !found {
		return
	}
	if owner, marked := s.subject.Owner(live); !marked || owner != s.app.ID {
		return // released: somebody took our mark off, or put theirs on
	}
	if s.subject.IsHook(live) || s.isHook(entry.Key) {
		c.hooks = append(c.hooks, live)
		return
	}
	if s.claimedElsewhere(entry.Key) {
		return // it has moved to another application, which may mark it in another way
	}
	if entry.Version == "" {
		entry.Version = kind.resource.GVK.Version
	}
	left := plan.Leftover{Entry: entry, UID: meta.UID, Going: meta.Going, Held: s.subject.KeepOnPrune(live), Asks: s.subject.AsksOnPrune(live)}
	left.Wave, left.Last = s.subject.PruneWave(live)
	c.extra[entry.Key] = s.subject.IgnoresExtra(live)
	c.leftovers = append(c.leftovers, left)
}

// takeStock rebuilds the inventory: what is desired and live, what is left over,
// and what could not be looked at.
func (s *session) takeStock(c *comparison) {
	var entries []object.Entry
	keys := make([]object.Key, 0, len(c.items))
	for _, item := range c.items {
		if item.Aside {
			continue
		}
		keys = append(keys, item.Key())
		if _, unknown := c.unknown[item.Key()]; item.Standing != plan.Missing || (unknown && s.out.Inventory.Has(item.Key())) {
			entries = append(entries, object.Entry{Key: item.Key(), Version: item.Object.GroupVersionKind().Version})
		}
	}
	for _, left := range c.leftovers {
		entries = append(entries, left.Entry)
	}
	entries = append(entries, c.unseen...)
	c.inventory = object.NewInventory(entries)
	s.claim(keys)
}

// sweep forgets objects that are no longer desired.
func (m *memory) sweep(items []plan.Item) {
	if len(m.items) <= len(items) {
		return
	}
	desired := make(map[object.Key]bool, len(items))
	for _, item := range items {
		desired[item.Key()] = true
	}
	for key := range m.items {
		if !desired[key] {
			delete(m.items, key)
		}
	}
}

var namespaceKind = schema.GroupKind{Kind: "Namespace"}

// addNamespace puts the destination namespace in front when the policy asks for
// it and nothing else declares it.
func (s *session) addNamespace(c *comparison) {
	item, ok := assess.Namespace(s.app, s.policy, c.items, func(key object.Key) *unstructured.Unstructured {
		live, _ := s.cluster.Live(key)
		return live
	})
	if ok {
		c.items = append(c.items, item)
	}
}
