package plan_test

import (
	"fmt"
	"testing"

	"github.com/plumbline-dev/plumbline/internal/core/plan"
)

// BenchmarkBuild orders 1,000 objects in five waves, and a hundred prunes.
func BenchmarkBuild(b *testing.B) {
	in := plan.Input{Order: plan.ByWave, Prune: true}
	for i := range 1000 {
		fields := []string{"ConfigMap", fmt.Sprintf("shop/item-%d", i), fmt.Sprintf("wave=%d", i%5)}
		in.Items = append(in.Items, item(b, i, fields))
	}
	for i := range 100 {
		in.Leftovers = append(in.Leftovers, leftover(b, []string{"Secret", fmt.Sprintf("shop/old-%d", i)}))
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := plan.Build(in); err != nil {
			b.Fatal(err)
		}
	}
}
