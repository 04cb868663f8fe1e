package refresh_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/plumbline-dev/plumbline/internal/core/app"
	"github.com/plumbline-dev/plumbline/internal/core/condition"
	"github.com/plumbline-dev/plumbline/internal/core/source"
	"github.com/plumbline-dev/plumbline/internal/engine/refresh"
)

func want[T any](t *testing.T, reason string, want, got T) {
	t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("%s (-want +got):\n%s", reason, d)
	}
}

func TestOnePollServesAll(t *testing.T) {
	run(t, refresh.Options{}, func(t *testing.T, w *world) {
		w.hosts.took = time.Second
		for i := range 100 {
			if seen := w.read(reader(fmt.Sprintf("a%02d", i)), ofMain()); seen.Polls != 0 || seen.Revision.ID != "" {
				t.Fatalf("known before it was asked for: %+v", seen)
			}
		}
		pass(time.Second)
		want(t, "one fetch serves all readers", 1, w.hosts.count())
		want(t, "all of them are told", 100, len(w.told()))
		seen := w.read(reader("a07"), ofMain())
		want(t, "the branch is resolved", source.Revision{Name: "main", ID: one}, seen.Revision)
		want(t, "the poll is counted", int64(1), seen.Polls)
		pass(2 * time.Minute)
		want(t, "the interval is two minutes unless told otherwise", []time.Duration{0, 2*time.Minute + time.Second}, w.hosts.times())
		want(t, "nobody is told that nothing changed", nil, w.told())
		want(t, "credentials are looked up once", 1, w.keys.asked)
	})
}

func TestReadBeforeRun(t *testing.T) {
	run(t, refresh.Options{}, func(t *testing.T, w *world) {
		w.stop()
		p := refresh.New(w.hosts, w.keys, refresh.Options{}, func([]refresh.News) {})
		if seen := p.Read(reader("a"), ofMain())[0]; seen.Polls != 0 {
			t.Errorf("%+v", seen)
		}
		pass(time.Hour)
		want(t, "nothing is polled before Run", 0, w.hosts.count())
	})
}

func TestOnlyWhoIsConcerned(t *testing.T) {
	run(t, refresh.Options{}, func(t *testing.T, w *world) {
		w.hosts.refs["refs/heads/dev"] = source.RefTarget{ID: two}
		w.read(reader("main"), ofMain())
		w.read(reader("dev"), refresh.Want{URL: url, Ref: source.Ref{Branch: "dev"}})
		w.read(reader("pinned"), refresh.Want{URL: url, Ref: source.Ref{Any: one}})
		w.read(reader("lost"), refresh.Want{URL: url, Ref: source.Ref{Branch: "gone"}})
		pass(0)
		want(t, "the first answer concerns all", []string{"dev dev@2222222!", "lost !", "main main@1111111!", "pinned 1111111!"}, w.told())
		w.hosts.set(func(h *hosts) { h.refs["refs/heads/dev"] = source.RefTarget{ID: one} })
		pass(2 * time.Minute)
		want(t, "a moved branch concerns its readers", []string{"dev dev@1111111"}, w.told())
		w.hosts.set(func(h *hosts) { h.refs["refs/heads/gone"] = source.RefTarget{ID: one} })
		pass(2 * time.Minute)
		want(t, "a branch that appears ends an error", []string{"lost gone@1111111!"}, w.told())
	})
}

func TestIntervals(t *testing.T) {
	run(t, refresh.Options{Interval: time.Minute}, func(t *testing.T, w *world) {
		w.hosts.took = time.Nanosecond
		fast, slow := ofMain(), ofMain()
		fast.Interval, slow.Interval = 10*time.Second, time.Hour
		w.read(reader("slow"), slow)
		w.read(reader("fast"), fast)
		pass(21 * time.Second)
		want(t, "the shortest interval counts", 3, w.hosts.count())
		w.read(reader("default"), ofMain())
		w.Forget(reader("fast"))
		pass(70 * time.Second)
		want(t, "and no longer than its reader stays", 5, w.hosts.count()) // after 30 s, as was planned, and after 90
	})
}

func TestBackOff(t *testing.T) {
	run(t, refresh.Options{Interval: 10 * time.Second}, func(t *testing.T, w *world) {
		w.read(reader("a"), ofMain())
		pass(0)
		w.told()
		w.hosts.set(func(h *hosts) { h.err = errors.New("connection refused") })
		pass(10 * time.Second)
		want(t, "an error is told, what was known stands", []string{"a main@1111111!"}, w.told())
		seen := w.read(reader("a"), ofMain())
		want(t, "the last good references stand", one, seen.Revision.ID)
		if seen.Err == nil || condition.Of(seen.Err, "").Reason != condition.SourceFailed {
			t.Errorf("the error is said with it: %v", seen.Err)
		}
		w.read(reader("late"), ofMain())
		pass(35 * time.Second)
		sec := time.Second
		want(t, "pauses double from a second up to the interval",
			[]time.Duration{0, 10 * sec, 11 * sec, 13 * sec, 17 * sec, 25 * sec, 35 * sec, 45 * sec}, w.hosts.times())
		want(t, "the same error is told once", nil, w.told())
		w.hosts.set(func(h *hosts) { h.err = nil })
		pass(10 * time.Second)
		want(t, "that it is over is told", []string{"a main@1111111!", "late main@1111111!"}, w.told())
		pass(10 * time.Second)
		want(t, "and the interval is the usual one again", []time.Duration{55 * sec, 65 * sec}, w.hosts.times()[8:])
		want(t, "no error is left", nil, w.read(reader("a"), ofMain()).Err)
	})
}

func TestNeverReached(t *testing.T) {
	run(t, refresh.Options{}, func(t *testing.T, w *world) {
		w.hosts.err = errors.New("connection refused")
		w.read(reader("a"), ofMain())
		pass(0)
		seen := w.read(reader("a"), ofMain())
		if seen.Err == nil || seen.Revision.ID != "" || seen.Polls != 1 || !seen.At.IsZero() {
			t.Errorf("%+v", seen)
		}
		want(t, "what never answered has no age", map[string]time.Duration{}, w.Ages(time.Now()))
	})
}

func TestHang(t *testing.T) {
	run(t, refresh.Options{Parallel: 1}, func(t *testing.T, w *world) {
		w.hosts.hang = true
		bounded := ofMain()
		bounded.Timeout = 30 * time.Second
		w.read(reader("a"), bounded)
		w.read(reader("b"), refresh.Want{URL: url + "2", Timeout: 30 * time.Second})
		pass(30 * time.Second)
		seen := w.read(reader("a"), bounded)
		other := w.read(reader("b"), refresh.Want{URL: url + "2", Timeout: 30 * time.Second})
		if (seen.Err == nil) == (other.Err == nil) {
			t.Errorf("one fetch at a time: %v and %v", seen.Err, other.Err)
		}
		w.hosts.set(func(h *hosts) { h.hang = false })
		pass(31 * time.Second)
		want(t, "a server that hangs holds nobody else up for longer", one, w.read(reader("a"), bounded).Revision.ID)
		want(t, "no more fetches at once than allowed", 1, w.hosts.most)
	})
}

func TestHangWithoutBoundEndsWithRun(t *testing.T) {
	run(t, refresh.Options{}, func(t *testing.T, w *world) {
		w.hosts.hang = true
		w.read(reader("a"), ofMain())
		pass(24 * time.Hour)
		want(t, "a fetch without a bound goes on as long as it takes", 1, w.hosts.count())
		w.stop()
		want(t, "nobody is told of a fetch that was given up", nil, w.told())
	})
}

func TestNowAndAnswer(t *testing.T) {
	run(t, refresh.Options{}, func(t *testing.T, w *world) {
		w.read(reader("a"), ofMain())
		w.read(reader("b"), ofMain())
		pass(0)
		w.told()
		poll := w.Now(reader("a"))[0]
		want(t, "the answer is in after the next poll", int64(2), poll)
		pass(0)
		want(t, "a poll begins at once", []time.Duration{0, 0}, w.hosts.times())
		want(t, "who asked is told, whatever the answer", []string{"a main@1111111!"}, w.told())
		want(t, "the poll is counted", poll, w.read(reader("a"), ofMain()).Polls)

		ticket := w.Answer(reader("a"), "token")
		want(t, "a token asks", int64(3), ticket)
		want(t, "the same token asks once", ticket, w.Answer(reader("a"), "token"))
		pass(0)
		want(t, "even after the answer", ticket, w.Answer(reader("a"), "token"))
		pass(0)
		want(t, "with one poll", 3, w.hosts.count())
		want(t, "another token asks again", int64(4), w.Answer(reader("a"), "other"))
		other := w.Answer(reader("b"), "token") // the poll for the first may have begun
		pass(0)
		want(t, "and so does another reader", int64(w.hosts.count()), other)
		if n := w.hosts.count(); n > 5 {
			t.Errorf("two requests cost %d polls", n-3)
		}
		want(t, "both are told", []string{"a main@1111111!", "a main@1111111!", "b main@1111111!"}, w.told())
		if n := w.Now(reader("nobody")); len(n) != 0 || w.Answer(reader("nobody"), "token") != 0 {
			t.Errorf("who reads nothing asks: %v", n)
		}
	})
}

// What is asked for while a poll is under way is not answered by that poll: it
// may have seen the references of before.
func TestNowDuringPoll(t *testing.T) {
	run(t, refresh.Options{}, func(t *testing.T, w *world) {
		w.hosts.took = 10 * time.Second
		w.read(reader("a"), ofMain())
		pass(5 * time.Second)
		want(t, "the next poll answers", int64(2), w.Now(reader("a"))[0])
		pass(5 * time.Second)
		want(t, "the one under way is counted", int64(1), w.read(reader("a"), ofMain()).Polls)
		pass(10 * time.Second)
		want(t, "the next one follows at once", int64(2), w.read(reader("a"), ofMain()).Polls)
	})
}

func TestForget(t *testing.T) {
	run(t, refresh.Options{}, func(t *testing.T, w *world) {
		w.read(reader("a"), ofMain())
		w.read(reader("b"), ofMain())
		pass(0)
		w.Forget(reader("a"))
		w.Forget(reader("a"))
		pass(2 * time.Minute)
		want(t, "a repository with a reader is polled", 2, w.hosts.count())
		w.Forget(reader("b"))
		pass(time.Hour)
		want(t, "one without is not", 2, w.hosts.count())
		want(t, "and not pushed to", 0, w.Pushed(t.Context(), url))
		if _, err := w.Tree(t.Context(), reader("a"), 0, source.Revision{ID: one}); err == nil {
			t.Error("nor read")
		}
		w.read(reader("a"), ofMain())
		pass(0)
		want(t, "until it has one again", 3, w.hosts.count())
	})
}

func TestAnotherRepository(t *testing.T) {
	run(t, refresh.Options{}, func(t *testing.T, w *world) {
		w.read(reader("a"), ofMain())
		pass(0)
		moved := ofMain()
		moved.URL = "https://git.example/acme/till"
		if seen := w.read(reader("a"), moved); seen.Polls != 0 || seen.Revision.ID != "" {
			t.Errorf("nothing of the old one is taken for the new one: %+v", seen)
		}
		pass(time.Minute)
		want(t, "the old one is not polled any more", 0, w.Pushed(t.Context(), url))
		want(t, "the new one is", 1, w.Pushed(t.Context(), moved.URL))
	})
}

func TestPushed(t *testing.T) {
	for _, pushed := range []string{
		"https://git.example/acme/shop.git", "https://GIT.example:443/acme/shop/", "https://ada:secret@git.example/acme/shop",
	} {
		run(t, refresh.Options{}, func(t *testing.T, w *world) {
			w.read(reader("a"), ofMain())
			w.read(reader("ssh"), refresh.Want{URL: "git@git.example:acme/shop.git"})
			pass(0)
			w.told()
			w.hosts.set(func(h *hosts) { h.refs["refs/heads/main"] = source.RefTarget{ID: two} })
			want(t, "another names none", 0, w.Pushed(t.Context(), "https://git.example/acme/shop2", ""))
			want(t, pushed+" names one repository", 1, w.Pushed(t.Context(), pushed, pushed))
			pass(0)
			want(t, pushed+" is polled at once", []string{"a main@2222222"}, w.told())
			want(t, "and once", 3, w.hosts.count())
			want(t, "both spellings of it name both", 2, w.Pushed(t.Context(), pushed, "ssh://git@git.example/acme/shop"))
			pass(0)
			want(t, "each is polled", 5, w.hosts.count())
		})
	}
}

func TestCredentials(t *testing.T) {
	run(t, refresh.Options{Interval: time.Hour}, func(t *testing.T, w *world) {
		named := ofMain()
		named.Secret = &app.SecretRef{Namespace: "apps", Name: "mine"}
		w.read(reader("a"), ofMain())
		w.read(reader("b"), named)
		pass(0)
		passwords := map[string]bool{}
		for _, f := range w.hosts.fetches {
			passwords[f.Password] = true
		}
		want(t, "readers with different Secrets do not share a remote", map[string]bool{"old": true, "mine": true}, passwords)
		w.Forget(reader("b"))
		w.keys.password = "new"
		w.hosts.set(func(h *hosts) { h.err = errors.New("authentication required") })
		w.Now(reader("a"))
		pass(0)
		want(t, "credentials that work are kept", "old", w.hosts.fetches[2].Password)
		w.hosts.set(func(h *hosts) { h.err = nil })
		pass(time.Second)
		want(t, "refused ones are looked up again", "new", w.hosts.fetches[3].Password)
		w.keys.password = "newer"
		w.Renew()
		pass(time.Hour)
		want(t, "renewed ones too", "newer", w.hosts.fetches[4].Password)
	})
}

func TestNoCredentials(t *testing.T) {
	run(t, refresh.Options{}, func(t *testing.T, w *world) {
		w.keys.err = errors.New("secret not found")
		w.read(reader("a"), ofMain())
		pass(0)
		seen := w.read(reader("a"), ofMain())
		if seen.Err == nil || !strings.Contains(seen.Err.Error(), "secret not found") || w.hosts.count() != 0 {
			t.Errorf("%v after %d fetches", seen.Err, w.hosts.count())
		}
		w.keys.err = nil
		w.Renew()
		pass(0)
		want(t, "credentials that appear are used at once", one, w.read(reader("a"), ofMain()).Revision.ID)
	})
}

func TestAbbreviations(t *testing.T) {
	run(t, refresh.Options{}, func(t *testing.T, w *world) {
		w.read(reader("other"), ofMain())
		pass(0)
		w.told()
		w.hosts.set(func(h *hosts) { h.full = map[string]string{"2222222": two} })
		short := refresh.Want{URL: url, Ref: source.Ref{Any: "2222222"}}
		if seen := w.read(reader("a"), short); seen.Err == nil {
			t.Errorf("an abbreviation is not known from references: %+v", seen)
		}
		pass(0)
		want(t, "it is looked up at once", []string{"a 2222222!"}, w.told())
		seen := w.read(reader("a"), short)
		want(t, "and completed", source.Revision{ID: two}, seen.Revision)
		want(t, "without an error", nil, seen.Err)
		w.hosts.set(func(h *hosts) { h.full = nil })
		pass(2 * time.Minute)
		want(t, "what was completed once stands", two, w.read(reader("a"), short).Revision.ID)
		want(t, "without a word", nil, w.told())
	})
}

func TestFurtherReferences(t *testing.T) {
	run(t, refresh.Options{}, func(t *testing.T, w *world) {
		w.hosts.refs["refs/pull/7/head"] = source.RefTarget{ID: two}
		w.read(reader("main"), ofMain())
		pass(0)
		w.told()
		pull := refresh.Want{URL: url, Ref: source.Ref{Name: "refs/pull/7/head"}}
		w.read(reader("pull"), pull)
		w.read(reader("same"), pull)
		pass(0)
		want(t, "what is needed beside branches is fetched, once, at once", []string{"refs/pull/7/head"}, w.hosts.fetches[1].Further)
		want(t, "for who needs it", []string{"pull refs/pull/7/head@2222222!", "same refs/pull/7/head@2222222!"}, w.told())
		w.Forget(reader("pull"))
		w.Forget(reader("same"))
		pass(2 * time.Minute)
		want(t, "and no longer", 0, len(w.hosts.fetches[w.hosts.count()-1].Further))
	})
}

func TestTreeAndAges(t *testing.T) {
	run(t, refresh.Options{Interval: time.Hour}, func(t *testing.T, w *world) {
		with := ofMain()
		with.URL = "https://ada:secret@git.example/acme/shop"
		w.read(reader("a"), with)
		pass(time.Minute)
		tree, err := w.Tree(t.Context(), reader("a"), 0, source.Revision{ID: one})
		if err != nil {
			t.Fatal(err)
		}
		data, err := tree.ReadFile("app.yaml")
		want(t, "the files are those of the revision", one, string(data))
		want(t, "", nil, err)
		want(t, "ages are by address without secrets", map[string]time.Duration{url: time.Minute}, w.Ages(time.Now()))
	})
}
