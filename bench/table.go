package main

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/plumbline-dev/plumbline/internal/driver/kube"
)

// figures are what is compared between numbers of applications.
type figures struct {
	apps                            int
	deploy, update, webhook, polled time.Duration
	cold                            time.Duration
	requests                        float64 // of the first deploy
	memory                          float64 // MiB, at rest
}

// measureSizes measures every number of applications, and how figures grow from
// one to the next.
func measureSizes(ctx context.Context, o options, dir string) error {
	var all []figures
	for _, n := range o.sizes {
		f, err := measureTable(ctx, o, workload{o, n}, filepath.Join(dir, fmt.Sprint(n)))
		if err != nil {
			return err
		}
		all = append(all, f)
	}
	if len(all) < 2 {
		return nil
	}
	fmt.Printf("%-12s %12s %12s %12s %12s %12s %12s %14s\n", "growth", "deploy/app", "update/app", "1, webhook", "1, polled", "cold start", "requests/app", "memory/app")
	for i, f := range all {
		n := time.Duration(f.apps)
		more := "-"
		if i > 0 {
			more = fmt.Sprintf("%.1f KiB", 1024*(f.memory-all[i-1].memory)/float64(f.apps-all[i-1].apps))
		}
		fmt.Printf("%-12d %12s %12s %12s %12s %12s %12.1f %14s\n", f.apps, (f.deploy / n).Round(10*time.Microsecond), (f.update / n).Round(10*time.Microsecond),
			round(f.webhook), round(f.polled), round(f.cold), f.requests/float64(f.apps), more)
	}
	return nil
}

func measureTable(ctx context.Context, o options, w workload, dir string) (figures, error) {
	fmt.Printf("%d applications of %d objects, rendered by %s\n\n", w.apps, o.perApp, o.tool)
	f, err := measureFloor(ctx, o, w, filepath.Join(dir, "floor"))
	if err != nil {
		return figures{}, fmt.Errorf("floor: %w", err)
	}
	b, err := newOurs(ctx, o, filepath.Join(dir, "ours"))
	if err != nil {
		return figures{}, err
	}
	defer b.stop()
	b.workload, b.figures = w, figures{apps: w.apps}
	if err := b.repository(); err != nil {
		return figures{}, err
	}
	if err := b.start(ctx); err != nil {
		return figures{}, err
	}
	again := func(ctx context.Context) error {
		after, err := measureFloor(ctx, o, w, filepath.Join(dir, "floor-after"))
		if err != nil {
			return fmt.Errorf("floor: %w", err)
		}
		row("first deploy", b.first.took, f.first, after.first)
		fmt.Print(b.first.used)
		row("commit that changes all", b.updated.took, f.update, after.update)
		fmt.Print(b.updated.used)
		return nil
	}
	for _, phase := range []func(context.Context) error{
		b.firstDeploy, b.settle, b.update, b.settle, again, b.oneCommit, b.drift, b.storm, b.atRest, b.fight, b.coldStart, b.onePolled,
	} {
		if err := phase(ctx); err != nil {
			return figures{}, err
		}
	}
	fmt.Println()
	return b.figures, nil
}

func (b *ours) firstDeploy(ctx context.Context) error {
	before, err := b.usage()
	if err != nil {
		return err
	}
	var list []*unstructured.Unstructured
	for _, i := range b.all() {
		list = append(list, b.application(i, b.url))
	}
	start := b.spent()
	if err := b.declare(ctx, list); err != nil {
		return err
	}
	if err := b.waitSteps(ctx, seldom, "create", float64(b.apps*b.options.perApp)); err != nil {
		return err
	}
	took := b.spent().minus(start)
	if err := b.waitHead(ctx); err != nil {
		return err
	}
	now, err := b.usage()
	if err != nil {
		return err
	}
	b.figures.deploy, b.figures.requests = took.dur, now.requests()-before.requests()
	b.first.took = took
	b.first.used, err = b.used(before)
	return err
}

func (b *ours) update(ctx context.Context) error {
	before, err := b.usage()
	if err != nil {
		return err
	}
	patched := b.steps("patch")
	if err := b.commitTo(b.url, "v2", b.all()...); err != nil {
		return err
	}
	start := b.spent()
	if err := b.waitSteps(ctx, seldom, "patch", patched+float64(b.apps*b.options.perApp)); err != nil {
		return err
	}
	took := b.spent().minus(start)
	b.figures.update = took.dur
	if err := b.waitHead(ctx); err != nil {
		return err
	}
	b.updated.took = took
	b.updated.used, err = b.used(before)
	return err
}

// commits is how often one application alone is changed.
const commits = 9

// ones changes one application after the other and returns how long each took
// to be applied from when the push returned.
func (b *ours) ones(ctx context.Context, remote, name string) ([]time.Duration, error) {
	var took []time.Duration
	for n := range commits {
		patched := b.steps("patch")
		if err := b.commitTo(remote, fmt.Sprintf("%s-%d", name, n), (n*131)%b.apps); err != nil {
			return nil, err
		}
		started := time.Now()
		if err := b.waitSteps(ctx, often, "patch", patched+float64(b.options.perApp)); err != nil {
			return nil, err
		}
		took = append(took, time.Since(started))
	}
	return took, nil
}

func (b *ours) oneCommit(ctx context.Context) error {
	before, err := b.usage()
	if err != nil {
		return err
	}
	took, err := b.ones(ctx, b.url, "one")
	if err != nil {
		return err
	}
	b.figures.webhook = percentile(took, 50)
	fmt.Printf("%-34s p50 %s, worst %s (webhook: push returned to last object applied, %d runs)\n", fmt.Sprintf("commit that changes 1 of %d", b.apps),
		round(percentile(took, 50)), round(percentile(took, 100)), commits)
	return b.since(before)
}

// poll is the interval with which commits without a webhook are looked for.
const poll = time.Second

// onePolled is oneCommit without webhooks.
func (b *ours) onePolled(ctx context.Context) error {
	if err := b.start(ctx, "-poll", poll.String()); err != nil {
		return err
	}
	if err := b.compared(ctx, b.apps); err != nil {
		return err
	}
	took, err := b.ones(ctx, b.bare, "polled")
	if err != nil {
		return err
	}
	b.figures.polled = percentile(took, 50)
	fmt.Printf("%-34s p50 %s, worst %s (polled every %s, without a webhook, %d runs)\n", "", round(percentile(took, 50)), round(percentile(took, 100)), poll, commits)
	return nil
}

// atRest watches a server that has nothing to do.
func (b *ours) atRest(ctx context.Context) error {
	if err := b.settle(ctx); err != nil {
		return err
	}
	before, err := b.usage()
	if err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(b.options.idle):
	}
	now, err := b.usage()
	if err != nil {
		return err
	}
	b.figures.memory = memory(b.plumbd.cmd.Process.Pid, "VmRSS")
	fmt.Printf("%-34s %.0f requests besides watches, %.0f writes; cpu %.2f %% of a core\n", fmt.Sprintf("idle for %s", b.options.idle),
		now.requests()-before.requests(), now.writes()-before.writes(), 100*(now.cpu-before.cpu)/b.options.idle.Seconds())
	return b.since(before)
}

// compared waits until so many comparisons were made since the start.
func (b *ours) compared(ctx context.Context, n int) error {
	return wait(ctx, often, func() (bool, error) {
		return b.counter("plumb_reconcile_duration_seconds", "phase=diff", "outcome=ok") >= float64(n), nil
	})
}

// coldStart starts the server on a cluster in which everything is as it should be.
func (b *ours) coldStart(ctx context.Context) error {
	if err := b.settle(ctx); err != nil {
		return err
	}
	b.plumbd.stop()
	b.plumbd = nil
	started := time.Now()
	if err := b.start(ctx); err != nil {
		return err
	}
	if err := b.compared(ctx, b.apps); err != nil {
		return err
	}
	b.figures.cold = time.Since(started)
	if err := b.settle(ctx); err != nil {
		return err
	}
	now, err := b.usage()
	if err != nil {
		return err
	}
	fmt.Printf("%-34s %s until all %d applications are known to be in sync; %.0f writes\n", "cold start", round(b.figures.cold), b.apps, now.writes())
	return b.since(usage{})
}

// configMap returns where application i keeps its ConfigMap.
func (b *ours) configMap(ctx context.Context, i int) (kube.Ref, error) {
	return b.ref(ctx, b.objects(i, "v2")[0])
}

func (b *ours) ref(ctx context.Context, obj *unstructured.Unstructured) (kube.Ref, error) {
	res, err := b.cluster.Mapping(ctx, obj.GroupVersionKind().GroupKind(), "")
	return kube.Ref{Resource: res, Namespace: obj.GetNamespace(), Name: obj.GetName()}, err
}

// spoil changes a ConfigMap by hand.
func (b *ours) spoil(ctx context.Context, ref kube.Ref) error {
	_, err := b.cluster.Patch(ctx, ref, types.MergePatchType, []byte(`{"data":{"greeting":"changed by hand"}}`), kube.WriteOptions{Manager: "kubectl-edit"})
	return err
}

func greeting(obj *unstructured.Unstructured) string {
	text, _, _ := unstructured.NestedString(obj.Object, "data", "greeting")
	return text
}

// repaired spoils a ConfigMap and returns how long it stayed so.
func (b *ours) repaired(ctx context.Context, i int) (time.Duration, error) {
	ref, err := b.configMap(ctx, i)
	if err != nil {
		return 0, err
	}
	started := time.Now()
	if err := b.spoil(ctx, ref); err != nil {
		return 0, err
	}
	err = wait(ctx, often, func() (bool, error) {
		live, err := b.cluster.Get(ctx, ref)
		return err == nil && greeting(live) == "hello", err
	})
	return time.Since(started), err
}
