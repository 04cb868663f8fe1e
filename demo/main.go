//go:build unix

// Demo shows Plumbline at work on one machine, without anything installed but
// git.
//
// In go the built programs and a sample repository; out come lines that say
// what happens in a cluster as it happens. It runs a control plane of its own
// and never touches another cluster: what it knows lies in one directory.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/plumbline-dev/plumbline/internal/front/term"
)

// config says where things are. Paths are as the user would type them.
type config struct {
	state   string // everything that survives; made and removed by this program
	bin     string // sandbox and plumbd
	example string // the sample repository's content
}

func (c config) path(elem ...string) string {
	return filepath.Join(append([]string{c.state}, elem...)...)
}

const usage = `usage: demo [flags] up|down

up    starts a cluster, a git server and Plumbline, and shows what happens until Ctrl-C
down  ends a running demo and removes what it left

`

func main() {
	var cfg config
	fs := flag.NewFlagSet("demo", flag.ExitOnError)
	fs.StringVar(&cfg.state, "state", ".plumbline", "directory for everything that the demo keeps")
	fs.StringVar(&cfg.bin, "bin", "bin", "directory of the programs sandbox and plumbd")
	fs.StringVar(&cfg.example, "example", "examples/infrastructure", "content of the sample repository")
	fs.Usage = func() {
		fmt.Fprint(fs.Output(), usage)
		fs.PrintDefaults()
	}
	_ = fs.Parse(os.Args[1:]) // exits by itself
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends at once
	out := &printer{Printer: term.New(os.Stdout, term.Auto, os.Getenv)}
	var err error
	switch {
	case fs.NArg() == 1 && fs.Arg(0) == "up":
		err = up(ctx, cfg, out)
	case fs.NArg() == 1 && fs.Arg(0) == "down":
		err = down(ctx, cfg, out)
	default:
		fs.Usage()
		os.Exit(2)
	}
	if err != nil && !errors.Is(err, context.Canceled) {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}
