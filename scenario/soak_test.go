package scenario

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// soakFor is how long TestSoak goes on; make soak sets it.
var (
	soakFor  = flag.Duration("soak", 0, "how long to soak; 0 skips it")
	soakSeed = flag.Uint64("soak.seed", 0, "seed of the soak; 0 takes another one each time")
)

// TestSoak does at random what happens to a cluster in a bad month, commits,
// drifts, moves, faults, kills, beside a model of what has to come of it. Again
// and again it lets things settle and compares: nothing differs, no object was
// deleted and made anew that was there all the time, no goroutine is left over
// and memory is flat.
func TestSoak(t *testing.T) {
	if *soakFor == 0 {
		t.Skip("make soak")
	}
	seed := *soakSeed
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("seed %d", seed)
	s := newSoak(t, rand.New(rand.NewPCG(seed, seed)))
	started, rounds := time.Now(), 0
	for ; time.Since(started) < *soakFor; rounds++ {
		// Kills end half-way, so that leaks can show in the other half.
		s.kills = time.Since(started) < *soakFor/2
		for range 25 {
			s.act()
		}
		s.settle()
		if t.Failed() {
			t.Fatalf("after %s, %d rounds, seed %d", time.Since(started).Round(time.Second), rounds+1, seed)
		}
	}
	t.Logf("%d rounds, %d actions, %v", rounds, s.actions, s.counts)
	s.flat()
}

const soakApps = 12

// soak is a world under stress and the model of what it should look like.
type soak struct {
	t      *testing.T
	random *rand.Rand
	world  *world
	tree   string
	head   string
	kills  bool
	aside  bool // pushes go around the Git server

	apps    []map[string]string // what each application declares: object to value
	uids    map[string]string   // of objects that were never gone since
	next    int                 // makes names and values
	broken  int                 // application whose files are broken; -1: none
	actions int
	counts  map[string]int
	history []string         // of this round
	moved   map[string][]int // objects to applications, in this round
	absent  map[int]bool     // applications that were not declared for a moment of this round

	measured []measure // once nothing is killed any more
}

// measure is the weight of plumbd when all is quiet.
type measure struct {
	goroutines int
	memory     float64 // MiB
}

func newSoak(t *testing.T, random *rand.Rand) *soak {
	t.Helper()
	w, err := newWorld(0, []string{"-faults", "-prune-limit", "100%", "-profile", "-poll", "2s", "-watch-silence", "10s"})
	if err != nil {
		t.Fatal(err)
	}
	s := &soak{t: t, random: random, world: w, tree: t.TempDir(), uids: map[string]string{}, broken: -1, counts: map[string]int{}, moved: map[string][]int{}, absent: map[int]bool{}}
	t.Cleanup(func() {
		text, _ := os.ReadFile(w.path("plumbd.log"))
		if err := w.close(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("plumbd's log:\n%s", tail(string(text), 80))
		}
	})
	if _, err := git(w.dir, "init", "--bare", "--initial-branch=main", w.path("repos/soak.git")); err != nil {
		t.Fatal(err)
	}
	if _, err := git(w.path("repos/soak.git"), "config", "http.receivepack", "true"); err != nil {
		t.Fatal(err)
	}
	for i := range soakApps {
		s.apps = append(s.apps, map[string]string{})
		for range 5 {
			s.apps[i][s.name()] = s.value()
		}
	}
	s.push(true)
	s.declare()
	s.settle()
	return s
}

func (s *soak) name() string  { s.next++; return fmt.Sprintf("item-%04d", s.next) }
func (s *soak) value() string { s.next++; return fmt.Sprintf("value-%d", s.next) }

func (s *soak) pick() int { return s.random.IntN(soakApps) }

// object returns one object of an application, or "".
func (s *soak) object(app int) string {
	names := sortedKeys(s.apps[app])
	if len(names) == 0 {
		return ""
	}
	return names[s.random.IntN(len(names))]
}

// act does one thing.
func (s *soak) act() {
	s.actions++
	things := []struct {
		weight int
		name   string
		do     func()
	}{
		{8, "commit", s.commit}, {2, "move", s.move}, {2, "break", s.breakFiles}, {6, "drift", s.drift}, {3, "delete", s.remove},
		{5, "api fault", s.apiFault}, {2, "git fault", s.gitFault}, {1, "kill", s.kill}, {1, "redeclare", s.redeclare},
	}
	total := 0
	for _, thing := range things {
		total += thing.weight
	}
	n := s.random.IntN(total)
	for _, thing := range things {
		if n -= thing.weight; n < 0 {
			s.counts[thing.name]++
			s.note("%s", thing.name)
			thing.do()
			return
		}
	}
}

// note keeps what is done, for whoever has to explain the end of the round.
func (s *soak) note(format string, args ...any) {
	s.history = append(s.history, time.Now().UTC().Format("15:04:05.000 ")+fmt.Sprintf(format, args...))
}

// commit changes, adds and removes objects of up to three applications.
func (s *soak) commit() {
	for range 1 + s.random.IntN(3) {
		i := s.pick()
		switch s.random.IntN(3) {
		case 0:
			s.apps[i][s.name()] = s.value()
		case 1:
			if name := s.object(i); name != "" {
				s.apps[i][name] = s.value()
			}
		case 2:
			if name := s.object(i); name != "" && len(s.apps[i]) > 2 {
				delete(s.apps[i], name)
				delete(s.uids, name)
			}
		}
	}
	s.push(false)
}

// move takes an object from one application to another in one commit.
func (s *soak) move() {
	from, to := s.pick(), s.pick()
	if name := s.object(from); name != "" && from != to {
		s.apps[to][name] = s.apps[from][name]
		delete(s.apps[from], name)
		s.moved[name] = append(s.moved[name], to)
		s.note("%s moves from app-%d to app-%d", name, from, to)
		s.push(false)
	}
}

// breakFiles commits something that does not render; the next commit mends it.
func (s *soak) breakFiles() {
	s.broken = s.pick()
	s.note("app-%d is broken", s.broken)
	s.push(false)
	s.broken = -1
}

// push writes the model into the repository.
func (s *soak) push(first bool) {
	if err := os.RemoveAll(s.tree); err != nil {
		s.t.Fatal(err)
	}
	for i, objects := range s.apps {
		dir := filepath.Join(s.tree, fmt.Sprintf("app-%d", i))
		if err := os.MkdirAll(dir, 0o755); err != nil {
			s.t.Fatal(err)
		}
		files := map[string]string{"release": fmt.Sprint(s.next)}
		for name, value := range objects {
			files[name] = value
		}
		for name, value := range files {
			if name == "release" {
				name = fmt.Sprintf("release-%d", i)
			}
			text := fmt.Sprintf("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: %s\n  namespace: soak\ndata:\n  value: %q\n", name, value)
			if err := os.WriteFile(filepath.Join(dir, name+".yaml"), []byte(text), 0o644); err != nil {
				s.t.Fatal(err)
			}
		}
		if s.broken == i {
			if err := os.WriteFile(filepath.Join(dir, "broken.yaml"), []byte("apiVersion: v1\nkind: ConfigMap\nmetadata: [\n"), 0o644); err != nil {
				s.t.Fatal(err)
			}
		}
	}
	var err error
	remote := s.world.git + "/soak.git"
	if s.aside || s.random.IntN(3) == 0 {
		remote = s.world.path("repos/soak.git") // without a webhook
	}
	if s.head, err = commit(s.tree, remote, "main", "change", first, nil); err != nil {
		s.t.Fatal(err)
	}
}

// kill ends plumbd without warning, at once or between two writes, and starts it again.
func (s *soak) kill() {
	if !s.kills {
		return
	}
	r := s.world.replicas["plumbd"]
	if s.random.IntN(3) == 0 {
		_ = r.process.stop()
	} else {
		r.process.kill()
	}
	s.world.proxy.end()
	if err := s.world.startPlumbd("plumbd"); err != nil {
		s.t.Fatal(err)
	}
}

// apiFault lets the API server misbehave for a moment.
func (s *soak) apiFault() {
	kinds := []fault{
		{mode: "500", every: 2}, {mode: "503", verb: "write"}, {mode: "429", every: 3}, {mode: "409", verb: "write", every: 2},
		{mode: "reset", every: 2}, {mode: "lost", verb: "write", every: 2}, {mode: "truncate", every: 3}, {mode: "duplicate", verb: "write"},
		{mode: "gone", verb: "watch", times: 6}, {mode: "closed", every: 5}, {mode: "unavailable", group: "apps"}, {mode: "401", verb: "watch", times: 4},
	}
	f := kinds[s.random.IntN(len(kinds))]
	s.note("%s %s every %d", f.mode, f.verb, f.every)
	s.world.proxy.begin(&f)
	s.act()
	s.moment()
	s.world.proxy.end()
}

// gitFault lets the Git server misbehave for a moment.
func (s *soak) gitFault() {
	modes := []string{"500", "html", "truncate", "hang"}
	s.gitMode(modes[s.random.IntN(len(modes))])
	s.aside = true // what hangs for plumbd would hang for the push, too
	s.commit()
	s.moment()
	s.aside = false
	s.gitMode("off")
}

func (s *soak) gitMode(mode string) {
	res, err := http.Post(fmt.Sprintf("%s/_fault?repo=soak&mode=%s", s.world.git, mode), "", nil)
	if err != nil {
		s.t.Fatal(err)
	}
	res.Body.Close()
}

// moment is how long a fault lasts.
func (s *soak) moment() { <-time.After(time.Duration(s.random.IntN(1500)) * time.Millisecond) }
