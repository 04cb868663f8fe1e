package gate_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/plumbline-dev/plumbline/internal/core/app"
	"github.com/plumbline-dev/plumbline/internal/core/condition"
	"github.com/plumbline-dev/plumbline/internal/core/gate"
	"github.com/plumbline-dev/plumbline/internal/core/object"
	"github.com/plumbline-dev/plumbline/internal/core/source"
)

var (
	now    = time.Date(2026, 5, 4, 8, 0, 0, 0, time.UTC)
	first  = source.Revision{Name: "main", ID: "1111111111111111111111111111111111111111"}
	second = source.Revision{Name: "main", ID: "2222222222222222222222222222222222222222"}

	cautious = app.Policy{Automatic: true, Once: true, Retry: app.Retry{Limit: 5, Wait: 5 * time.Second, Factor: 2}}
	full     = app.Policy{
		Automatic: true, Once: true, Prune: true, SelfHeal: true, Retry: cautious.Retry,
		HealWait: app.Retry{Wait: 2 * time.Second, Factor: 3, Max: 5 * time.Minute},
	}
)

func key(kind, name string) object.Key { return object.Key{Kind: kind, Namespace: "shop", Name: name} }

func resources(list ...app.Resource) []app.Resource { return list }

func synced(name string) app.Resource {
	return app.Resource{Key: key("ConfigMap", name), Sync: app.Synced}
}

func drifted(name string) app.Resource {
	return app.Resource{Key: key("ConfigMap", name), Sync: app.OutOfSync}
}

func left(name string) app.Resource {
	return app.Resource{Key: key("ConfigMap", name), Sync: app.OutOfSync, Prune: true}
}

// kept is a leftover that has to stay.
func kept(name string) app.Resource {
	r := left(name)
	r.Reason = "ignored (no prune)"
	return r
}

// run is an automatic operation of the first revision that ended a second ago.
func run(phase app.Phase, edit func(*app.Run)) *app.Run {
	r := &app.Run{
		Operation: app.Operation{Revision: first.ID, Automatic: true, Retry: cautious.Retry},
		Phase:     phase, Message: "it broke", Revision: first, Source: "spec",
		StartedAt: now.Add(-time.Minute), FinishedAt: now.Add(-time.Second),
	}
	if edit != nil {
		edit(r)
	}
	return r
}

func whole(p app.Policy, rev source.Revision) *app.Operation {
	return &app.Operation{Revision: rev.ID, Automatic: true, Prune: p.Prune, Retry: p.Retry}
}

func repair(p app.Policy, heals int64, names ...string) *app.Operation {
	op := whole(p, first)
	op.Heals = heals
	for _, name := range names {
		op.Only = append(op.Only, app.Selector{Kind: "ConfigMap", Namespace: "shop", Name: name})
	}
	return op
}

const (
	wipe1 = "Automatic sync held: main@1111111 declares no object, which would delete every object of this application (1); " +
		"restore them in the source, allow an empty application in its policy, or delete the application itself"
	wipe2 = "Automatic sync held: main@2222222 declares no object, which would delete every object of this application (2); " +
		"restore them in the source, allow an empty application in its policy, or delete the application itself"
)

func held(text string) gate.Verdict {
	return gate.Verdict{Reason: text, Hold: &condition.Problem{Reason: condition.SyncHeld, Message: text}}
}

// paused is a long pause between repairs, of which users are told.
func paused(after time.Duration, repairs int, pause string) gate.Verdict {
	v := held(fmt.Sprintf("Repaired %d times in a row, and somebody keeps changing it: the next repair waits %s; "+
		"find out who (kubectl get --show-managed-fields), or leave the field out of the source", repairs, pause))
	v.Reason, v.After = "the last repair did not last; waiting before the next", after
	return v
}

func with(p app.Policy, edit func(*app.Policy)) app.Policy {
	edit(&p)
	return p
}

type decision struct {
	reason string
	in     gate.Input
	want   gate.Verdict
}

func decide(t *testing.T, cases map[string]decision) {
	t.Helper()
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			in := test.in
			in.Now = now
			if in.Source == "" {
				in.Source = "spec"
			}
			if in.Revision.ID == "" {
				in.Revision = first
			}
			if in.Sync == "" {
				in.Sync = app.OutOfSync
			}
			if d := cmp.Diff(test.want, gate.Decide(in)); d != "" {
				t.Errorf("%s (-want +got):\n%s", test.reason, d)
			}
		})
	}
}

func TestDecideNew(t *testing.T) {
	asked := &app.Operation{User: "ada", Prune: true}
	decide(t, map[string]decision{
		"first": {
			"a new application is applied as a whole",
			gate.Input{Policy: full, Resources: resources(drifted("a"))},
			gate.Verdict{Start: whole(full, first)},
		},
		"new revision": {
			"a revision that was not tried is applied as a whole, prunes included",
			gate.Input{Policy: full, Run: run(app.Succeeded, nil), Revision: second, Resources: resources(drifted("a"), left("b"))},
			gate.Verdict{Start: whole(full, second)},
		},
		"new source": {
			"another source at the same revision is a new attempt",
			gate.Input{Policy: cautious, Run: run(app.Failed, nil), Source: "other", Resources: resources(drifted("a"))},
			gate.Verdict{Start: whole(cautious, first)},
		},
		"manual": {
			"without automatic sync nothing starts by itself",
			gate.Input{Policy: app.Policy{Once: true}, Resources: resources(drifted("a"))},
			gate.Verdict{Reason: "automatic sync is off"},
		},
		"asked": {
			"what a person asks for starts whatever the policy says",
			gate.Input{Policy: app.Policy{Once: true}, Request: asked, Sync: app.Synced, Run: run(app.Failed, nil)},
			gate.Verdict{Start: asked},
		},
		"asked to wipe": {
			"a person is not held by the guard of the automatic",
			gate.Input{Policy: full, Request: asked, Resources: resources(left("a"))},
			gate.Verdict{Start: asked},
		},
		"synced": {
			"what is in sync is left alone",
			gate.Input{Policy: full, Sync: app.Synced, Run: run(app.Succeeded, nil), Resources: resources(synced("a"))},
			gate.Verdict{Reason: "in sync"},
		},
		"taken by another": {
			"a repair takes nothing from another application",
			gate.Input{Policy: full, Run: run(app.Succeeded, nil), Resources: resources(app.Resource{Key: key("ConfigMap", "a"), Sync: app.OutOfSync, Claimed: true})},
			gate.Verdict{Reason: "only objects that have to stay as they are differ"},
		},
		"claimed at a new revision": {
			"a new revision is applied in full",
			gate.Input{Policy: full, Run: run(app.Succeeded, nil), Revision: second, Resources: resources(app.Resource{Key: key("ConfigMap", "a"), Sync: app.OutOfSync, Claimed: true})},
			gate.Verdict{Start: &app.Operation{Revision: second.ID, Automatic: true, Prune: true, Retry: full.Retry}},
		},
		"synced without a record": {
			"the record of the operation was lost in a crash: it is written by one that changes nothing",
			gate.Input{Policy: full, Sync: app.Synced, Resources: resources(synced("a"))},
			gate.Verdict{Start: &app.Operation{Revision: first.ID, Automatic: true, Prune: true, Bare: true, Retry: full.Retry}},
		},
		"empty without a record": {
			"an application of nothing has nothing to record",
			gate.Input{Policy: full, Sync: app.Synced},
			gate.Verdict{Reason: "in sync"},
		},
		"unknown": {
			"what was not compared is left alone",
			gate.Input{Policy: full, Sync: app.Unknown, Resources: resources(drifted("a"))},
			gate.Verdict{Reason: "the comparison is not complete"},
		},
		"only prunes": {
			"without permission to prune, leftovers alone start nothing",
			gate.Input{Policy: cautious, Resources: resources(synced("a"), left("b"))},
			gate.Verdict{Reason: "only prunes are left and pruning is off"},
		},
		"only held leftovers": {
			"leftovers that have to stay start nothing, for nothing would come of it",
			gate.Input{Policy: full, Run: run(app.Succeeded, nil), Resources: resources(synced("a"), kept("b"))},
			gate.Verdict{Reason: "only objects that have to stay as they are differ"},
		},
		"held leftovers and more": {
			"a repair leaves them out",
			gate.Input{Policy: full, Run: run(app.Succeeded, nil), Resources: resources(drifted("a"), kept("b"), left("c"))},
			gate.Verdict{Start: repair(full, 1, "a", "c")},
		},
		"only the namespace": {
			"where no object differs but its namespace does, that is applied",
			gate.Input{Policy: cautious, Resources: resources(synced("a"))},
			gate.Verdict{Start: whole(cautious, first)},
		},
		"prunes and more": {
			"other differences are applied although leftovers stay",
			gate.Input{Policy: cautious, Resources: resources(drifted("a"), left("b"))},
			gate.Verdict{Start: whole(cautious, first)},
		},
	})
}

func TestDecideAfter(t *testing.T) {
	heal := func(heals int64, ago time.Duration) *app.Run {
		return run(app.Succeeded, func(r *app.Run) { r.Operation.Heals, r.FinishedAt = heals, now.Add(-ago) })
	}
	partly := resources(drifted("a"), synced("b"))
	eternal := with(full, func(p *app.Policy) { p.Once = false })
	decide(t, map[string]decision{
		"failed": {
			"a failed attempt is final for its revision and source",
			gate.Input{Policy: full, Run: run(app.Failed, nil), Resources: partly},
			held("Failed last sync attempt to 1111111111111111111111111111111111111111: it broke"),
		},
		"error": {
			"an attempt that could not run is final too",
			gate.Input{Policy: full, Run: run(app.Errored, nil), Resources: partly},
			held("Failed last sync attempt to 1111111111111111111111111111111111111111: it broke"),
		},
		"failed but not once": {
			"where every look is an attempt, a failed one does not end it",
			gate.Input{Policy: eternal, Run: run(app.Failed, nil), Resources: partly},
			gate.Verdict{Start: whole(eternal, first)},
		},
		"no self-heal": {
			"changes by others stay when they are not to be undone",
			gate.Input{Policy: cautious, Run: run(app.Succeeded, nil), Resources: partly},
			gate.Verdict{Reason: "this revision was applied; changes made since stay because self-heal is off"},
		},
		"first repair": {
			"the first repair is at once and touches only what differs",
			gate.Input{Policy: full, Run: heal(0, 0), Resources: partly},
			gate.Verdict{Start: repair(full, 1, "a")},
		},
		"repair with leftovers": {
			"leftovers are part of a repair when pruning is on",
			gate.Input{Policy: full, Run: heal(0, 0), Resources: append(partly, left("c"))},
			gate.Verdict{Start: repair(full, 1, "a", "c")},
		},
		"repair without prune": {
			"leftovers are no part of a repair when pruning is off",
			gate.Input{Policy: with(full, func(p *app.Policy) { p.Prune = false }), Run: heal(0, 0), Resources: append(partly, left("c"))},
			gate.Verdict{Start: repair(with(full, func(p *app.Policy) { p.Prune = false }), 1, "a")},
		},
		"second repair waits": {
			"a repair that did not last is not repeated at once",
			gate.Input{Policy: full, Run: heal(1, 500*time.Millisecond), Resources: partly},
			gate.Verdict{Reason: "the last repair did not last; waiting before the next", After: 1500 * time.Millisecond},
		},
		"second repair": {
			"after the pause the next repair begins and is counted",
			gate.Input{Policy: full, Run: heal(1, 2*time.Second), Resources: partly},
			gate.Verdict{Start: repair(full, 2, "a")},
		},
		"fourth repair waits longer": {
			"the pauses grow by the factor",
			gate.Input{Policy: full, Run: heal(3, 10*time.Second), Resources: partly},
			paused(8*time.Second, 3, "18s"),
		},
		"pauses are bounded": {
			"no pause is longer than the longest",
			gate.Input{Policy: full, Run: heal(40, 10*time.Second), Resources: partly},
			paused(290*time.Second, 40, "5m0s"),
		},
		"a repair that lasted": {
			"a repair that held for long is no part of the row",
			gate.Input{Policy: full, Run: heal(3, 2*time.Minute), Resources: partly},
			gate.Verdict{Start: repair(full, 1, "a")},
		},
		"wipe by a new revision": {
			"a revision without any object deletes nothing",
			gate.Input{Policy: full, Run: run(app.Succeeded, nil), Revision: second, Resources: resources(left("a"), left("b"))},
			held(wipe2),
		},
		"wipe allowed": {
			"an application that may be empty becomes empty",
			gate.Input{Policy: with(full, func(p *app.Policy) { p.AllowEmpty = true }), Run: run(app.Succeeded, nil), Revision: second, Resources: resources(left("a"))},
			gate.Verdict{Start: whole(full, second)},
		},
		"one object left": {
			"one remaining object makes it a prune like any other",
			gate.Input{Policy: full, Run: run(app.Succeeded, nil), Revision: second, Resources: resources(synced("a"), left("b"))},
			gate.Verdict{Start: whole(full, second)},
		},
		"wipe by repair": {
			"the guard holds repairs too",
			gate.Input{Policy: full, Run: heal(0, 0), Resources: resources(left("a"))},
			held(wipe1),
		},
	})
}

func TestDecideRunning(t *testing.T) {
	ongoing := func(edit func(*app.Run)) *app.Run {
		return run(app.Running, func(r *app.Run) {
			r.FinishedAt = time.Time{}
			if edit != nil {
				edit(r)
			}
		})
	}
	byHand := func(r *app.Run) { r.Operation.Automatic, r.Operation.Prune = false, true }
	waiting := func(retries int64, ago time.Duration) *app.Run {
		return run(app.Running, func(r *app.Run) { r.Retries, r.FinishedAt = retries, now.Add(-ago) })
	}
	asked := &app.Operation{User: "ada"}
	some := resources(drifted("a"))
	decide(t, map[string]decision{
		"goes on": {
			"an operation that is under way goes on",
			gate.Input{Policy: full, Run: ongoing(nil), Resources: some},
			gate.Verdict{Resume: true},
		},
		"goes on in sync": {
			"also when nothing differs any more: somebody has to end it",
			gate.Input{Policy: full, Run: ongoing(nil), Sync: app.Synced, Resources: resources(synced("a"))},
			gate.Verdict{Resume: true},
		},
		"goes on with nothing": {
			"where nothing is left, nothing can be wiped and nothing is held",
			gate.Input{Policy: full, Run: ongoing(nil), Sync: app.Synced},
			gate.Verdict{Resume: true},
		},
		"overtaken": {
			"a newer revision takes over from an automatic operation",
			gate.Input{Policy: full, Run: ongoing(nil), Revision: second, Resources: some},
			gate.Verdict{Start: whole(full, second), Restart: true},
		},
		"overtaken while waiting": {
			"also from one that waits for its next attempt",
			gate.Input{Policy: full, Run: waiting(1, time.Second), Revision: second, Resources: some},
			gate.Verdict{Start: whole(full, second), Restart: true},
		},
		"by hand is not overtaken": {
			"an operation that a person asked for is brought to its end",
			gate.Input{Policy: full, Run: ongoing(byHand), Revision: second, Resources: some},
			gate.Verdict{Resume: true},
		},
		"one at a time": {
			"a request waits for the operation under way",
			gate.Input{Policy: full, Run: ongoing(byHand), Request: asked, Resources: some},
			gate.Verdict{Resume: true},
		},
		"terminating": {
			"an operation that is to be ended is gone on with at once, to end it",
			gate.Input{Policy: full, Run: run(app.Terminating, func(r *app.Run) { r.Retries = 1 }), Resources: some},
			gate.Verdict{Resume: true},
		},
		"terminating and overtaken": {
			"no newer revision starts in its place before it ended",
			gate.Input{Policy: full, Run: run(app.Terminating, nil), Revision: second, Resources: some},
			gate.Verdict{Resume: true},
		},
		"retry waits": {
			"a failed attempt waits for its pause",
			gate.Input{Policy: full, Run: waiting(1, time.Second), Resources: some},
			gate.Verdict{Reason: "waiting to try again", After: 4 * time.Second},
		},
		"retry waits longer": {
			"the pause grows with the number of attempts",
			gate.Input{Policy: full, Run: waiting(3, 5*time.Second), Resources: some},
			gate.Verdict{Reason: "waiting to try again", After: 15 * time.Second},
		},
		"retry": {
			"after its pause the next attempt begins",
			gate.Input{Policy: full, Run: waiting(1, 5*time.Second), Resources: some},
			gate.Verdict{Retry: true},
		},
		"wipe while running": {
			"an automatic operation under way prunes nothing for a source that became empty",
			gate.Input{Policy: full, Run: ongoing(nil), Revision: second, Resources: resources(left("a"), left("b"))},
			held(wipe2),
		},
		"wipe while running, same revision": {
			"also when the revision is its own",
			gate.Input{Policy: full, Run: ongoing(nil), Resources: resources(left("a"))},
			held(wipe1),
		},
		"wipe while waiting": {
			"nor does one that waits for its next attempt",
			gate.Input{Policy: full, Run: waiting(1, time.Hour), Revision: second, Resources: resources(left("a"), left("b"))},
			held(wipe2),
		},
		"wipe and terminating": {
			"the guard does not keep an operation from being ended",
			gate.Input{Policy: full, Run: run(app.Terminating, nil), Resources: resources(left("a"))},
			gate.Verdict{Resume: true},
		},
	})
}

// Whatever the state, an automatic operation never starts, goes on or is tried
// again when nothing of the application would be left.
func TestNoWipeWhateverTheState(t *testing.T) {
	phases := []app.Phase{"", app.Running, app.Succeeded, app.Failed, app.Errored}
	for _, phase := range phases {
		for _, finished := range []time.Duration{-1, 0, time.Second, time.Hour} {
			for _, rev := range []source.Revision{first, second} {
				for _, once := range []bool{true, false} {
					in := gate.Input{
						Policy: with(full, func(p *app.Policy) { p.Once = once }), Source: "spec", Revision: rev,
						Sync: app.OutOfSync, Resources: resources(left("a"), left("b")), Now: now,
					}
					if phase != "" {
						in.Run = run(phase, func(r *app.Run) {
							r.FinishedAt, r.Operation.Prune = now.Add(-finished), true
							if finished < 0 {
								r.FinishedAt = time.Time{}
							}
						})
					}
					v := gate.Decide(in)
					if v.Start != nil || v.Resume || v.Retry {
						t.Errorf("phase %q, finished %s ago, %s: %+v", phase, finished, rev, v)
					}
					if !strings.Contains(v.Reason, "delete") && !strings.Contains(v.Reason, "Failed last") {
						t.Errorf("phase %q: no reason that a user can act on: %q", phase, v.Reason)
					}
				}
			}
		}
	}
}
