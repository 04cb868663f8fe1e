package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/plumbline-dev/plumbline/internal/driver/kube"
)

// deadline bounds every wait of the bench.
const deadline = 10 * time.Minute

// ours is a server at work on the workload.
type ours struct {
	options
	workload
	floor   floor
	clone   string
	url     string
	cluster *kube.Cluster
	sandbox *sandbox
	plumbd  *plumbd
}

func measureOurs(ctx context.Context, o options, w workload, f floor, dir string) error {
	addr, err := freePort()
	if err != nil {
		return err
	}
	s, err := startSandbox(ctx, o, dir, "--push-hook", "http://"+addr+"/hook/git")
	if err != nil {
		return err
	}
	defer s.stop()
	b := &ours{options: o, workload: w, floor: f, sandbox: s, clone: filepath.Join(dir, "clone"), url: s.Git.HTTP + "/bench.git"}
	if b.cluster, err = connect(ctx, s); err != nil {
		return err
	}
	if err := makeNamespaces(ctx, b.cluster); err != nil {
		return err
	}
	if err := b.repository(filepath.Join(dir, "git", "bench.git")); err != nil {
		return err
	}
	if b.plumbd, err = startPlumbd(ctx, o, s, dir, addr); err != nil {
		return err
	}
	defer b.plumbd.stop()
	if err := b.definitions(ctx); err != nil {
		return err
	}
	for _, phase := range []func(context.Context) error{b.firstDeploy, b.update, b.oneCommit, b.drift, b.idle} {
		if err := phase(ctx); err != nil {
			return err
		}
	}
	return nil
}

// definitions waits until the kinds that the server installed are known here.
func (b *ours) definitions(ctx context.Context) error {
	gk := b.application(0, "").GroupVersionKind().GroupKind()
	return wait(ctx, deadline, func() (bool, error) {
		b.cluster.Invalidate()
		_, err := b.cluster.Mapping(ctx, gk, "")
		return err == nil, nil
	})
}

func (b *ours) repository(bare string) error {
	if err := os.MkdirAll(b.clone, 0o755); err != nil {
		return err
	}
	if err := b.write(b.clone, "v1", b.all()...); err != nil {
		return err
	}
	if err := git(b.clone, "init", "-q", "-b", "main"); err != nil {
		return err
	}
	if err := commit(b.clone, "first"); err != nil {
		return err
	}
	return git(b.clone, "clone", "-q", "--bare", b.clone, bare)
}

func (b *ours) spent() cost { return spent(b.sandbox.cmd.Process.Pid, b.plumbd.cmd.Process.Pid) }

// usage are the server's counters and CPU at one moment.
type usage struct {
	counters counters
	cpu      float64
}

func (b *ours) usage() (usage, error) {
	c, err := b.plumbd.metrics()
	return usage{counters: c, cpu: cpu(b.plumbd.cmd.Process.Pid)}, err
}

// since prints what was used after before.
func (b *ours) since(before usage) error {
	now, err := b.usage()
	if err != nil {
		return err
	}
	fmt.Printf("    api requests:")
	for _, verb := range []string{"get", "list", "watch", "apply", "patch", "create", "update", "put", "post", "delete"} {
		if n := now.counters.sum("plumb_api_requests_total", "verb="+verb) - before.counters.sum("plumb_api_requests_total", "verb="+verb); n > 0 {
			fmt.Printf(" %s %.0f", verb, n)
		}
	}
	pid := b.plumbd.cmd.Process.Pid
	fmt.Printf("; cpu %.2f s; memory %.0f MiB now, %.0f MiB peak\n", now.cpu-before.cpu, memory(pid, "VmRSS"), memory(pid, "VmHWM"))
	return nil
}

func (b *ours) steps(action string) float64 {
	c, err := b.plumbd.metrics()
	if err != nil {
		return 0
	}
	return c.sum("plumb_sync_steps_total", "action="+action, "outcome=ok")
}

func (b *ours) waitSteps(ctx context.Context, action string, want float64) error {
	err := wait(ctx, deadline, func() (bool, error) { return b.steps(action) >= want, nil })
	if err != nil {
		return fmt.Errorf("%.0f of %.0f objects: %w", b.steps(action), want, err)
	}
	return nil
}

func (b *ours) firstDeploy(ctx context.Context) error {
	before, err := b.usage()
	if err != nil {
		return err
	}
	start := b.spent()
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(floorWorkers)
	for _, i := range b.all() {
		g.Go(func() error {
			_, err := b.cluster.Create(gctx, b.application(i, b.url), kube.WriteOptions{Manager: "bench"})
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	if err := b.waitSteps(ctx, "create", float64(b.apps*objectsPerApp)); err != nil {
		return err
	}
	row("first deploy", b.spent().minus(start), b.floor.first)
	if err := b.waitStatus(ctx); err != nil {
		return err
	}
	return b.since(before)
}

// waitStatus waits until every Application says Synced at the newest commit.
func (b *ours) waitStatus(ctx context.Context) error {
	res, err := b.cluster.Mapping(ctx, b.application(0, "").GroupVersionKind().GroupKind(), "")
	if err != nil {
		return err
	}
	head, err := gitOutput(b.clone, "rev-parse", "HEAD")
	if err != nil {
		return err
	}
	return wait(ctx, deadline, func() (bool, error) {
		list, err := b.cluster.List(ctx, res, kube.ListOptions{})
		if err != nil {
			return false, err
		}
		return !slices.ContainsFunc(list, func(a *unstructured.Unstructured) bool {
			status, _, _ := unstructured.NestedString(a.Object, "status", "sync", "status")
			revision, _, _ := unstructured.NestedString(a.Object, "status", "sync", "revision")
			return status != "Synced" || revision != head
		}), nil
	})
}

func (b *ours) push(version string, which ...int) error {
	if err := b.write(b.clone, version, which...); err != nil {
		return err
	}
	if err := commit(b.clone, version); err != nil {
		return err
	}
	return git(b.clone, "push", "-q", b.url, "main")
}

func (b *ours) update(ctx context.Context) error {
	before, err := b.usage()
	if err != nil {
		return err
	}
	patched := b.steps("patch")
	if err := b.push("v2", b.all()...); err != nil {
		return err
	}
	start := b.spent()
	if err := b.waitSteps(ctx, "patch", patched+float64(b.apps*objectsPerApp)); err != nil {
		return err
	}
	row("commit that changes all", b.spent().minus(start), b.floor.update)
	if err := b.waitStatus(ctx); err != nil {
		return err
	}
	return b.since(before)
}

func (b *ours) oneCommit(ctx context.Context) error {
	const runs = 7
	before, err := b.usage()
	if err != nil {
		return err
	}
	var took []time.Duration
	for n := range runs {
		patched := b.steps("patch")
		i := (n * 131) % b.apps
		if err := b.push(fmt.Sprintf("one-%d", n), i); err != nil {
			return err
		}
		started := time.Now()
		if err := b.waitSteps(ctx, "patch", patched+objectsPerApp); err != nil {
			return err
		}
		took = append(took, time.Since(started))
	}
	fmt.Printf("%-34s p50 %s, worst %s (push returned to last object applied, %d runs)\n", fmt.Sprintf("commit that changes 1 of %d", b.apps), round(percentile(took, 50)), round(percentile(took, 100)), runs)
	return b.since(before)
}

func percentile(list []time.Duration, p int) time.Duration {
	slices.Sort(list)
	return list[(len(list)-1)*p/100]
}

// drift changes labels by hand and waits until they are back.
func (b *ours) drift(ctx context.Context) error {
	before, err := b.usage()
	if err != nil {
		return err
	}
	var took []time.Duration
	for n := range b.drifts {
		i := (n * 37) % b.apps
		obj := b.objects(i, "v2")[1]
		res, err := b.cluster.Mapping(ctx, obj.GroupVersionKind().GroupKind(), "")
		if err != nil {
			return err
		}
		ref := kube.Ref{Resource: res, Namespace: obj.GetNamespace(), Name: obj.GetName()}
		started := time.Now()
		if _, err := b.cluster.Patch(ctx, ref, types.MergePatchType, []byte(`{"data":{"greeting":"changed by hand"}}`), kube.WriteOptions{Manager: "kubectl-edit"}); err != nil {
			return err
		}
		err = wait(ctx, deadline, func() (bool, error) {
			live, err := b.cluster.Get(ctx, ref)
			if err != nil {
				return false, err
			}
			greeting, _, _ := unstructured.NestedString(live.Object, "data", "greeting")
			return greeting == "hello", nil
		})
		if err != nil {
			return err
		}
		took = append(took, time.Since(started))
	}
	fmt.Printf("%-34s p50 %s, p99 %s (%d changes, seen by reading every 50ms)\n", "repair of a hand-made change", round(percentile(took, 50)), round(percentile(took, 99)), len(took))
	return b.since(before)
}

func (b *ours) idle(ctx context.Context) error {
	if err := settle(ctx, b); err != nil {
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
	all := now.counters.sum("plumb_api_requests_total") - before.counters.sum("plumb_api_requests_total")
	watches := now.counters.sum("plumb_api_requests_total", "verb=watch") - before.counters.sum("plumb_api_requests_total", "verb=watch")
	fmt.Printf("%-34s %.0f requests besides %.0f watches; cpu %.2f %% of a core\n",
		fmt.Sprintf("idle for %s", b.options.idle), all-watches, watches, 100*(now.cpu-before.cpu)/b.options.idle.Seconds())
	return b.since(before)
}

// settle waits until the server made no request for ten seconds.
func settle(ctx context.Context, b *ours) error {
	last, since := -1.0, time.Now()
	return wait(ctx, deadline, func() (bool, error) {
		c, err := b.plumbd.metrics()
		if err != nil {
			return false, err
		}
		if n := c.sum("plumb_api_requests_total"); n != last {
			last, since = n, time.Now()
		}
		return time.Since(since) > 10*time.Second, nil
	})
}
