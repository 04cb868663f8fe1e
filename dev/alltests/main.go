// Alltests runs the tests of both modules and counts them.
//
// In goes the checkout that it is started in; out come a line for every package
// as it ends, all that failed tests printed, and at the end how many passed and
// failed. It starts a sandbox for the tests that want a real API server, and
// ends it again. It never runs a test twice.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

const (
	tags = "kustomize_disable_go_plugin_support"
	// silence is how long nothing may be printed.
	silence = time.Minute
)

// modules are tested one after the other: each alone keeps two cores busy.
var modules = []string{".", "sandbox"}

func main() {
	race := flag.Bool("race", false, "run under the race detector")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var flags []string
	if *race {
		flags = append(flags, "-race")
	}
	started := time.Now()
	t := newTally(os.Stdout)
	err := all(ctx, t, flags)
	t.summary(time.Since(started).Round(time.Second))
	if err != nil {
		fmt.Fprintln(os.Stderr, "alltests:", err)
	}
	if err != nil || t.failed() > 0 {
		os.Exit(1)
	}
}

func all(ctx context.Context, t *tally, flags []string) error {
	box, err := startSandbox(ctx)
	if err != nil {
		return err
	}
	defer box.stop()
	env := append(os.Environ(), "GOWORK=off", "SANDBOX_KUBECONFIG="+box.kubeconfig, "PLUMBLINE_SANDBOX="+box.cmd.Path)
	if len(flags) == 0 { // under the race detector the scenarios build their own
		bin := filepath.Dir(box.cmd.Path)
		env = append(env, "PLUMBLINE_PLUMBD="+filepath.Join(bin, "plumbd"), "PLUMBLINE_PLUMB="+filepath.Join(bin, "plumb"))
	}
	if len(flags) > 0 { // under the race detector a Kubernetes takes too long to compile
		return test(ctx, t, modules[0], env, flags)
	}
	for _, module := range modules {
		err = errors.Join(err, test(ctx, t, module, env, flags))
	}
	return err
}

// test runs the tests of one module. Failed tests are in the tally; an error
// means that they could not be run.
func test(ctx context.Context, t *tally, module string, env, flags []string) error {
	args := append([]string{"test", "-json", "-tags", tags}, flags...)
	cmd := exec.CommandContext(ctx, "go", append(args, "./...")...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 20 * time.Second
	cmd.Dir, cmd.Env, cmd.Stderr = module, env, os.Stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	before := t.failed()
	readErr := t.read(stdout, silence)
	err = cmd.Wait()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) && t.failed() > before && ctx.Err() == nil {
		err = nil // what failed is told
	}
	if err != nil {
		err = fmt.Errorf("go test in %s: %w", module, err)
	}
	return errors.Join(readErr, err, context.Cause(ctx))
}

// sandbox is a running control plane.
type sandbox struct {
	cmd        *exec.Cmd
	dir        string
	kubeconfig string
}

func startSandbox(ctx context.Context) (*sandbox, error) {
	dir, err := os.MkdirTemp("", "plumbline-tests-")
	if err != nil {
		return nil, err
	}
	program, err := filepath.Abs("bin/sandbox")
	if err != nil {
		return nil, err
	}
	s := &sandbox{dir: dir, kubeconfig: filepath.Join(dir, "kubeconfig")}
	s.cmd = exec.CommandContext(ctx, program, "--data", filepath.Join(dir, "data"), "--kubeconfig", s.kubeconfig, "--exit-with-stdin")
	s.cmd.Cancel = func() error { return s.cmd.Process.Signal(os.Interrupt) }
	s.cmd.Stderr = os.Stderr
	if _, err := s.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	stdout, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := s.cmd.Start(); err != nil {
		os.RemoveAll(dir)
		return nil, fmt.Errorf("sandbox: %w (\"make build\" makes it)", err)
	}
	if n, err := stdout.Read(make([]byte, 1)); n == 0 { // it says one line, when it is ready
		s.stop()
		return nil, fmt.Errorf("sandbox: did not become ready: %w", err)
	}
	return s, nil
}

func (s *sandbox) stop() {
	_ = s.cmd.Process.Signal(os.Interrupt)
	_ = s.cmd.Wait()
	os.RemoveAll(s.dir)
}
