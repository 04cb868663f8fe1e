package refresh_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/plumbline-dev/plumbline/internal/core/chart"
	"github.com/plumbline-dev/plumbline/internal/core/source"
	"github.com/plumbline-dev/plumbline/internal/engine/refresh"
)

func anyone(string) bool { return true }
func nobody(string) bool { return false }
func web() chart.Dependency {
	return chart.Dependency{Name: "web", Version: "1.x", Repository: "@team"}
}

// A dependency's repository may be named, and it is the address that is trusted or not.
func TestChartOfNamedRepository(t *testing.T) {
	run(t, refresh.Options{}, func(t *testing.T, w *world) {
		w.keys.password = "hunter2"
		w.hosts.refs = source.Refs{"packages/web/1.x": {ID: "1.2.0"}}
		asked := ""
		tree, err := w.Chart(t.Context(), web(), func(url string) bool { asked = url; return true })
		if err != nil || tree.Revision().ID != "1.2.0" {
			t.Fatal(tree, err)
		}
		want(t, "trust is asked for the address", "https://charts.example/team", asked)
		want(t, "it is polled there", "https://charts.example/team", w.hosts.fetches[0].URL)
		want(t, "with its credentials", "hunter2", w.hosts.fetches[0].Password)
		if _, err := w.Chart(t.Context(), web(), nobody); err != nil || w.hosts.fetches[len(w.hosts.fetches)-1].Password != "" && w.hosts.count() > 1 {
			t.Errorf("without trust there are no credentials: %v", err)
		}
		for repository, reason := range map[string]string{"@other": "no repository is registered", "charts": "neither a URL nor a name"} {
			d := web()
			d.Repository = repository
			if _, err := w.Chart(t.Context(), d, anyone); err == nil || !strings.Contains(err.Error(), reason) {
				t.Errorf("%s: %v", repository, err)
			}
		}
	})
}

func packages(name string) refresh.Want {
	return refresh.Want{URL: "https://charts.example", Ref: source.Ref{Chart: name, Any: "*"}}
}

// What nobody asked a repository for yet is not said to be missing there.
func TestUnasked(t *testing.T) {
	run(t, refresh.Options{}, func(t *testing.T, w *world) {
		w.hosts.refs = source.Refs{"packages/web/*": {ID: "1.0.0"}}
		w.read(reader("a"), packages("web"))
		pass(time.Second)
		want(t, "the first", "1.0.0", w.read(reader("a"), packages("web")).Revision.ID)
		w.hosts.set(func(h *hosts) { h.refs["packages/api/*"] = source.RefTarget{ID: "2.0.0"} })
		w.told()
		seen := w.read(reader("b"), packages("api"))
		if seen.Polls != 0 || seen.Err != nil {
			t.Errorf("the second is told %+v before anybody looked", seen)
		}
		pass(time.Second)
		want(t, "it is told when somebody has", 1, len(w.told()))
		want(t, "the second", "2.0.0", w.read(reader("b"), packages("api")).Revision.ID)

		fetched := w.hosts.count()
		w.read(reader("c"), packages("api"))
		pass(time.Second)
		want(t, "what is known already is not asked for at once", fetched, w.hosts.count())

		w.hosts.set(func(h *hosts) { h.err = errors.New("connection refused") })
		w.read(reader("d"), packages("other"))
		pass(time.Second)
		if seen := w.read(reader("d"), packages("other")); seen.Polls == 0 || seen.Err == nil || strings.Contains(seen.Err.Error(), "does not exist") {
			t.Errorf("a failed look is told as that: %+v", seen)
		}
		if seen := w.read(reader("b"), packages("api")); seen.Revision.ID != "2.0.0" || seen.Err == nil {
			t.Errorf("what was known stands: %+v", seen)
		}
	})
}

// The polls of repositories of packages, of which one server may have many, spread.
func TestSpread(t *testing.T) {
	run(t, refresh.Options{Interval: time.Minute}, func(t *testing.T, w *world) {
		for _, name := range []string{"a", "b", "c", "d"} {
			w.read(reader(name), refresh.Want{URL: "https://charts.example/" + name, Ref: source.Ref{Chart: "web", Any: "*"}})
		}
		pass(90 * time.Second)
		second := map[time.Duration]bool{}
		for _, at := range w.hosts.times()[4:] {
			if at < time.Minute || at > 75*time.Second {
				t.Errorf("a poll after %s", at)
			}
			second[at] = true
		}
		if len(second) < 3 {
			t.Errorf("four repositories are polled again at %d times", len(second))
		}
	})
}
