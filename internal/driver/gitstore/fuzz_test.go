package gitstore

import (
	"bufio"
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func FuzzApplyDelta(f *testing.F) {
	f.Add([]byte("hello world"), []byte("\x0b\x05\x90\x05"))
	f.Add([]byte("hello world"), []byte("\x0b\x08\x03abc\x91\x06\x05"))
	f.Fuzz(func(t *testing.T, base, delta []byte) {
		const limit = 1 << 16
		out, err := applyDelta(base, delta, limit)
		if err == nil && len(out) > limit {
			t.Errorf("%d bytes", len(out))
		}
		if _, size, _, sizeErr := deltaSizes(delta); err == nil && (sizeErr != nil || size != uint64(len(out))) {
			t.Errorf("size %d, %v, content %d", size, sizeErr, len(out))
		}
	})
}

func FuzzTree(f *testing.F) {
	f.Add([]byte("100644 a\x0001234567890123456789"))
	f.Add([]byte("40000 dir\x0001234567890123456789120000 l\x0001234567890123456789"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		entries, err := parseTree(raw, 1000)
		if err != nil {
			return
		}
		for _, e := range entries {
			if strings.ContainsAny(e.name, "/\x00") || e.name == "" || e.name == ".." || e.name == "." || strings.EqualFold(e.name, ".git") {
				t.Errorf("name %q", e.name)
			}
			found, ok, err := findEntry(raw, e.name)
			if !ok || err != nil || found.name != e.name {
				t.Errorf("listed %q is not found: %v", e.name, err)
			}
		}
	})
}

// seedPack returns a small real pack and its index.
func seedPack(f *testing.F) (index, data []byte) {
	f.Helper()
	var r raw
	base := digest(kindBlob, []byte("hello world"))
	r.add(base, kindBlob, 11, nil, []byte("hello world"))
	next := digest(kindBlob, []byte("hello"))
	r.add(next, kindRefDelta, 4, base[:], []byte("\x0b\x05\x90\x05"))
	p := r.pack(f)
	return p.index.data, p.data
}

func FuzzIndex(f *testing.F) {
	index, _ := seedPack(f)
	f.Add(index, []byte("abcd"))
	f.Fuzz(func(t *testing.T, data, id []byte) {
		x, err := parseIndex(data)
		if err != nil {
			return
		}
		var want oid
		copy(want[:], id)
		x.find(want)
		x.packSum()
		x.withPrefix(want.String()[:6], func(oid) {})
		for i := range min(x.count, 100) {
			x.offset(i)
			x.find(oid(x.name(i)))
		}
	})
}

func FuzzPackEntry(f *testing.F) {
	index, data := seedPack(f)
	f.Add(data[packHeader : len(data)-packTrailer])
	x, err := parseIndex(index)
	if err != nil {
		f.Fatal(err)
	}
	bounds := limits{file: 1 << 16, object: 1 << 16, depth: 20, entries: 100}
	f.Fuzz(func(t *testing.T, body []byte) {
		content := append(append(bytes.Clone(data[:packHeader]), body...), data[len(data)-packTrailer:]...)
		p := &pack{name: "fuzz.pack", index: x, data: content}
		for offset := range uint64(min(len(content), 64)) {
			c, err := p.read(offset, bounds, newLRU(1<<16))
			if err == nil && int64(len(c.data)) > bounds.object {
				t.Errorf("%d bytes", len(c.data))
			}
			k, size, statErr := p.stat(offset, bounds)
			if err == nil && (statErr != nil || k != c.kind || size != int64(len(c.data))) {
				t.Errorf("stat says %v %d %v, content is %v %d", k, size, statErr, c.kind, len(c.data))
			}
		}
	})
}

func FuzzLoose(f *testing.F) {
	f.Add([]byte("blob 3\x00abc"))
	f.Fuzz(func(t *testing.T, head []byte) { parseLooseHead(head) })
}

func FuzzCommitAndTag(f *testing.F) {
	f.Add([]byte("tree " + strings.Repeat("a", 40) + "\nauthor A <a@b> 1 +0100\ngpgsig -----BEGIN\n x\n -----END\n\nsubject\n\nbody"))
	f.Add([]byte("object " + strings.Repeat("a", 40) + "\ntype commit\ntag v1\ntagger A <a@b> 1 -0100\n\nx\n-----BEGIN PGP SIGNATURE-----\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if c, err := parseCommit(oid{}, data); err == nil && len(c.Payload) > len(data)+1 {
			t.Errorf("payload of %d bytes from %d", len(c.Payload), len(data))
		}
		parseTag(oid{}, data)
	})
}

func FuzzPackedRefs(f *testing.F) {
	f.Add("# pack-refs with: peeled fully-peeled sorted\n" + strings.Repeat("a", 40) + " refs/tags/v1\n^" + strings.Repeat("b", 40) + "\n")
	f.Fuzz(func(t *testing.T, text string) { parsePackedRefs(bufio.NewScanner(strings.NewReader(text))) })
}

func FuzzRemoteURL(f *testing.F) {
	for _, seed := range []string{"https://me:pw@h/a", "git@h:a/b", "ssh://git@h:22/a", "ext::sh", "--x", "git@[::1]:a"} {
		f.Add(seed)
	}
	auth := Auth{SSHPrivateKey: []byte("k"), KnownHosts: []byte("h")}
	f.Fuzz(func(t *testing.T, url string) {
		a, err := checkRemote(Remote{URL: url, Auth: auth}, FileRefused)
		if err != nil {
			if strings.ContainsAny(err.Error(), "\n\r") {
				t.Errorf("%q", err)
			}
			return
		}
		for _, scheme := range []string{"https://", "http://", "ssh://"} {
			if rest, ok := strings.CutPrefix(a.text, scheme); ok {
				_, host, hasUser := strings.Cut(rest, "@")
				if strings.HasPrefix(rest, "-") || hasUser && strings.HasPrefix(host, "-") || scheme != "ssh://" && strings.Contains(strings.Split(rest, "/")[0], "@") {
					t.Errorf("%q becomes %q", url, a.text)
				}
				return
			}
		}
		t.Errorf("%q becomes %q", url, a.text)
	})
}

func FuzzClassify(f *testing.F) {
	f.Add("remote: Counting objects: 1\rremote: Counting objects: 2\nfatal: Authentication failed for 'https://me:hunter2hunter2@h/'\n")
	f.Fuzz(func(t *testing.T, output string) {
		err := classify("https://h", output, []string{"hunter2hunter2"}, os.ErrInvalid)
		if text := err.Error(); strings.ContainsAny(text, "\n\r") || strings.Contains(text, "hunter2hunter2") || len(text) > 1000 {
			t.Errorf("%q", text)
		}
	})
}

// The reader against the machine's own repositories would be no test; this one is
// of the size a platform team has.
func BenchmarkReadAll(b *testing.B) {
	dir := os.Getenv("GITSTORE_BENCH_REPO") // a clone to read instead of a made one
	if dir == "" {
		b.Skip("set GITSTORE_BENCH_REPO to a clone")
	}
	l, err := OpenLocal(filepath.Clean(dir), Options{})
	if err != nil {
		b.Fatal(err)
	}
	refs, err := l.Refs()
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		n, err := readAll(dir, refs["HEAD"].ID)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(n), "files")
	}
}
