package refresh_test

import (
	"testing"
	"time"

	"github.com/plumbline-dev/plumbline/internal/core/source"
	"github.com/plumbline-dev/plumbline/internal/engine/refresh"
)

// A reader of several sources hears of all of them, as one revision.
func TestSeveralParts(t *testing.T) {
	run(t, refresh.Options{}, func(t *testing.T, w *world) {
		w.hosts.refs["refs/heads/dev"] = source.RefTarget{ID: two}
		dev := refresh.Want{URL: url, Ref: source.Ref{Any: "dev"}}
		other := refresh.Want{URL: "https://git.example/acme/values", Ref: source.Ref{Any: "dev"}}
		w.Read(reader("a"), ofMain(), dev, other)
		pass(0)
		want(t, "each repository is fetched once", 2, w.hosts.count())
		told := w.told() // once for each repository: what the first poll could not know is missing
		want(t, "each poll tells it once", 2, len(told))
		if last := "a main,dev,dev@" + one[:7]; told[0] != "a !" && told[1] != "a !" {
			t.Errorf("%q: want one with nothing yet and one like %s", told, last)
		}
		seen := w.Read(reader("a"), ofMain(), dev, other)
		want(t, "the sources in their order", []string{one, two, two}, []string{seen[0].Revision.ID, seen[1].Revision.ID, seen[2].Revision.ID})

		w.hosts.set(func(h *hosts) { h.refs["refs/heads/main"] = source.RefTarget{ID: two} })
		pass(2 * time.Minute)
		told = w.told()
		want(t, "only the source that moved tells", 1, len(told))
		seen = w.Read(reader("a"), dev, ofMain())
		want(t, "sources change places", []string{two, two}, []string{seen[0].Revision.ID, seen[1].Revision.ID})

		fetched := w.hosts.count()
		pass(2 * time.Minute)
		want(t, "a repository that nobody wants any more rests", fetched+1, w.hosts.count())
		tree, err := w.Tree(t.Context(), reader("a"), 1, seen[1].Revision)
		if err != nil || tree.Revision() != seen[1].Revision {
			t.Errorf("%v", err)
		}
		if _, err := w.Tree(t.Context(), reader("a"), 2, seen[1].Revision); err == nil {
			t.Error("there is no third source, and it has files")
		}
		w.Forget(reader("a"))
		fetched = w.hosts.count()
		pass(time.Hour)
		want(t, "nobody reads any more", fetched, w.hosts.count())
	})
}
