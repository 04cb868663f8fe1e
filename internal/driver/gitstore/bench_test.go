package gitstore

import (
	"os"
	"path/filepath"
	"testing"
)

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
