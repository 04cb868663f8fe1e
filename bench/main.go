// Bench measures Plumbline against the limit of the machine it runs on.
//
// In go numbers of applications; out come times, API requests, CPU seconds and
// memory, where there is one beside the floor of the same run: a loop that
// server-side-applies the same rendered objects with 16 workers and does nothing
// else. Both run against a control plane of their own without controllers.
package main

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"time"
)

// options are what the flags say.
type options struct {
	sizes   sizes
	perApp  int
	suite   string
	tool    string
	sandbox string
	plumbd  string
	keep    bool
	idle    time.Duration
	drifts  int
	history int // MiB
}

// sizes are numbers of applications, written with commas between them.
type sizes []int

func (s *sizes) String() string {
	return strings.Trim(strings.ReplaceAll(fmt.Sprint(*s), " ", ","), "[]")
}

// Set implements flag.Value.
func (s *sizes) Set(text string) error {
	*s = nil
	for part := range strings.SplitSeq(text, ",") {
		n, err := strconv.Atoi(part)
		if err != nil || n < 1 {
			return fmt.Errorf("%q is no number of applications", part)
		}
		*s = append(*s, n)
	}
	return nil
}

// suites are what can be measured, by name.
var suites = map[string]func(context.Context, options, string) error{
	"table":        measureSizes,
	"repositories": measureRepositories,
	"history":      measureHistory,
	"big":          measureBig,
}

func main() {
	o := options{sizes: sizes{1000}}
	flag.Var(&o.sizes, "apps", "numbers of applications, with commas between them; more than one also give how figures grow")
	flag.IntVar(&o.perApp, "objects", 4, "objects of each application, up to 4")
	flag.StringVar(&o.suite, "suite", "table", "what to measure: "+strings.Join(slices.Sorted(maps.Keys(suites)), ", "))
	flag.StringVar(&o.tool, "tool", "directory", "how applications are rendered: directory or kustomize")
	flag.StringVar(&o.sandbox, "sandbox", "bin/sandbox", "the control plane's program")
	flag.StringVar(&o.plumbd, "plumbd", "bin/plumbd", "the server's program")
	flag.BoolVar(&o.keep, "keep", false, "keep the working directory")
	flag.DurationVar(&o.idle, "idle", time.Minute, "how long to watch an idle server, and one that others fight with")
	flag.IntVar(&o.drifts, "drifts", 100, "hand-made changes to repair, one after the other")
	flag.IntVar(&o.history, "history", 1024, "size of the repository with a long history, in MiB")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) error {
	measure, ok := suites[o.suite]
	if !ok || o.perApp < 1 || o.perApp > maxObjects {
		return fmt.Errorf("-suite %q, -objects %d: see bench -help", o.suite, o.perApp)
	}
	dir, err := os.MkdirTemp("", "plumbline-bench-")
	if err != nil {
		return err
	}
	if !o.keep {
		defer os.RemoveAll(dir)
	}
	return measure(ctx, o, dir)
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

// row prints one figure of ours beside the mean of the floor's, which was measured
// before and after: machines that others use, too, change their speed.
func row(name string, ours cost, floors ...cost) {
	var floor cost
	var each []string
	for _, f := range floors {
		floor.dur += f.dur / time.Duration(len(floors))
		floor.cpu += f.cpu / float64(len(floors))
		each = append(each, round(f.dur).String())
	}
	fmt.Printf("%-34s %9s   floor %9s (%s)   ratio %.2f   (cpu of all %.1f s, floor %.1f s, ratio %.2f)\n", name,
		round(ours.dur), round(floor.dur), strings.Join(each, ", "), ours.dur.Seconds()/floor.dur.Seconds(), ours.cpu, floor.cpu, ours.cpu/floor.cpu)
}

func round(d time.Duration) time.Duration {
	if d < time.Second {
		return d.Round(time.Millisecond)
	}
	return d.Round(10 * time.Millisecond)
}
