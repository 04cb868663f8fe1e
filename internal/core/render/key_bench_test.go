package render_test

import (
	"fmt"
	"testing"

	"github.com/plumbline-dev/plumbline/internal/core/render"
)

// BenchmarkKey digests a request as a chart with values and a cluster's API
// versions gives it.
func BenchmarkKey(b *testing.B) {
	req := render.Request{Tool: render.Helm, Path: "charts/shop", KubeVersion: "v1.37.2", Helm: &render.HelmOptions{ReleaseName: "shop", ValueFiles: []string{"values.yaml", "prod.yaml"}}}
	for i := range 300 {
		req.APIVersions = append(req.APIVersions, fmt.Sprintf("group-%d.example.org/v1", i))
	}
	b.ReportAllocs()
	for b.Loop() {
		req.Key()
	}
}
