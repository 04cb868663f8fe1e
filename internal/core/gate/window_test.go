package gate_test

import (
	"strings"
	"testing"
	"time"

	"github.com/plumbline-dev/plumbline/internal/core/app"
	"github.com/plumbline-dev/plumbline/internal/core/condition"
	"github.com/plumbline-dev/plumbline/internal/core/gate"
	"github.com/plumbline-dev/plumbline/internal/core/source"
)

// window is one for everything; "deny 0 7 * * * 2h" opens at 7 for two hours.
func window(text string, edit ...func(*app.Window)) app.Window {
	kind, rest, _ := strings.Cut(text, " ")
	cut := strings.LastIndex(rest, " ")
	w := app.Window{Kind: kind, Schedule: rest[:cut], Duration: rest[cut+1:], Applications: []string{"*"}}
	for _, e := range edit {
		e(&w)
	}
	return w
}

func manual(w *app.Window)  { w.Manual = true }
func overrun(w *app.Window) { w.Overrun = true }

func zone(name string) func(*app.Window) { return func(w *app.Window) { w.TimeZone = name } }

// It is 8:00 UTC on a Monday in May.
func TestWindows(t *testing.T) {
	for name, test := range map[string]struct {
		reason    string
		windows   []app.Window
		automatic bool          // may run
		people    bool          // may sync
		after     time.Duration // when to look again, if it may not
		why       string
	}{
		"none":         {"without windows any time will do", nil, true, true, 0, ""},
		"open deny":    {"an open deny window stops everybody", []app.Window{window("deny 0 7 * * * 2h")}, false, false, time.Hour, `deny "0 7 * * *" for 2h is open, look again at 2026-05-04T09:00:00Z`},
		"closed deny":  {"a closed one nobody", []app.Window{window("deny 0 9 * * * 2h")}, true, true, 0, ""},
		"just ended":   {"it ends on time", []app.Window{window("deny 0 7 * * * 1h")}, true, true, 0, ""},
		"just begins":  {"and begins on time", []app.Window{window("deny 0 8 * * * 1h")}, false, false, time.Hour, "deny"},
		"manual":       {"people may, if the window says so", []app.Window{window("deny 0 7 * * * 2h", manual)}, false, true, time.Hour, "deny"},
		"not all":      {"if every one of them says so", []app.Window{window("deny 0 7 * * * 2h", manual), window("deny 0 6 * * * 3h30m")}, false, false, time.Hour, "deny"},
		"open allow":   {"an open allow window lets everybody", []app.Window{window("allow 0 7 * * * 2h")}, true, true, 0, ""},
		"closed allow": {"a closed one nobody", []app.Window{window("allow 30 8 * * * 2h")}, false, false, 30 * time.Minute, "no allow window is open, the next opens at 2026-05-04T08:30:00Z"},
		"one of two":   {"one open allow window is enough", []app.Window{window("allow 30 8 * * * 2h"), window("allow 0 7 * * * 2h")}, true, true, 0, ""},
		"manual allow": {"people may, if all that are closed say so", []app.Window{window("allow 30 8 * * * 2h", manual), window("allow 0 12 * * * 2h", manual)}, false, true, 30 * time.Minute, "allow"},
		"both":         {"deny goes before allow", []app.Window{window("allow 0 7 * * * 2h"), window("deny 0 7 * * * 90m")}, false, false, 30 * time.Minute, "deny"},
		"quiet deny":   {"a closed deny window says nothing beside an open allow", []app.Window{window("allow 0 7 * * * 2h"), window("deny 0 20 * * * 2h")}, true, true, 0, ""},
		"zone":         {"10 o'clock in Berlin", []app.Window{window("deny 0 10 * * * 1h", zone("Europe/Berlin"))}, false, false, time.Hour, "deny"},
		"other zone":   {"not yet in New York", []app.Window{window("deny 0 8 * * * 1h", zone("America/New_York"))}, true, true, 0, ""},
		"weekday":      {"not on Tuesdays", []app.Window{window("deny 0 7 * * 2 2h")}, true, true, 0, ""},
		"over night":   {"since yesterday evening", []app.Window{window("deny 0 20 * * SUN 13h")}, false, false, time.Hour, "deny"},
		"reopened":     {"it opens again before it closes", []app.Window{window("deny */10 * * * * 15m")}, false, false, 15 * time.Minute, "deny"},
		"never":        {"the 30th of February", []app.Window{window("allow 0 0 30 2 * 2h")}, false, false, 0, "it has no end"},
		"for ever":     {"a window of years that opens each minute", []app.Window{window("deny * * * * * 90000h")}, false, false, 0, "deny"},
		"no cron":      {"what cannot be read stops everybody, with the reason", []app.Window{window("deny often 1h", manual)}, false, false, 0, `deny window "often" of the project: schedule: `},
		"no duration":  {"the same", []app.Window{window("deny 0 7 * * * long", manual)}, false, false, 0, `duration "long" is none`},
		"negative":     {"the same", []app.Window{window("deny 0 7 * * * -1h", manual)}, false, false, 0, `duration "-1h" is not above 0`},
		"no zone":      {"the same", []app.Window{window("deny 0 9 * * * 1h", zone("Mars/North"))}, false, false, 0, `timeZone "Mars/North" is not known`},
		"evil zone":    {"the same", []app.Window{window("deny 0 9 * * * 1h", zone("../../etc/passwd"))}, false, false, 0, "is not known"},
		"kind":         {"the same", []app.Window{window("maybe 0 9 * * * 1h")}, false, false, 0, "kind is neither allow nor deny"},
		"zone in cron": {"the parser would stumble over it", []app.Window{window("deny TZ= 1h")}, false, false, 0, "the zone belongs into timeZone"},
	} {
		t.Run(name, func(t *testing.T) {
			in := gate.Input{Policy: full, Revision: first, Source: "spec", Sync: app.OutOfSync, Resources: resources(drifted("a")), Windows: test.windows, Now: now}
			got := gate.Decide(in)
			if started := got.Start != nil && got.Blocked == ""; started != test.automatic {
				t.Errorf("%s: automatic %t, want %t: %+v", test.reason, started, test.automatic, got)
			}
			if !test.automatic {
				if got.Hold == nil || got.Hold.Reason != condition.WindowClosed || !strings.Contains(got.Hold.Message, "Sync operation blocked by sync window: ") || !strings.Contains(got.Hold.Message, test.why) {
					t.Errorf("%s: held by %+v, want %q", test.reason, got.Hold, test.why)
				}
				if test.after != 0 && got.After != test.after {
					t.Errorf("%s: look again after %s, want %s", test.reason, got.After, test.after)
				}
			}
			in.Request = &app.Operation{User: "ann"}
			if got := gate.Decide(in); got.Start == nil || (got.Blocked == "") != test.people {
				t.Errorf("%s: people %t, want %t: %+v", test.reason, got.Blocked == "", test.people, got)
			}
			in.Request, in.Sync, in.Resources = nil, app.Synced, resources(synced("a"))
			if got := gate.Decide(in); got.Hold != nil {
				t.Errorf("%s: an application in sync is told of %+v", test.reason, got.Hold)
			}
		})
	}
}

// What runs when a window closes idles, unless it may end.
func TestWindowsAndRunning(t *testing.T) {
	night, noon := window("deny 30 7 * * * 2h"), window("allow 0 7 * * * 30m")
	late := func(w app.Window) app.Window { overrun(&w); return w }
	running := func(r *app.Run) { r.FinishedAt = time.Time{} } // since 7:59
	early := func(r *app.Run) { r.FinishedAt, r.StartedAt = time.Time{}, now.Add(-45*time.Minute) }
	for name, test := range map[string]struct {
		reason  string
		window  app.Window
		run     *app.Run
		blocked bool
	}{
		"idles":             {"a sync does not go on in a closed window", night, run(app.Running, early), true},
		"may end":           {"but where it may", late(night), run(app.Running, early), false},
		"began in it":       {"and began before", late(night), run(app.Running, running), true},
		"allow has ended":   {"the same when an allow window ends", noon, run(app.Running, early), true},
		"allow may overrun": {"and lets it end", late(noon), run(app.Running, early), false},
		"people's":          {"and for people", night, run(app.Running, func(r *app.Run) { early(r); r.Operation.Automatic = false }), true},
		"ends":              {"what is to end may always end", night, run(app.Terminating, early), false},
		"next attempt":      {"the next attempt waits", night, run(app.Running, func(r *app.Run) { r.Retries = 1; r.FinishedAt = now.Add(-time.Hour) }), true},
	} {
		t.Run(name, func(t *testing.T) {
			got := gate.Decide(gate.Input{
				Policy: full, Run: test.run, Revision: first, Source: "spec", Sync: app.OutOfSync, Resources: resources(drifted("a")),
				Windows: []app.Window{test.window}, Now: now,
			})
			idle := got.Blocked != "" || (!got.Resume && !got.Retry)
			if idle != test.blocked || (idle && got.After <= 0) {
				t.Errorf("%s: %+v", test.reason, got)
			}
		})
	}
	got := gate.Decide(gate.Input{
		Policy: full, Run: run(app.Running, early), Revision: second, Source: "spec", Sync: app.OutOfSync, Resources: resources(drifted("a")),
		Windows: []app.Window{night}, Now: now,
	})
	if got.Start != nil || got.Hold == nil {
		t.Errorf("a new commit in a closed window: %+v", got)
	}
}

func TestWindowsOf(t *testing.T) {
	shop := app.Application{ID: app.ID{Name: "shop-api"}, Target: app.Destination{Server: "https://kubernetes.default.svc", Cluster: "in-cluster", Namespace: "prod"}}
	for name, test := range map[string]struct {
		window app.Window
		want   bool
	}{
		"no selector":       {app.Window{}, false},
		"no selector, all":  {app.Window{All: true}, false},
		"name":              {app.Window{Applications: []string{"web", "shop-*"}}, true},
		"another name":      {app.Window{Applications: []string{"shop"}}, false},
		"namespace":         {app.Window{Applications: []string{"web"}, Namespaces: []string{"pr?d"}}, true},
		"cluster by name":   {app.Window{Clusters: []string{"in-*"}}, true},
		"cluster as server": {app.Window{Clusters: []string{"https://*"}}, false},
		"not all":           {app.Window{Applications: []string{"web"}, Namespaces: []string{"prod"}, All: true}, false},
		"all":               {app.Window{Applications: []string{"shop*"}, Namespaces: []string{"prod"}, All: true}, true},
		"broken glob":       {app.Window{Applications: []string{"[a-"}}, false},
	} {
		if got := len(gate.WindowsOf(app.Project{Windows: []app.Window{test.window}}, shop)) == 1; got != test.want {
			t.Errorf("%s: %t, want %t", name, got, test.want)
		}
	}
	shop.Target.Cluster = ""
	if len(gate.WindowsOf(app.Project{Windows: []app.Window{{Clusters: []string{"https://*"}}}}, shop)) != 1 {
		t.Error("a cluster that is named by its address is not found by it")
	}
}

// Whatever a window says, asking about it ends and never lets through what another
// open deny window forbids.
func FuzzWindow(f *testing.F) {
	f.Add("deny", "0 7 * * *", "2h", "Europe/Berlin", int64(0))
	f.Add("allow", "@every 1s", "1ns", "", int64(1<<40))
	f.Add("allow", "TZ=", "9999999h", "Local", int64(-1<<40))
	f.Fuzz(func(t *testing.T, kind, schedule, duration, zone string, at int64) {
		w := app.Window{Kind: kind, Schedule: schedule, Duration: duration, TimeZone: zone}
		in := gate.Input{
			Policy: full, Revision: source.Revision{ID: "1"}, Source: "spec", Sync: app.OutOfSync, Resources: resources(drifted("a")),
			Windows: []app.Window{w, window("deny * * * * * 1h")}, Now: time.Unix(at%(1<<33), 0),
		}
		if got := gate.Decide(in); got.Start != nil || got.Hold == nil {
			t.Errorf("%+v", got)
		}
	})
}
