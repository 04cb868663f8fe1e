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

	"github.com/plumbline-dev/plumbline/internal/driver/kube"
)

// deadline bounds every wait of the bench.
const deadline = 15 * time.Minute

// ours is a server at work on the workload.
type ours struct {
	options
	workload
	first   phase
	updated phase
	dir     string
	clone   string
	url     string
	bare    string // the same repository, behind the server's back
	addr    string // of plumbd
	cluster *kube.Cluster
	sandbox *sandbox
	plumbd  *plumbd
	figures figures
}

// newOurs starts a control plane with an empty repository and connects to it.
func newOurs(ctx context.Context, o options, dir string) (*ours, error) {
	addr, err := freePort()
	if err != nil {
		return nil, err
	}
	s, err := startSandbox(ctx, o, dir, "--push-hook", "http://"+addr+"/hook/git")
	if err != nil {
		return nil, err
	}
	b := &ours{
		options: o, sandbox: s, dir: dir, addr: addr, clone: filepath.Join(dir, "clone"),
		url: s.Git.HTTP + "/bench.git", bare: filepath.Join(dir, "git", "bench.git"),
	}
	if b.cluster, err = connect(ctx, s); err == nil {
		err = makeNamespaces(ctx, b.cluster)
	}
	if err != nil {
		s.stop()
	}
	return b, err
}

func (b *ours) stop() {
	if b.plumbd != nil {
		b.plumbd.stop()
	}
	b.sandbox.stop()
}

// start starts plumbd with further flags, or starts it again.
func (b *ours) start(ctx context.Context, flags ...string) error {
	if b.plumbd != nil {
		b.plumbd.stop()
	}
	var err error
	if b.plumbd, err = startPlumbd(ctx, b.options, b.sandbox, b.dir, b.addr, flags...); err != nil {
		return err
	}
	return b.definitions(ctx)
}

// definitions waits until the kinds that the server installed are known here.
func (b *ours) definitions(ctx context.Context) error {
	gk := b.application(0, "").GroupVersionKind().GroupKind()
	return wait(ctx, often, func() (bool, error) {
		b.cluster.Invalidate()
		_, err := b.cluster.Mapping(ctx, gk, "")
		return err == nil, nil
	})
}

// publish makes the clone's content the first commit of the served repository.
func (b *ours) publish() error {
	for _, args := range [][]string{{"init", "-q", "-b", "main"}, {"add", "-A"}, {"commit", "-qm", "first"}, {"clone", "-q", "--bare", b.clone, b.bare}} {
		if err := git(b.clone, args...); err != nil {
			return err
		}
	}
	return nil
}

func (b *ours) repository() error {
	if err := os.MkdirAll(b.clone, 0o755); err != nil {
		return err
	}
	if err := b.write(b.clone, "v1", b.all()...); err != nil {
		return err
	}
	return b.publish()
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

// requests counts all but watches.
func (u usage) requests() float64 {
	return u.counters.sum("plumb_api_requests_total") - u.counters.sum("plumb_api_requests_total", "verb=watch")
}

// writes counts what changes something.
func (u usage) writes() float64 {
	n := 0.0
	for _, verb := range []string{"apply", "patch", "create", "update", "put", "post", "delete"} {
		n += u.counters.sum("plumb_api_requests_total", "verb="+verb)
	}
	return n
}

// phase is what a figure took, and what was used for it until all was reported.
type phase struct {
	took cost
	used string
}

// since prints what was used after before.
func (b *ours) since(before usage) error {
	used, err := b.used(before)
	fmt.Print(used)
	return err
}

func (b *ours) used(before usage) (string, error) {
	now, err := b.usage()
	if err != nil {
		return "", err
	}
	text := "    api requests:"
	for _, verb := range []string{"get", "list", "watch", "apply", "patch", "create", "update", "put", "post", "delete"} {
		if n := now.counters.sum("plumb_api_requests_total", "verb="+verb) - before.counters.sum("plumb_api_requests_total", "verb="+verb); n > 0 {
			text += fmt.Sprintf(" %s %.0f", verb, n)
		}
	}
	pid := b.plumbd.cmd.Process.Pid
	return text + fmt.Sprintf("; cpu %.2f s; memory %.0f MiB now, %.0f MiB peak\n", now.cpu-before.cpu, memory(pid, "VmRSS"), memory(pid, "VmHWM")), nil
}

// counter adds up the counters of a name whose labels contain every text.
func (b *ours) counter(name string, texts ...string) float64 {
	c, err := b.plumbd.metrics(name)
	if err != nil {
		return 0
	}
	return c.sum(append(texts, name)...)
}

func (b *ours) steps(action string) float64 {
	return b.counter("plumb_sync_steps_total", "action="+action, "outcome=ok")
}

func (b *ours) waitSteps(ctx context.Context, pause time.Duration, action string, want float64) error {
	err := wait(ctx, pause, func() (bool, error) { return b.steps(action) >= want, nil })
	if err != nil {
		return fmt.Errorf("%.0f of %.0f objects: %w", b.steps(action), want, err)
	}
	return nil
}

// declare creates Applications, as many at a time as the floor applies objects.
func (b *ours) declare(ctx context.Context, applications []*unstructured.Unstructured) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(floorWorkers)
	for _, a := range applications {
		g.Go(func() error {
			_, err := b.cluster.Create(ctx, a, kube.WriteOptions{Manager: "bench"})
			return err
		})
	}
	return g.Wait()
}

// waitStatus waits until every Application says Synced at a revision; "" is any.
func (b *ours) waitStatus(ctx context.Context, head string) error {
	res, err := b.cluster.Mapping(ctx, b.application(0, "").GroupVersionKind().GroupKind(), "")
	if err != nil {
		return err
	}
	return wait(ctx, seldom, func() (bool, error) {
		list, err := b.cluster.List(ctx, res, kube.ListOptions{})
		if err != nil {
			return false, err
		}
		return !slices.ContainsFunc(list, func(a *unstructured.Unstructured) bool {
			status, _, _ := unstructured.NestedString(a.Object, "status", "sync", "status")
			revision, _, _ := unstructured.NestedString(a.Object, "status", "sync", "revision")
			return status != "Synced" || (head != "" && revision != head)
		}), nil
	})
}

func (b *ours) waitHead(ctx context.Context) error {
	head, err := gitOutput(b.clone, "rev-parse", "HEAD")
	if err != nil {
		return err
	}
	return b.waitStatus(ctx, head)
}

// commitTo writes a version of some applications, commits and pushes it.
func (b *ours) commitTo(remote, version string, which ...int) error {
	if err := b.write(b.clone, version, which...); err != nil {
		return err
	}
	if err := commit(b.clone, version); err != nil {
		return err
	}
	return git(b.clone, "push", "-q", remote, "main")
}

// settle waits until the server made no request for ten seconds.
func (b *ours) settle(ctx context.Context) error {
	last, since := -1.0, time.Now()
	return wait(ctx, seldom, func() (bool, error) {
		if n := b.counter("plumb_api_requests_total"); n != last {
			last, since = n, time.Now()
		}
		return time.Since(since) > 10*time.Second, nil
	})
}

func percentile(list []time.Duration, p int) time.Duration {
	slices.Sort(list)
	return list[(len(list)-1)*p/100]
}
