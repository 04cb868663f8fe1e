package gitstore

import (
	"bufio"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

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
