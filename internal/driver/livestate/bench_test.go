package livestate

import (
	"runtime"
	"testing"

	"github.com/plumbline-dev/plumbline/internal/core/object"
)

// BenchmarkMemory reports the heap that one of 5,000 Deployments costs, all
// indexes included.
func BenchmarkMemory(b *testing.B) {
	const n = 5000
	for b.Loop() {
		before := heap()
		s := filled(b, n)
		grown := heap() - before
		stats := s.Stats()
		b.ReportMetric(float64(grown)/n, "heap-B/object")
		b.ReportMetric(float64(stats.Bytes)/n, "data-B/object")
		b.ReportMetric(float64(len(deployment(1))), "json-B/object")
		runtime.KeepAlive(s)
	}
}

func heap() uint64 {
	var m runtime.MemStats
	for range 3 { // pools let go of their contents in steps
		runtime.GC()
	}
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// BenchmarkGet decompresses and decodes one Deployment.
func BenchmarkGet(b *testing.B) {
	s := filled(b, 100)
	key := s.Keys(s.Stats().Kinds[0].GVK.GroupKind())[50]
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := s.Get(key); !ok {
			b.Fatal("missing")
		}
	}
}

// BenchmarkMeta looks one Deployment up.
func BenchmarkMeta(b *testing.B) {
	s := filled(b, 100)
	key := s.Keys(s.Stats().Kinds[0].GVK.GroupKind())[50]
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := s.Meta(key); !ok {
			b.Fatal("missing")
		}
	}
}

// BenchmarkEvent takes in one modified Deployment.
func BenchmarkEvent(b *testing.B) {
	s := filled(b, 100)
	k := s.kinds[object.Key{Group: "apps", Kind: "Deployment"}.GroupKind()]
	w := &watch{state: s, kind: k, run: k.run, resource: k.resource}
	raws := [][]byte{deployment(1), deployment(2), deployment(3)}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		h, err := w.header(raws[i%3])
		if err != nil {
			b.Fatal(err)
		}
		_ = s.record(k, h, raws[i%3], true)
		i++
	}
}
