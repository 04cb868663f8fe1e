package health_test

import (
	"fmt"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/plumbline-dev/plumbline/internal/core/health"
)

func rollingDeployment() *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "apps/v1",
		"kind":       "Deployment",
		"metadata":   map[string]any{"name": "api", "namespace": "shop", "generation": int64(2)},
		"spec":       map[string]any{"replicas": int64(5)},
		"status": map[string]any{
			"observedGeneration": int64(2),
			"replicas":           int64(5), "updatedReplicas": int64(5), "availableReplicas": int64(2),
		},
	}}
}

func Example() {
	status, ok := health.Assess(rollingDeployment())
	fmt.Println(ok, status.Code, "-", status.Message)

	progress, why := health.Wait(rollingDeployment())
	fmt.Println(progress, "-", why)

	fmt.Println(health.Worse(status.Code, health.Healthy))
	// Output:
	// true Progressing - 2 of 5 replicas available
	// InProgress - 2 of 5 replicas available
	// true
}

func BenchmarkAssess(b *testing.B) {
	obj := rollingDeployment()
	b.ReportAllocs()
	for b.Loop() {
		if status, _ := health.Assess(obj); status.Code != health.Progressing {
			b.Fatal(status)
		}
	}
}
