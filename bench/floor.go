package main

import (
	"context"
	"fmt"

	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/plumbline-dev/plumbline/internal/driver/kube"
)

const floorWorkers = 16

// floor is how fast the API server takes the same objects.
type floor struct {
	first, update cost
}

func measureFloor(ctx context.Context, o options, w workload, dir string) (floor, error) {
	s, err := startSandbox(ctx, o, dir)
	if err != nil {
		return floor{}, err
	}
	defer s.stop()
	c, err := connect(ctx, s)
	if err != nil {
		return floor{}, err
	}
	if err := makeNamespaces(ctx, c); err != nil {
		return floor{}, err
	}
	var f floor
	if f.first, err = applyAll(ctx, s, c, w, "v1"); err != nil {
		return f, err
	}
	f.update, err = applyAll(ctx, s, c, w, "v2")
	return f, err
}

func connect(ctx context.Context, s *sandbox) (*kube.Cluster, error) {
	cfg, err := s.config()
	if err != nil {
		return nil, err
	}
	return kube.Connect(ctx, cfg, kube.Options{})
}

func makeNamespaces(ctx context.Context, c *kube.Cluster) error {
	for i := range namespaces {
		ns := &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": fmt.Sprintf("bench-%d", i)},
		}}
		if _, err := c.Apply(ctx, ns, kube.WriteOptions{Manager: "bench"}); err != nil {
			return err
		}
	}
	return nil
}

// applyAll applies the objects of all applications, 16 at a time.
func applyAll(ctx context.Context, s *sandbox, c *kube.Cluster, w workload, version string) (cost, error) {
	objects := make([]*unstructured.Unstructured, 0, w.apps*w.options.perApp)
	for _, i := range w.all() {
		objects = append(objects, w.objects(i, version)...)
	}
	before := spent(s.cmd.Process.Pid)
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(floorWorkers)
	for _, obj := range objects {
		g.Go(func() error {
			_, err := c.Apply(ctx, obj, kube.WriteOptions{Manager: "bench", Force: true})
			return err
		})
	}
	err := g.Wait()
	return spent(s.cmd.Process.Pid).minus(before), err
}
