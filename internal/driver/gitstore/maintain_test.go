package gitstore

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/plumbline-dev/plumbline/internal/core/source"
)

// Readers of many revisions go on while fetches bring packs and repacking takes
// them away.
func TestReadersDuringFetchAndRepack(t *testing.T) {
	w := newWork(t)
	for i := range 50 {
		w.write(fmt.Sprintf("d%d/f.txt", i), strings.Repeat(fmt.Sprintf("file %d\n", i), 50))
	}
	w.commit("start")
	s := newStore(t, Options{CacheBytes: 64 << 10})
	s.maxPacks = 6
	first := mustFetch(t, s, w.remote())["HEAD"].ID
	p, _, err := s.repo(w.remote())
	if err != nil {
		t.Fatal(err)
	}
	stop := make(chan struct{})
	var readers sync.WaitGroup
	for n := range 3 {
		readers.Go(func() {
			for round := 0; ; round++ {
				select {
				case <-stop:
					return
				default:
				}
				id := first
				if refs, ok := s.Refs(w.remote()); ok && n%2 == 0 {
					id = refs["HEAD"].ID
				}
				at := mustTree(t, s, w.remote(), id)
				for i := range 20 {
					want := strings.Repeat(fmt.Sprintf("file %d\n", i), 50)
					if data, err := at.ReadFile(fmt.Sprintf("d%d/f.txt", i)); err != nil || !strings.HasPrefix(string(data), want[:5]) {
						t.Errorf("%d: %v", i, err)
						return
					}
				}
			}
		})
	}
	packs := 0
	for i := range 16 {
		w.write(fmt.Sprintf("d%d/f.txt", i%50), fmt.Sprintf("file %d\nround %d\n", i%50, i))
		w.commit(fmt.Sprint("round ", i))
		mustFetch(t, s, w.remote())
		packs = max(packs, len(*p.objects.packs.Load()))
	}
	close(stop)
	readers.Wait()
	if err := p.acquire(t.Context()); err != nil { // wait for maintenance
		t.Fatal(err)
	}
	p.release()
	if left := len(*p.objects.packs.Load()); packs < s.maxPacks || left > 6 {
		t.Errorf("%d packs at most, %d in the end", packs, left)
	}
	compare(t, w, mustTree(t, s, w.remote(), first), first)
}

// Merging packs keeps what no reference leads to.
func TestRepackKeepsReplacedCommits(t *testing.T) {
	w := newWork(t)
	w.write("a.txt", "start")
	w.commit("start")
	s := newStore(t, Options{})
	s.maxPacks = 6
	var replaced []string
	for i := range 12 {
		w.write("a.txt", fmt.Sprint("round ", i))
		w.git("add", "-A")
		w.git("commit", "-q", "--amend", "-m", fmt.Sprint("round ", i))
		replaced = append(replaced, mustFetch(t, s, w.remote())["HEAD"].ID)
	}
	p, _, _ := s.repo(w.remote())
	if err := p.acquire(t.Context()); err != nil { // wait for maintenance
		t.Fatal(err)
	}
	p.release()
	if n := len(*p.objects.packs.Load()); n > 6 {
		t.Fatalf("%d packs: nothing was merged", n)
	}
	reopened, err := OpenLocal(p.dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for i, id := range replaced {
		at, err := reopened.Tree(source.Revision{ID: id})
		if err != nil {
			t.Fatal(err)
		}
		if data, err := at.ReadFile("a.txt"); string(data) != fmt.Sprint("round ", i) || err != nil {
			t.Errorf("%d: %q, %v", i, data, err)
		}
	}
}

func TestManyReferencesArePacked(t *testing.T) {
	w := newWork(t)
	id := w.commit("one")
	var commands strings.Builder
	for i := range 300 {
		fmt.Fprintf(&commands, "create refs/heads/b%d %s\n", i, id)
	}
	w.gitIn([]byte(commands.String()), "update-ref", "--stdin")
	s := newStore(t, Options{})
	before := mustFetch(t, s, w.remote())
	again := mustFetch(t, s, w.remote())
	if len(before) != 302 || len(again) != 302 {
		t.Errorf("%d and %d references", len(before), len(again))
	}
	p, _, _ := s.repo(w.remote())
	if entries, _ := os.ReadDir(filepath.Join(p.dir, "refs", "heads")); len(entries) > maxLooseRefs {
		t.Errorf("%d references in files of their own", len(entries))
	}
}
