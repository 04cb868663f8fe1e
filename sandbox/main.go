// Command sandbox runs a real Kubernetes control plane and, on request, a git
// server in one process, for demos, tests and benches. Flags go in; one line of
// JSON on standard output says where everything is. Nodes and pods are
// simulated: it never runs a container, and it never listens on another address
// than 127.0.0.1.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"
)

func main() {
	start := time.Now()
	cfg, err := parse(os.Args[1:], os.Stderr)
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "sandbox: %v\n", err)
		os.Exit(2)
	}
	if err := serve(cfg, start); err != nil {
		os.Exit(1)
	}
}

// serve runs one sandbox from its data directory's lock to its release. It
// reports its own error, because standard error leads elsewhere meanwhile.
func serve(cfg config, start time.Time) error {
	out, err := redirect(cfg)
	if err != nil {
		fmt.Fprintf(os.Stderr, "sandbox: %v\n", err)
		return err
	}
	ctx, stop := untilStopped(cfg)
	defer stop()
	// A start that is under way is finished before it is undone: the API server
	// ends the whole process when it is stopped in the middle of one.
	box, err := open(context.WithoutCancel(ctx), cfg, out)
	if err == nil && ctx.Err() == nil {
		err = announce(out.stdout, box.ready(time.Since(start)))
	}
	if err == nil {
		err = box.wait(ctx)
	}
	if err != nil {
		fmt.Fprintf(out.stderr, "sandbox: %v\n", err)
	}
	box.close()
	return err
}

// untilStopped returns a context that ends at the first SIGINT or SIGTERM, or
// at the end of standard input if that was asked for. A second signal ends the
// process at once.
func untilStopped(cfg config) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	var stopping atomic.Bool
	go func() {
		for range signals {
			if stopping.Swap(true) {
				os.Exit(130)
			}
			cancel()
		}
	}()
	if cfg.exitWithStdin {
		go func() {
			_, _ = io.Copy(io.Discard, os.Stdin)
			cancel()
		}()
	}
	return ctx, cancel
}

func announce(w io.Writer, r ready) error {
	line, err := json.Marshal(r)
	if err != nil {
		return err
	}
	_, err = w.Write(append(line, '\n'))
	return err
}
