package main

import (
	"bufio"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// measureRepositories measures as many applications as -apps says, each out of a
// repository of its own.
func measureRepositories(ctx context.Context, o options, dir string) error {
	n := o.sizes[0]
	fmt.Printf("%d repositories of one application of %d objects\n\n", n, o.perApp)
	w := workload{o, n}
	f, err := measureFloor(ctx, o, w, filepath.Join(dir, "floor"))
	if err != nil {
		return fmt.Errorf("floor: %w", err)
	}
	b, err := newOurs(ctx, o, filepath.Join(dir, "ours"))
	if err != nil {
		return err
	}
	defer b.stop()
	b.workload = w
	if err := b.repository(); err != nil {
		return err
	}
	var list []*unstructured.Unstructured
	for _, i := range b.all() {
		bare, err := b.split(i)
		if err != nil {
			return err
		}
		list = append(list, b.application(i, b.sandbox.Git.HTTP+"/"+bare))
	}
	if err := b.start(ctx); err != nil {
		return err
	}
	before, err := b.usage()
	if err != nil {
		return err
	}
	start := b.spent()
	if err := b.declare(ctx, list); err != nil {
		return err
	}
	if err := b.waitSteps(ctx, seldom, "create", float64(n*o.perApp)); err != nil {
		return err
	}
	row("first deploy", b.spent().minus(start), f.first)
	if err := b.waitStatus(ctx, ""); err != nil {
		return err
	}
	if err := b.since(before); err != nil {
		return err
	}
	var took []time.Duration
	for k := range commits {
		i := (k * 131) % n
		one := *b
		one.clone = filepath.Join(b.dir, "split", b.name(i))
		patched := b.steps("patch")
		if err := one.commitTo(b.sandbox.Git.HTTP+"/"+b.name(i)+".git", "v2", i); err != nil {
			return err
		}
		started := time.Now()
		if err := b.waitSteps(ctx, often, "patch", patched+float64(o.perApp)); err != nil {
			return err
		}
		took = append(took, time.Since(started))
	}
	fmt.Printf("%-34s p50 %s, worst %s (webhook)\n", "commit to one of them", round(percentile(took, 50)), round(percentile(took, 100)))
	return b.atRest(ctx)
}

// split makes a served repository of application i alone and returns its name.
func (b *ours) split(i int) (string, error) {
	clone := filepath.Join(b.dir, "split", b.name(i))
	if err := os.MkdirAll(clone, 0o755); err != nil {
		return "", err
	}
	if err := b.write(clone, "v1", i); err != nil {
		return "", err
	}
	one := *b
	one.clone, one.bare = clone, filepath.Join(b.dir, "git", b.name(i)+".git")
	return b.name(i) + ".git", one.publish()
}

// measureHistory measures one application out of a repository with a long history.
func measureHistory(ctx context.Context, o options, dir string) error {
	fmt.Printf("one application out of a repository of %d MiB\n\n", o.history)
	b, err := newOurs(ctx, o, dir)
	if err != nil {
		return err
	}
	defer b.stop()
	b.workload = workload{o, 1}
	if err := b.repository(); err != nil {
		return err
	}
	if err := fillHistory(b.bare, o.history); err != nil {
		return err
	}
	for _, args := range [][]string{{"fetch", "-q", "--depth=1", b.bare, "main"}, {"reset", "-q", "--hard", "FETCH_HEAD"}} {
		if err := git(b.clone, args...); err != nil {
			return err
		}
	}
	reference, err := cloneTime(b.url, filepath.Join(dir, "reference"))
	if err != nil {
		return err
	}
	if err := b.start(ctx); err != nil {
		return err
	}
	started := time.Now()
	if err := b.declare(ctx, []*unstructured.Unstructured{b.application(0, b.url)}); err != nil {
		return err
	}
	if err := b.waitSteps(ctx, seldom, "create", float64(o.perApp)); err != nil {
		return err
	}
	took := time.Since(started)
	fmt.Printf("%-34s %9s   git clone --bare %9s   ratio %.2f\n", "first deploy", round(took), round(reference), took.Seconds()/reference.Seconds())
	if err := b.since(usage{}); err != nil {
		return err
	}
	return b.oneCommit(ctx)
}

// cloneTime is how long git itself needs to fetch everything.
func cloneTime(url, to string) (time.Duration, error) {
	started := time.Now()
	err := git(".", "clone", "-q", "--bare", url, to)
	return time.Since(started), errors.Join(err, os.RemoveAll(to))
}

// fillHistory adds commits of incompressible files to a repository, each of
// which the next one replaces.
func fillHistory(bare string, mebibytes int) error {
	cmd := exec.Command("git", "-C", bare, "fast-import", "--quiet", "--force")
	in, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return err
	}
	out := bufio.NewWriterSize(in, 1<<20)
	random := rand.NewChaCha8([32]byte{})
	raw := make([]byte, 768<<10) // a mebibyte in base 64
	for i := range mebibytes {
		_, _ = random.Read(raw)
		text := base64.StdEncoding.EncodeToString(raw)
		fmt.Fprintf(out, "commit refs/heads/main\ncommitter b <b@example.com> %d +0000\ndata 4\nmore\n", 1700000000+i)
		if i == 0 {
			fmt.Fprint(out, "from refs/heads/main^0\n")
		}
		fmt.Fprintf(out, "M 100644 inline assets/blob-%d.bin\ndata %d\n", i%8, len(text))
		_, _ = io.WriteString(out, text+"\n")
	}
	if err := out.Flush(); err != nil {
		return err
	}
	if err := in.Close(); err != nil {
		return err
	}
	return cmd.Wait()
}
