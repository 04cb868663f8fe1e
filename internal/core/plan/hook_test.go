package plan_test

import (
	"testing"
	"time"

	"github.com/plumbline-dev/plumbline/internal/core/app"
	"github.com/plumbline-dev/plumbline/internal/core/plan"
)

func TestHookState(t *testing.T) {
	before, keep := plan.Hook{Before: true}, plan.Hook{Succeeded: true}
	for name, c := range map[string]struct {
		state    plan.HookState
		policy   plan.Hook
		standing plan.Standing
		settled  plan.Settled
		why      bool
	}{
		"not created yet":                 {plan.HookState{}, before, plan.Missing, plan.Ready, false},
		"it runs":                         {plan.HookState{Recorded: app.Running, Live: true, Ours: true, Settled: plan.Pending}, before, plan.Same, plan.Pending, false},
		"it runs, unrecorded":             {plan.HookState{Live: true, Ours: true, Settled: plan.Pending}, before, plan.Same, plan.Pending, false},
		"it has ended":                    {plan.HookState{Recorded: app.Running, Live: true, Ours: true}, before, plan.Same, plan.Ready, false},
		"it has failed":                   {plan.HookState{Recorded: app.Running, Live: true, Ours: true, Settled: plan.Broken}, before, plan.Same, plan.Broken, false},
		"it has ended and goes":           {plan.HookState{Recorded: app.Running, Live: true, Ours: true, Going: true}, before, plan.Same, plan.Ready, false},
		"it goes before its end":          {plan.HookState{Recorded: app.Running, Live: true, Ours: true, Going: true, Settled: plan.Pending}, before, plan.Same, plan.Broken, true},
		"it is gone before its end":       {plan.HookState{Recorded: app.Running}, before, plan.Same, plan.Broken, true},
		"another is there before its end": {plan.HookState{Recorded: app.Running, Live: true}, before, plan.Same, plan.Broken, true},
		"recorded as ended, gone":         {plan.HookState{Recorded: app.Succeeded}, before, plan.Same, plan.Ready, false},
		"recorded as failed, gone":        {plan.HookState{Recorded: app.Failed}, before, plan.Same, plan.Broken, false},
		"recorded as ended, another":      {plan.HookState{Recorded: app.Succeeded, Live: true, Settled: plan.Pending}, before, plan.Same, plan.Ready, false},
		"an earlier one is there":         {plan.HookState{Live: true}, before, plan.Stale, plan.Ready, false},
		"an earlier one goes":             {plan.HookState{Live: true, Going: true}, before, plan.Leaving, plan.Ready, false},
		"an earlier one that ran":         {plan.HookState{Live: true, Once: true}, keep, plan.Stale, plan.Ready, false},
		"an earlier one that is to stay":  {plan.HookState{Live: true}, keep, plan.Differs, plan.Ready, false},
	} {
		standing, settled, why := c.state.Judge(c.policy)
		if standing != c.standing || settled != c.settled || (why != "") != c.why {
			t.Errorf("%s: %s %q %q", name, standing, settled, why)
		}
	}
}

func TestHookName(t *testing.T) {
	at := time.Unix(1700000000, 0)
	for _, c := range []struct{ revision, want string }{
		{"0123456789abcdef0123456789abcdef01234567", "migrate-0123456-presync-1700000000"},
		{"1.2.3", "migrate-1.2.3-presync-1700000000"},
		{"12345678", "migrate-1234567-presync-1700000000"},
		{"sha256:abcdef0123456789", "migrate-abcdef0-presync-1700000000"},
		{"1.2+b_c", "migrate-1.2-b-c-presync-1700000000"},
	} {
		if got := plan.HookName("migrate-", c.revision, app.PreSync, at); got != c.want {
			t.Errorf("%s: %s, want %s", c.revision, got, c.want)
		}
	}
}

func TestAttempt(t *testing.T) {
	run := app.Run{StartedAt: time.Unix(1700000000, 0)}
	first := plan.Attempt(run, app.PreSync)
	other := plan.Attempt(run, app.PostSync)
	run.Retries = 1
	if again := plan.Attempt(run, app.PreSync); first == again || first == other {
		t.Errorf("%s, %s and %s are not told apart", first, other, again)
	}
}
