package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/plumbline-dev/plumbline/internal/driver/kube"
)

// bigObjects is how many objects the one big application has.
const bigObjects = 5000

// measureBig measures one application of many objects.
func measureBig(ctx context.Context, o options, dir string) error {
	fmt.Printf("one application of %d ConfigMaps\n\n", bigObjects)
	b, err := newOurs(ctx, o, dir)
	if err != nil {
		return err
	}
	defer b.stop()
	b.workload = workload{o, 1}
	floor, err := b.bigFloor(ctx)
	if err != nil {
		return fmt.Errorf("floor: %w", err)
	}
	if err := b.writeBig("v1"); err != nil {
		return err
	}
	if err := b.publish(); err != nil {
		return err
	}
	if err := b.start(ctx); err != nil {
		return err
	}
	before, err := b.usage()
	if err != nil {
		return err
	}
	start := b.spent()
	if err := b.declare(ctx, []*unstructured.Unstructured{b.application(0, b.url)}); err != nil {
		return err
	}
	if err := b.waitSteps(ctx, seldom, "create", bigObjects); err != nil {
		return err
	}
	row("first deploy", b.spent().minus(start), floor)
	if err := b.waitHead(ctx); err != nil {
		return err
	}
	if err := b.since(before); err != nil {
		return err
	}
	if err := b.bigChange(ctx); err != nil {
		return err
	}
	return b.atRest(ctx)
}

func (b *ours) bigManifest(i int, version string) string {
	return fmt.Sprintf("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: item-%05d\n  namespace: %s\ndata: {greeting: hello, version: %q}\n", i, b.namespace(0), version)
}

// writeBig writes all objects into the clone, a hundred to a file.
func (b *ours) writeBig(version string) error {
	dir := filepath.Join(b.clone, "apps", b.name(0))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for first := 0; first < bigObjects; first += 100 {
		var text strings.Builder
		for i := first; i < first+100; i++ {
			text.WriteString("---\n" + b.bigManifest(i, version))
		}
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("items-%05d.yaml", first)), []byte(text.String()), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// bigFloor applies as many ConfigMaps under other names.
func (b *ours) bigFloor(ctx context.Context) (cost, error) {
	before := spent(b.sandbox.cmd.Process.Pid)
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(floorWorkers)
	for i := range bigObjects {
		g.Go(func() error {
			obj := &unstructured.Unstructured{Object: map[string]any{
				"apiVersion": "v1", "kind": "ConfigMap",
				"metadata": map[string]any{"name": fmt.Sprintf("floor-%05d", i), "namespace": b.namespace(1)},
				"data":     map[string]any{"greeting": "hello", "version": "v1"},
			}}
			_, err := b.cluster.Apply(ctx, obj, kube.WriteOptions{Manager: "bench", Force: true})
			return err
		})
	}
	err := g.Wait()
	return spent(b.sandbox.cmd.Process.Pid).minus(before), err
}

// bigChange changes one of the objects in the source, and one by hand.
func (b *ours) bigChange(ctx context.Context) error {
	before, err := b.usage()
	if err != nil {
		return err
	}
	file := filepath.Join(b.clone, "apps", b.name(0), "items-00000.yaml")
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	patched := b.steps("patch")
	if err := os.WriteFile(file, []byte(strings.Replace(string(text), `"v1"`, `"v2"`, 1)), 0o644); err != nil {
		return err
	}
	if err := commit(b.clone, "v2"); err != nil {
		return err
	}
	if err := git(b.clone, "push", "-q", b.url, "main"); err != nil {
		return err
	}
	started := time.Now()
	if err := b.waitSteps(ctx, often, "patch", patched+1); err != nil {
		return err
	}
	fmt.Printf("%-34s %s after the push\n", fmt.Sprintf("commit that changes 1 of %d", bigObjects), round(time.Since(started)))
	if err := b.waitHead(ctx); err != nil {
		return err
	}
	ref, err := b.ref(ctx, &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": "item-04000", "namespace": b.namespace(0)},
	}})
	if err != nil {
		return err
	}
	var took []time.Duration
	for range 5 {
		if err := b.settle(ctx); err != nil {
			return err
		}
		started := time.Now()
		if err := b.spoil(ctx, ref); err != nil {
			return err
		}
		err = wait(ctx, often, func() (bool, error) {
			live, err := b.cluster.Get(ctx, ref)
			return err == nil && greeting(live) == "hello", err
		})
		if err != nil {
			return err
		}
		took = append(took, time.Since(started))
	}
	fmt.Printf("%-34s p50 %s, worst %s\n", "repair of a hand-made change", round(percentile(took, 50)), round(percentile(took, 100)))
	return b.since(before)
}
