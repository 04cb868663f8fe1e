package gate

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/robfig/cron/v3"

	"github.com/plumbline-dev/plumbline/internal/core/app"
	"github.com/plumbline-dev/plumbline/internal/core/condition"
)

// WindowsOf returns those of a project's windows that are for an application. A
// window without any selector is for none. Clusters are compared with how the
// application names its own: by name or by address.
func WindowsOf(p app.Project, a app.Application) []app.Window {
	var list []app.Window
	for _, w := range p.Windows {
		if selects(w, a) {
			list = append(list, w)
		}
	}
	return list
}

func selects(w app.Window, a app.Application) bool {
	some, all := false, true
	for _, by := range []struct {
		globs []string
		value string
	}{{w.Applications, a.ID.Name}, {w.Namespaces, a.Target.Namespace}, {w.Clusters, cmp.Or(a.Target.Cluster, a.Target.Server)}} {
		hit := slices.ContainsFunc(by.globs, func(pattern string) bool { return globs(pattern, by.value) })
		some = some || hit
		all = all && (hit || len(by.globs) == 0)
	}
	return some && (all || !w.All)
}

// inWindow lets what the rules decided happen only when windows permit it. A broken
// window permits nothing that it is for.
func inWindow(in Input, v Verdict) Verdict {
	if len(in.Windows) == 0 || (v.Start == nil && !v.Resume && !v.Retry) {
		return v
	}
	automatic, began := false, time.Time{}
	switch {
	case v.Start != nil:
		automatic = v.Start.Automatic
	case in.Run.Phase == app.Terminating:
		return v // it only ends
	default:
		automatic, began = in.Run.Operation.Automatic, in.Run.StartedAt
	}
	why, until := closed(in.Windows, automatic, began, in.Now)
	if why == "" {
		return v
	}
	message := "Sync operation blocked by sync window: " + why
	after := time.Duration(0)
	if !until.IsZero() {
		after = max(until.Sub(in.Now), time.Second)
	}
	switch {
	case v.Retry: // it is not time for the next attempt, as far as anyone can tell
		return Verdict{Reason: message, After: after, Hold: &condition.Problem{Reason: condition.WindowClosed, Message: message}}
	case automatic && v.Start != nil:
		held := Verdict{Reason: message, After: after}
		if in.Sync != app.Synced {
			held.Hold = &condition.Problem{Reason: condition.WindowClosed, Message: message}
		}
		return held
	}
	v.Blocked, v.Reason, v.After = message, message, after
	return v
}

// closed says why an operation may not run now, and until when at least; "" lets it.
// began is when it started; zero for one that is about to.
func closed(windows []app.Window, automatic bool, began, now time.Time) (why string, until time.Time) {
	block, until, err := blocking(windows, now)
	if err != nil {
		return err.Error(), time.Time{}
	}
	if len(block) == 0 {
		return "", time.Time{}
	}
	if !automatic && every(block, func(w app.Window) bool { return w.Manual }) {
		return "", time.Time{}
	}
	if !began.IsZero() && every(block, func(w app.Window) bool { return w.Overrun }) {
		if then, _ := closed(windows, automatic, time.Time{}, began); then == "" {
			return "", time.Time{}
		}
	}
	at := "it has no end"
	if !until.IsZero() {
		at = until.UTC().Format(time.RFC3339)
	}
	if block[0].Kind == deny {
		return fmt.Sprintf("deny %q for %s is open, look again at %s", block[0].Schedule, block[0].Duration, at), until
	}
	return fmt.Sprintf("no allow window is open, the next opens at %s", at), until
}

const (
	allow = "allow"
	deny  = "deny"
)

// blocking returns the windows that forbid syncs at a time: the open deny windows,
// or else, if none of the allow windows is open, all of these; and when that may
// change.
func blocking(windows []app.Window, now time.Time) (block []app.Window, until time.Time, err error) {
	var denying, idle []app.Window
	allowed := false
	earliest := func(t time.Time) {
		if !t.IsZero() && (until.IsZero() || t.Before(until)) {
			until = t
		}
	}
	for _, w := range windows {
		open, change, err := opens(w, now)
		if err != nil {
			return nil, time.Time{}, err
		}
		earliest(change)
		switch {
		case w.Kind == deny && open:
			denying = append(denying, w)
		case w.Kind == allow && open:
			allowed = true
		case w.Kind == allow:
			idle = append(idle, w)
		}
	}
	if len(denying) > 0 || allowed {
		return denying, until, nil
	}
	return idle, until, nil
}

// opens reports whether a window is open, and when it closes or opens next; zero:
// never.
func opens(w app.Window, now time.Time) (open bool, change time.Time, err error) {
	schedule, duration, zone, err := parseWindow(w)
	if err != nil {
		return false, time.Time{}, err
	}
	last := schedule.Next(now.In(zone).Add(-duration))
	if last.IsZero() || last.After(now) {
		return false, last, nil
	}
	// It may have opened again before it closed.
	for next := last; !next.IsZero() && !next.After(now); next = schedule.Next(next) {
		last = next
		if duration > maxReopened {
			break
		}
	}
	return true, last.Add(duration), nil
}

// maxReopened bounds for how long back openings of one window are followed, so that
// a window of a year that opens every minute costs nothing.
const maxReopened = 48 * time.Hour

func parseWindow(w app.Window) (cron.Schedule, time.Duration, *time.Location, error) {
	fail := func(format string, args ...any) (cron.Schedule, time.Duration, *time.Location, error) {
		return nil, 0, nil, fmt.Errorf("%s window %q of the project: "+format, slices.Insert(args, 0, any(w.Kind), any(w.Schedule))...)
	}
	if w.Kind != allow && w.Kind != deny {
		return fail("kind is neither allow nor deny")
	}
	if strings.Contains(w.Schedule, "TZ=") { // the parser would take it for a time zone
		return fail("schedule is no cron expression: the zone belongs into timeZone")
	}
	schedule, err := cron.ParseStandard(w.Schedule)
	if err != nil {
		return fail("schedule: %w", err)
	}
	duration, err := time.ParseDuration(w.Duration)
	if err != nil {
		return fail("duration %q is none, such as 1h30m", w.Duration)
	}
	if duration <= 0 {
		return fail("duration %q is not above 0", w.Duration)
	}
	zone, err := time.LoadLocation(w.TimeZone)
	if err != nil {
		return fail("timeZone %q is not known: use a name such as Europe/Berlin", w.TimeZone)
	}
	return schedule, duration, zone, nil
}

func every(windows []app.Window, holds func(app.Window) bool) bool {
	return !slices.ContainsFunc(windows, func(w app.Window) bool { return !holds(w) })
}
