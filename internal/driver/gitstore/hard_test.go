package gitstore

import (
	"bytes"
	"crypto/sha1"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/klauspost/compress/zlib"

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

// damaged returns a fetched repository's only pack and index, for a test to spoil.
func damaged(t *testing.T) (w *work, dir, packName string, id string) {
	t.Helper()
	w = newWork(t)
	id = w.manifold(40)
	w.git("repack", "-a", "-d", "-q", "-f")
	w.git("prune-packed")
	names, _ := filepath.Glob(filepath.Join(w.dir, ".git", "objects", "pack", "*.pack"))
	if len(names) != 1 {
		t.Fatalf("packs %q", names)
	}
	os.Chmod(names[0], 0o600)
	os.Chmod(strings.TrimSuffix(names[0], ".pack")+".idx", 0o600)
	return w, w.dir, names[0], id
}

// readAll reads all of a commit and returns the errors.
func readAll(dir, id string) (files int, err error) {
	l, err := OpenLocal(dir, Options{})
	if err != nil {
		return 0, err
	}
	at, err := l.Tree(source.Revision{ID: id})
	if err != nil {
		return 0, err
	}
	var errs []error
	fs.WalkDir(at, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			errs = append(errs, err)
			return nil
		}
		if d.Type().IsRegular() {
			if _, err := at.ReadFile(name); err != nil {
				errs = append(errs, err)
				return nil
			}
			files++
		}
		return nil
	})
	return files, errors.Join(errs...)
}

// Whatever byte is wrong: an error or the right content, never a panic and never
// other content.
func TestDamagedPack(t *testing.T) {
	_, dir, name, id := damaged(t)
	whole, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	faults := 0
	for at := 0; at < len(whole); at += max(1, len(whole)/200) {
		spoilt := bytes.Clone(whole)
		spoilt[at] ^= 0x55
		os.WriteFile(name, spoilt, 0o600)
		if _, err := readAll(dir, id); err != nil {
			faults++
		}
	}
	if faults < 50 {
		t.Errorf("only %d faults were noticed", faults)
	}
	os.WriteFile(name, whole[:len(whole)/2], 0o600)
	if _, err := readAll(dir, id); err == nil {
		t.Error("half a pack was accepted")
	}
	os.WriteFile(name, nil, 0o600)
	if _, err := readAll(dir, id); err == nil {
		t.Error("an empty pack was accepted")
	}
}

func TestDamagedIndex(t *testing.T) {
	_, dir, name, id := damaged(t)
	name = strings.TrimSuffix(name, ".pack") + ".idx"
	whole, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for at := 0; at < len(whole); at += max(1, len(whole)/200) {
		spoilt := bytes.Clone(whole)
		spoilt[at] ^= 0xff
		os.WriteFile(name, spoilt, 0o600)
		readAll(dir, id)
	}
	for _, size := range []int{0, 1, 8, 1000, 1071, len(whole) - 1} {
		os.WriteFile(name, whole[:size], 0o600)
		if _, err := readAll(dir, id); err == nil {
			t.Errorf("an index of %d bytes was accepted", size)
		}
	}
}

// A mapped file that is cut off while in use gives an error, not a crash.
func TestPackCutOffInUse(t *testing.T) {
	_, dir, name, id := damaged(t)
	l, err := OpenLocal(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	at, err := l.Tree(source.Revision{ID: id})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(name, 0); err != nil {
		t.Fatal(err)
	}
	_, err = at.ReadFile("apps/app-000/f1.yaml")
	var corrupt *CorruptError
	if !errors.As(err, &corrupt) {
		t.Errorf("%v", err)
	}
	oneLine(t, err)
}

// A pack that is deleted while in use stays readable.
func TestPackDeletedInUse(t *testing.T) {
	_, dir, name, id := damaged(t)
	l, err := OpenLocal(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	at, err := l.Tree(source.Revision{ID: id})
	if err != nil {
		t.Fatal(err)
	}
	os.Remove(name)
	os.Remove(strings.TrimSuffix(name, ".pack") + ".idx")
	if _, err := at.ReadFile("apps/app-000/f1.yaml"); err != nil {
		t.Error(err)
	}
}

// raw builds a pack from entries and its index, as a hostile server might.
type raw struct {
	entries [][]byte
	ids     []oid
}

func (r *raw) add(id oid, k kind, size int, base, plain []byte) {
	head := []byte{byte(k)<<4 | byte(size&15)}
	for size >>= 4; size > 0; size >>= 7 {
		head[len(head)-1] |= 0x80
		head = append(head, byte(size&0x7f))
	}
	var b bytes.Buffer
	b.Write(head)
	b.Write(base)
	z := zlib.NewWriter(&b)
	z.Write(plain)
	z.Close()
	r.entries = append(r.entries, b.Bytes())
	r.ids = append(r.ids, id)
}

func (r *raw) pack(t testing.TB) *pack {
	data := []byte("PACK\x00\x00\x00\x02")
	data = binary.BigEndian.AppendUint32(data, uint32(len(r.entries)))
	x := []byte("\xfftOc\x00\x00\x00\x02")
	var names, offsets []byte
	var counts [256]uint32
	for i, e := range r.entries {
		names = append(names, r.ids[i][:]...)
		offsets = binary.BigEndian.AppendUint32(offsets, uint32(len(data)))
		data = append(data, e...)
		for c := int(r.ids[i][0]); c < 256; c++ {
			counts[c]++
		}
	}
	sum := sha1.Sum(data)
	data = append(data, sum[:]...)
	for _, n := range counts {
		x = binary.BigEndian.AppendUint32(x, n)
	}
	x = append(append(append(x, names...), make([]byte, 4*len(r.ids))...), offsets...)
	x = append(append(x, sum[:]...), make([]byte, 20)...)
	p, err := newPack("test.pack", x, data)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestHostilePacks(t *testing.T) {
	small := limits{file: 1 << 10, object: 1 << 16, depth: 10, entries: 100}
	tests := map[string]struct {
		reason string
		build  func(*raw)
	}{
		"large claim":     {"nothing is allocated for it", func(r *raw) { r.add(oid{1}, kindBlob, 1<<40, nil, []byte("x")) }},
		"bomb":            {"the limit holds", func(r *raw) { r.add(oid{1}, kindBlob, 1<<20, nil, make([]byte, 1<<20)) }},
		"more than said":  {"", func(r *raw) { r.add(oid{1}, kindBlob, 10, nil, make([]byte, 11)) }},
		"less than said":  {"", func(r *raw) { r.add(oid{1}, kindBlob, 10, nil, make([]byte, 9)) }},
		"delta of itself": {"loops end", func(r *raw) { self := oid{1}; r.add(self, kindRefDelta, 4, self[:], []byte{0, 0, 0, 0}) }},
		"mutual deltas": {"loops end", func(r *raw) {
			a, b := oid{1}, oid{2}
			r.add(a, kindRefDelta, 4, b[:], []byte{1, 1, 1, 0})
			r.add(b, kindRefDelta, 4, a[:], []byte{1, 1, 1, 0})
		}},
		"delta of nothing": {"", func(r *raw) { base := oid{9}; r.add(oid{1}, kindRefDelta, 4, base[:], []byte{1, 1, 1, 0}) }},
		"offset forward":   {"", func(r *raw) { r.add(oid{1}, kindOfsDelta, 4, []byte{0}, []byte{1, 1, 1, 0}) }},
		"offset too far":   {"", func(r *raw) { r.add(oid{1}, kindOfsDelta, 4, []byte{0xff, 0xff, 0xff, 0x7f}, []byte{1, 1, 1, 0}) }},
		"delta bomb": {"a result above the limit is refused before it is made", func(r *raw) {
			base := oid{2}
			r.add(oid{1}, kindRefDelta, 12, base[:], []byte{1, 0x80, 0x80, 0x80, 0x80, 0x08, 0x90, 1, 0x90, 1, 0x90, 1})
			r.add(base, kindBlob, 1, nil, []byte("x"))
		}},
		"unknown kind": {"", func(r *raw) { r.add(oid{1}, 5, 1, nil, []byte("x")) }},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var r raw
			tt.build(&r)
			p := r.pack(t)
			offset, ok := p.find(oid{1})
			if !ok {
				t.Fatal("not found")
			}
			c, err := p.read(offset, small, newLRU(1<<20))
			if err == nil {
				t.Errorf("read %d bytes: %s", len(c.data), tt.reason)
			}
			p.stat(offset, small)
		})
	}
}

func TestHostileTrees(t *testing.T) {
	line := func(mode, name string) string { return mode + " " + name + "\x00" + strings.Repeat("i", 20) }
	for name, text := range map[string]string{
		"dotdot": line("40000", ".."), "dot": line("40000", "."), "git": line("40000", ".git"), "GIT": line("100644", ".GiT"),
		"slash": line("100644", "a/b"), "empty": line("100644", ""), "mode": line("100000", "a"), "long mode": line("00000000100644", "a"),
		"cut": line("100644", "a")[:15], "no name": "100644 ", "no mode": " a\x00" + strings.Repeat("i", 20), "too many": strings.Repeat(line("100644", "a"), 101),
	} {
		if _, err := parseTree([]byte(text), 100); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
	if _, ok, _ := findEntry([]byte(line("40000", ".git")), ".git"); ok {
		t.Error(".git was found")
	}
}

// A repository that no honest git would make is refused on its way in.
func TestHostileRepositoryIsNotFetched(t *testing.T) {
	for _, name := range []string{".git", "..", "a/b"} {
		w := newWork(t)
		blob := w.gitIn([]byte("x"), "hash-object", "-w", "--stdin")
		id, err := parseOID(blob)
		if err != nil {
			t.Fatal(err)
		}
		bad := "100644 " + name + "\x00" + string(id[:])
		at := w.gitIn([]byte(bad), "hash-object", "-w", "-t", "tree", "--literally", "--stdin")
		commit := w.git("commit-tree", "-m", "bad", at)
		w.git("update-ref", "refs/heads/main", commit)
		_, err = newStore(t, Options{}).Fetch(t.Context(), w.remote())
		if kindOf(err) != FailedProtocol {
			t.Errorf("%q: %v", name, err)
		}
		oneLine(t, err)
	}
}

func TestOpenLocal(t *testing.T) {
	w := newWork(t)
	w.write("a.txt", "1")
	id := w.commit("one")
	w.git("worktree", "add", "-q", filepath.Join(w.dir, "linked"), "-b", "linked")
	bare := filepath.Join(t.TempDir(), "bare.git")
	w.git("clone", "-q", "--bare", ".", bare)
	shared := filepath.Join(t.TempDir(), "shared")
	w.git("clone", "-q", "--shared", ".", shared)
	for name, dir := range map[string]string{"work tree": w.dir, "git directory": filepath.Join(w.dir, ".git"), "linked": filepath.Join(w.dir, "linked"), "bare": bare, "shared": shared} {
		l, err := OpenLocal(dir, Options{})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for _, ref := range []source.Ref{{}, {Any: id}, {Any: id[:8]}} {
			rev, err := l.Resolve(ref)
			if err != nil || rev.ID != id {
				t.Errorf("%s: %s resolves to %v, %v", name, ref, rev, err)
				continue
			}
			at, err := l.Tree(rev)
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			if data, err := at.ReadFile("a.txt"); string(data) != "1" || err != nil {
				t.Errorf("%s: %q, %v", name, data, err)
			}
		}
		if c, err := l.Commit(id); err != nil || c.Subject != "one" {
			t.Errorf("%s: %+v, %v", name, c, err)
		}
	}
	w.git("checkout", "-q", "--detach")
	if l, err := OpenLocal(w.dir, Options{}); err != nil {
		t.Error(err)
	} else if refs, err := l.Refs(); err != nil || refs["HEAD"].ID != id {
		t.Errorf("detached: %v, %v", refs, err)
	}
	sha256 := filepath.Join(t.TempDir(), "sha256")
	w.git("init", "-q", "--object-format=sha256", sha256)
	for dir, want := range map[string]string{
		t.TempDir():                   "is not a Git repository: it has no .git",
		filepath.Join(w.dir, "none"):  "no such file or directory",
		filepath.Join(w.dir, "a.txt"): "not a directory",
		sha256:                        "its object ids are SHA256: only SHA-1 repositories can be read yet",
	} {
		if _, err := OpenLocal(dir, Options{}); err == nil || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("%s: %v, want %s", dir, err, want)
		}
	}
	other := &work{t, sha256}
	other.commit("one")
	_, err := newStore(t, Options{}).Fetch(t.Context(), other.remote())
	if kindOf(err) != FailedProtocol {
		t.Errorf("a SHA-256 remote: %v", err)
	}
	t.Log(err)
}

func TestOpenRefuses(t *testing.T) {
	if _, err := Open(t.TempDir(), Options{Git: "/no/such/git"}); err == nil || !strings.Contains(err.Error(), "install git") {
		t.Error(err)
	}
	file := filepath.Join(t.TempDir(), "file")
	os.WriteFile(file, nil, 0o600)
	if _, err := Open(file, Options{}); err == nil {
		t.Error("a file was opened as a store")
	}
}
