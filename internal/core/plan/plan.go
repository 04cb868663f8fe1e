// Package plan orders the work that makes a cluster match its source.
//
// In go the desired objects, how each stands in the cluster, and what is left
// over; out comes a Plan: waves of steps as plain data that can be printed,
// compared and stored. Equal inputs give equal plans. The package performs no
// I/O, and a step never carries a client.
package plan

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/plumbline-dev/plumbline/internal/core/app"
	"github.com/plumbline-dev/plumbline/internal/core/object"
)

// Standing says how a desired object compares with the cluster.
type Standing string

// The standings.
const (
	Missing Standing = "missing" // not in the cluster
	Differs Standing = "differs" // applying it would change what is stored
	Unowned Standing = "unowned" // stored as desired, but by another field manager
	Same    Standing = "same"    // applying it would change nothing
	Stale   Standing = "stale"   // a hook that an earlier run left: to be removed first
	Leaving Standing = "leaving" // such a hook on its way out
)

// Item is one desired object, ready to be applied.
type Item struct {
	object.Manifest
	Standing Standing
	Why      string // why it differs, for people: "spec.replicas: 2 -> 3"
	Settled  Settled
	Phase    app.SyncPhase
	Wave     int
	Hook     *Hook // nil: part of the application
	Aside    bool  // created when missing, but not part of the application: never marked, owned or pruned
	Replace  bool  // write it whole rather than apply fields
	Force    bool  // delete and create again when a field cannot be changed
	Lenient  bool  // unknown fields are dropped, not refused
}

// Settled says whether an object lets later waves begin.
type Settled string

// The answers; an object without any health counts as settled.
const (
	Ready   Settled = ""
	Pending Settled = "pending"
	Broken  Settled = "broken"
)

// Leftover is a live object that the application owns and no longer declares.
type Leftover struct {
	Entry object.Entry
	UID   string
	Wave  int
	Last  bool   // prune it after everything else
	Held  string // why it must stay; empty: it may go
	Asks  bool   // a person has to be asked before it goes
	Going bool   // it is being deleted already

	Guarded bool // Held is a guard's word, which a person can overrule
}

// Action is what a step does.
type Action string

// The actions.
const (
	Create  Action = "create"
	Patch   Action = "patch"
	Adopt   Action = "adopt" // take the fields over from another manager, values unchanged
	Replace Action = "replace"
	Clear   Action = "clear" // delete what an earlier run of a hook left
	Prune   Action = "prune"
	Keep    Action = "keep" // a leftover that stays, with the reason
)

// Step is one change to one object.
type Step struct {
	Action   Action          `json:"action"`
	Key      object.Key      `json:"key"`
	Version  string          `json:"version"`
	Reason   string          `json:"reason"`
	UID      string          `json:"uid,omitempty"` // of the object to prune
	Manifest object.Manifest `json:"-"`
	Force    bool            `json:"force,omitempty"`
	Lenient  bool            `json:"lenient,omitempty"`
	Aside    bool            `json:"aside,omitempty"`
	Hook     bool            `json:"hook,omitempty"`
	Phase    app.SyncPhase   `json:"-"` // of a hook
}

// String returns "create  apps/Deployment shop/api  not in cluster".
func (s Step) String() string {
	return fmt.Sprintf("%-7s  %s  %s", s.Action, s.Key, s.Reason)
}

// Wave is the steps that may run without waiting for each other's health.
type Wave struct {
	Phase  app.SyncPhase `json:"phase,omitempty"` // none: Sync
	Number int           `json:"wave"`
	Steps  []Step        `json:"steps"`
	// Leaving lists hooks of earlier runs that have to be gone before the wave
	// begins; its steps do nothing but clear such hooks away until they are.
	Leaving []object.Key `json:"leaving,omitempty"`
	// After lists objects of earlier waves that have to become healthy first.
	After []object.Key `json:"after,omitempty"`
	// Broken lists objects of earlier waves that are degraded: the wave cannot begin.
	Broken []object.Key `json:"broken,omitempty"`
}

// Plan is what to do, in order.
type Plan struct {
	Waves []Wave `json:"waves"`
}

// Idle reports whether no step would touch the cluster.
func (p Plan) Idle() bool {
	for _, w := range p.Waves {
		for _, s := range w.Steps {
			if s.Action != Keep {
				return false
			}
		}
	}
	return true
}

// Input is what Build orders.
type Input struct {
	Order     Order
	Items     []Item
	Leftovers []Leftover
	Prune     bool // without it leftovers are kept and listed
	PruneLast bool
	Adopt     bool           // also take over objects that stand as desired but belong to another manager
	Only      []app.Selector // empty: all
}

// DuplicateError reports two desired objects with one key and phase.
type DuplicateError struct {
	Key   object.Key
	Files [2]string
}

func (e *DuplicateError) Error() string {
	if e.Files[0] == e.Files[1] {
		return fmt.Sprintf("%s is declared twice in %s", e.Key, e.Files[0])
	}
	return fmt.Sprintf("%s is declared twice: in %s and in %s", e.Key, e.Files[0], e.Files[1])
}

// Build orders in.Items and in.Leftovers into waves.
//
// Waves come back in execution order: by phase, then by number. Within a wave
// steps are sorted by kind rank, namespace and name, and prunes come last, so that
// an object which is renamed exists under its new name before the old one goes. A
// Namespace or a CustomResourceDefinition moves into the earliest wave that needs
// it. ByWave, waves of prunes are mirrored, so that objects go in the reverse of the
// order they came; ByStage, prunes are a wave of their own after everything else.
// Objects that stand as desired make no step but are waited for: a wave lists
// the unsettled objects of the waves before it. Build keeps no reference to in's
// slices; cost grows as n log n. It fails with *DuplicateError.
func Build(in Input) (Plan, error) {
	if err := unique(in.Items); err != nil {
		return Plan{}, err
	}
	items := hoist(in.Items)
	slices.SortStableFunc(items, func(a, b Item) int { return in.Order.compare(a, b) })
	waves := map[Turn]*Wave{}
	add := func(t Turn, step Step) {
		if waves[t] == nil {
			waves[t] = &Wave{Phase: t.Phase, Number: t.Wave}
		}
		waves[t].Steps = append(waves[t].Steps, step)
	}
	leaving := map[Turn][]object.Key{}
	for _, item := range items {
		if step, ok := itemStep(in, item); ok {
			add(item.turn(), step)
		}
		if item.Standing == Leaving || item.Standing == Stale {
			leaving[item.turn()] = append(leaving[item.turn()], item.Key())
		}
	}
	for _, left := range mirrored(in, items) {
		if step, ok := leftoverStep(in, left); ok {
			add(Turn{Wave: left.Wave}, step)
		}
	}
	for t, keys := range leaving {
		if waves[t] == nil {
			waves[t] = &Wave{Phase: t.Phase, Number: t.Wave}
		}
		waves[t].Leaving = keys
		waves[t].Steps = slices.DeleteFunc(waves[t].Steps, func(s Step) bool { return s.Action != Clear && s.Action != Keep })
	}
	var p Plan
	for _, t := range slices.SortedFunc(maps.Keys(waves), Turn.compare) {
		w := *waves[t]
		w.After, w.Broken = unsettledBefore(in.Order, items, t)
		p.Waves = append(p.Waves, w)
	}
	return p, nil
}

// Turn is when an object is dealt with.
type Turn struct {
	Phase app.SyncPhase
	Wave  int
}

func (t Turn) compare(other Turn) int {
	return cmp.Or(t.Phase.Compare(other.Phase), cmp.Compare(t.Wave, other.Wave))
}

func (i Item) turn() Turn { return Turn{i.Phase, i.Wave} }

// Turn returns the wave's.
func (w Wave) Turn() Turn { return Turn{w.Phase, w.Number} }

// Next returns the first wave that was not done and has something to do, or to
// wait for, without the objects that only stay; nil if there is none.
func (p Plan) Next(done map[Turn]bool) *Wave {
	for _, w := range p.Waves { // copies: the plan keeps what stays, for the record
		w.Steps = slices.DeleteFunc(slices.Clone(w.Steps), func(s Step) bool { return s.Action == Keep })
		if (len(w.Steps) > 0 || len(w.Leaving) > 0) && !done[w.Turn()] {
			return &w
		}
	}
	return nil
}

func unique(items []Item) error {
	type identity struct {
		key   object.Key
		phase app.SyncPhase
		hook  bool
	}
	seen := make(map[identity]string, len(items))
	for _, item := range items {
		id := identity{item.Key(), item.Phase, item.Hook != nil}
		if file, again := seen[id]; again {
			return &DuplicateError{Key: id.key, Files: [2]string{file, item.Origin.File}}
		}
		seen[id] = item.Origin.File
	}
	return nil
}

func selected(only []app.Selector, key object.Key) bool {
	return len(only) == 0 || slices.ContainsFunc(only, func(s app.Selector) bool { return s.Matches(key) })
}

func itemStep(in Input, item Item) (Step, bool) {
	key := item.Key()
	step := Step{
		Key: key, Version: item.Object.GroupVersionKind().Version, Reason: item.Why,
		Manifest: item.Manifest, Force: item.Force, Lenient: item.Lenient, Aside: item.Aside,
	}
	if item.Hook != nil {
		step.Hook, step.Phase = true, item.Phase
	}
	switch item.Standing {
	case Missing:
		step.Action, step.Reason = Create, cmp.Or(item.Why, "not in cluster")
	case Differs:
		step.Action = Patch
		if item.Replace {
			step.Action = Replace
		}
	case Unowned:
		if !in.Adopt || item.Replace { // what is written whole is ours whoever wrote it before
			return Step{}, false
		}
		step.Action, step.Reason = Adopt, cmp.Or(item.Why, "owned by another manager")
	case Stale:
		step.Action, step.UID, step.Reason = Clear, item.Hook.UID, "left by an earlier run"
	case Same, Leaving:
		return Step{}, false
	}
	return step, item.Aside || item.Hook != nil || selected(in.Only, key)
}

func leftoverStep(in Input, left Leftover) (Step, bool) {
	if !selected(in.Only, left.Entry.Key) || left.Going {
		return Step{}, false
	}
	step := Step{Action: Prune, Key: left.Entry.Key, Version: left.Entry.Version, UID: left.UID, Reason: "no longer declared"}
	switch {
	case left.Held != "":
		step.Action, step.Reason = Keep, left.Held
	case !in.Prune:
		step.Action, step.Reason = Keep, "ignored (requires pruning)"
	}
	return step, true
}

// mirrored gives each leftover the wave it is pruned in: first and last wave
// among the leftovers change places, and so on inwards; the last ones follow
// after every wave of the application's own objects.
func mirrored(in Input, items []Item) []Leftover {
	var waves []int
	final, last := 0, in.PruneLast || in.Order == ByStage
	for _, item := range items {
		if item.Phase == app.InSync {
			final = max(final, item.Wave)
		}
	}
	for _, left := range in.Leftovers {
		final = max(final, left.Wave)
		if !left.Last && !last {
			waves = append(waves, left.Wave)
		}
	}
	slices.Sort(waves)
	waves = slices.Compact(waves)
	opposite := make(map[int]int, len(waves))
	for i, w := range waves {
		opposite[w] = waves[len(waves)-1-i]
	}
	out := slices.Clone(in.Leftovers)
	for i := range out {
		if out[i].Last || last {
			out[i].Wave = final + 1
			continue
		}
		out[i].Wave = opposite[out[i].Wave]
	}
	slices.SortFunc(out, func(a, b Leftover) int { // the reverse of the order of creation
		return -cmp.Or(in.Order.rank(a.Entry.Key)-in.Order.rank(b.Entry.Key), a.Entry.Key.Compare(b.Entry.Key))
	})
	return out
}

func unsettledBefore(o Order, items []Item, t Turn) (pending, broken []object.Key) {
	for _, item := range items {
		if item.turn().compare(t) >= 0 || item.Aside || item.Standing == Missing || !o.gates(item.Wave) {
			continue
		}
		switch item.Settled {
		case Pending:
			pending = append(pending, item.Key())
		case Broken:
			broken = append(broken, item.Key())
		case Ready:
		}
	}
	return pending, broken
}

// hoist moves Namespaces and CustomResourceDefinitions into the earliest Turn
// of an object that needs them.
func hoist(items []Item) []Item {
	needed := map[string]Turn{}
	note := func(id string, t Turn) {
		if first, ok := needed[id]; !ok || t.compare(first) < 0 {
			needed[id] = t
		}
	}
	for _, item := range items {
		key := item.Key()
		note("namespace/"+key.Namespace, item.turn())
		note("kind/"+key.Kind+"."+key.Group, item.turn())
	}
	out := slices.Clone(items)
	for i := range out {
		key, id := out[i].Key(), ""
		switch {
		case key.Group == "" && key.Kind == "Namespace":
			id = "namespace/" + key.Name
		case IsCRD(key):
			id = "kind/" + definedKind(out[i])
		}
		if t, ok := needed[id]; ok && id != "" && t.compare(out[i].turn()) < 0 {
			out[i].Phase, out[i].Wave = t.Phase, t.Wave
		}
	}
	return out
}

// IsCRD reports whether key names a CustomResourceDefinition.
func IsCRD(key object.Key) bool {
	return key.Group == "apiextensions.k8s.io" && key.Kind == "CustomResourceDefinition"
}

// definedKind returns "Kind.group" of a CustomResourceDefinition.
func definedKind(item Item) string {
	spec, _ := item.Object.Object["spec"].(map[string]any)
	names, _ := spec["names"].(map[string]any)
	kind, _ := names["kind"].(string)
	group, _ := spec["group"].(string)
	return kind + "." + group
}

// String prints one line per step: "  0  create  v1/ConfigMap shop/api  not in cluster",
// with the phase in front where that is not Sync.
func (p Plan) String() string {
	var b strings.Builder
	for _, w := range p.Waves {
		for _, s := range w.Steps {
			if w.Phase != app.InSync {
				fmt.Fprintf(&b, "%s ", w.Phase)
			}
			fmt.Fprintf(&b, "%3d  %s\n", w.Number, s)
		}
	}
	return b.String()
}
