package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/plumbline-dev/plumbline/internal/driver/kube"
)

// drift changes ConfigMaps by hand, one after the other, and waits until each is back.
func (b *ours) drift(ctx context.Context) error {
	before, err := b.usage()
	if err != nil {
		return err
	}
	var took []time.Duration
	for n := range b.drifts {
		one, err := b.repaired(ctx, (n*37)%b.apps)
		if err != nil {
			return err
		}
		took = append(took, one)
	}
	fmt.Printf("%-34s p50 %s, p99 %s (%d changes, seen by reading every %s)\n", "repair of a hand-made change", round(percentile(took, 50)), round(percentile(took, 99)), len(took), often)
	return b.since(before)
}

// storm changes up to 1,000 ConfigMaps of as many applications at once.
func (b *ours) storm(ctx context.Context) error {
	if err := b.settle(ctx); err != nil {
		return err
	}
	before, err := b.usage()
	if err != nil {
		return err
	}
	n := min(1000, b.apps)
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(floorWorkers)
	started := time.Now()
	for i := range n {
		g.Go(func() error {
			ref, err := b.configMap(gctx, i)
			if err != nil {
				return err
			}
			return b.spoil(gctx, ref)
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	changed := time.Since(started)
	ref, err := b.configMap(ctx, 0)
	if err != nil {
		return err
	}
	err = wait(ctx, seldom, func() (bool, error) {
		list, err := b.cluster.List(ctx, ref.Resource, kube.ListOptions{})
		return err == nil && !slices.ContainsFunc(list, func(o *unstructured.Unstructured) bool { return greeting(o) == "changed by hand" }), err
	})
	if err != nil {
		return err
	}
	fmt.Printf("%-34s all back %s after the first change; the changes alone took %s\n", fmt.Sprintf("drift storm, %d objects", n), round(time.Since(started)), round(changed))
	return b.since(before)
}

// fight lets two others write at 1 Hz: a controller that sets a declared field
// back again and again, and an autoscaler that sets one nobody declared.
func (b *ours) fight(ctx context.Context) error {
	if b.options.perApp < 2 || b.apps < 3 {
		return nil
	}
	before, err := b.usage()
	if err != nil {
		return err
	}
	stubborn, err := b.configMap(ctx, 0)
	if err != nil {
		return err
	}
	scaled, err := b.ref(ctx, b.objects(1, "v2")[1])
	if err != nil {
		return err
	}
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	var neighbour []time.Duration
	writes := 0
	for end := time.Now().Add(b.options.idle); time.Now().Before(end); writes++ {
		if err := b.spoil(ctx, stubborn); err != nil {
			return err
		}
		patch := fmt.Appendf(nil, `{"spec":{"minReadySeconds":%d}}`, writes%7)
		if _, err := b.cluster.Patch(ctx, scaled, types.MergePatchType, patch, kube.WriteOptions{Manager: "autoscaler"}); err != nil {
			return err
		}
		if writes%5 == 0 {
			one, err := b.repaired(ctx, 2)
			if err != nil {
				return err
			}
			neighbour = append(neighbour, one)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
	now, err := b.usage()
	if err != nil {
		return err
	}
	err = wait(ctx, seldom, func() (bool, error) { // the last repair waits longest
		live, err := b.cluster.Get(ctx, stubborn)
		return err == nil && greeting(live) == "hello", err
	})
	if err != nil {
		return err
	}
	applied := now.counters.sum("plumb_api_requests_total", "verb=apply") - before.counters.sum("plumb_api_requests_total", "verb=apply")
	fmt.Printf("%-34s against %d writes of a controller and of an autoscaler: %.0f applies, %d of them for a quiet neighbour, repaired in p50 %s, worst %s\n",
		fmt.Sprintf("fights at 1 Hz for %s", b.options.idle), writes, applied, len(neighbour), round(percentile(neighbour, 50)), round(percentile(neighbour, 100)))
	return b.since(before)
}
