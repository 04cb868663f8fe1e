package diff

import (
	"strings"
	"testing"
)

func recorded(b *testing.B, name string) recording {
	b.Helper()
	for _, r := range recordings(b) {
		if strings.TrimSuffix(r.name, ".txtar") == name {
			return r
		}
	}
	b.Fatalf("no recording %q", name)
	return recording{}
}

func benchmarkCompute(b *testing.B, name string, want Kind) {
	in := recorded(b, name).in
	if got, err := Compute(in); err != nil || got.Kind != want {
		b.Fatalf("%v, %v", got, err)
	}
	b.ReportAllocs()
	for b.Loop() {
		_, _ = Compute(in)
	}
}

func BenchmarkComputeInSync(b *testing.B)  { benchmarkCompute(b, "deployment_same", None) }
func BenchmarkComputeRepairs(b *testing.B) { benchmarkCompute(b, "deployment_volumes", None) }
func BenchmarkComputeDiffers(b *testing.B) { benchmarkCompute(b, "deployment_image", Update) }
func BenchmarkComputeRemoves(b *testing.B) { benchmarkCompute(b, "deployment_sidecar_removed", Update) }

func BenchmarkOwned(b *testing.B) {
	live := recorded(b, "deployment_volumes").in.Live
	b.ReportAllocs()
	for b.Loop() {
		_, _ = Owned(live, "plumbline")
	}
}

func BenchmarkDigestOf(b *testing.B) {
	desired := recorded(b, "deployment_volumes").in.Desired
	b.ReportAllocs()
	for b.Loop() {
		_ = DigestOf(desired)
	}
}
