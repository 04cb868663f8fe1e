// Bench measures Plumbline against the limit of the machine it runs on.
//
// In go a number of applications; out come times, API requests, CPU seconds and
// memory, each beside the floor of the same run: a loop that server-side-applies
// the same rendered objects with 16 workers and does nothing else. Both run
// against a control plane of their own without controllers.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"time"
)

// options are what the flags say.
type options struct {
	apps    int
	tool    string
	sandbox string
	plumbd  string
	keep    bool
	idle    time.Duration
	drifts  int
}

func main() {
	var o options
	flag.IntVar(&o.apps, "apps", 1000, "applications of four objects each")
	flag.StringVar(&o.tool, "tool", "directory", "how applications are rendered: directory or kustomize")
	flag.StringVar(&o.sandbox, "sandbox", "bin/sandbox", "the control plane's program")
	flag.StringVar(&o.plumbd, "plumbd", "bin/plumbd", "the server's program")
	flag.BoolVar(&o.keep, "keep", false, "keep the working directory")
	flag.DurationVar(&o.idle, "idle", time.Minute, "how long to watch an idle server")
	flag.IntVar(&o.drifts, "drifts", 100, "hand-made changes to repair")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) error {
	dir, err := os.MkdirTemp("", "plumbline-bench-")
	if err != nil {
		return err
	}
	if !o.keep {
		defer os.RemoveAll(dir)
	}
	w := newWorkload(o)
	fmt.Printf("%d applications of %d objects, rendered by %s\n\n", o.apps, objectsPerApp, o.tool)
	floor, err := measureFloor(ctx, o, w, filepath.Join(dir, "floor"))
	if err != nil {
		return fmt.Errorf("floor: %w", err)
	}
	return measureOurs(ctx, o, w, floor, filepath.Join(dir, "ours"))
}

// cost is what a phase took: time, and CPU of everything that took part, the
// API server included. The CPU tells what the time would be on a quiet machine.
type cost struct {
	at  time.Time
	dur time.Duration
	cpu float64 // seconds
}

// spent is the cost of these processes and this one up to now.
func spent(pids ...int) cost {
	c := cost{at: time.Now(), cpu: cpu(os.Getpid())}
	for _, pid := range pids {
		c.cpu += cpu(pid)
	}
	return c
}

func (c cost) minus(before cost) cost {
	return cost{at: c.at, dur: c.at.Sub(before.at), cpu: c.cpu - before.cpu}
}

// row prints one figure of ours beside the floor's.
func row(name string, ours, floor cost) {
	fmt.Printf("%-34s %9s   floor %9s   ratio %.2f   (cpu of all %.1f s, floor %.1f s, ratio %.2f)\n", name,
		round(ours.dur), round(floor.dur), ours.dur.Seconds()/floor.dur.Seconds(), ours.cpu, floor.cpu, ours.cpu/floor.cpu)
}

func round(d time.Duration) time.Duration {
	if d < time.Second {
		return d.Round(time.Millisecond)
	}
	return d.Round(10 * time.Millisecond)
}
