package gitstore

import (
	"testing"

	"github.com/plumbline-dev/plumbline/internal/core/gitremote"
	"github.com/plumbline-dev/plumbline/internal/core/source"
)

// The two things done most often: looking whether anything read has changed, and
// asking a remote that has nothing new.
func BenchmarkFootprint(b *testing.B) {
	w := newWork(b)
	w.manifold(400)
	s, err := Open(b.TempDir(), Options{AllowFile: gitremote.FileAllowed})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	r := gitremote.Remote{URL: "file://" + w.dir}
	at, err := s.Tree(b.Context(), r, source.Revision{ID: w.git("rev-parse", "HEAD")})
	if err != nil {
		b.Fatal(err)
	}
	outside := source.Record(at, "")
	for _, name := range []string{"apps/app-000/f0.yaml", "apps/app-000/f1.yaml", "apps/app-001/f1.yaml", "base/none.yaml"} {
		outside.ReadFile(name)
	}
	inside := source.Record(at, "apps/app-000")
	inside.ReadFile("apps/app-000/f0.yaml")
	for name, footprint := range map[string]source.Footprint{"scope": inside.Footprint(), "4 reads": outside.Footprint()} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if !footprint.Holds(at) {
					b.Fatal("does not hold")
				}
			}
		})
	}
	b.Run("poll", func(b *testing.B) {
		for b.Loop() {
			if _, err := s.Fetch(b.Context(), r); err != nil {
				b.Fatal(err)
			}
		}
	})
}
