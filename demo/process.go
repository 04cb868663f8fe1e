//go:build unix

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// stopTimeout is how long a program may take to end by itself.
const stopTimeout = 20 * time.Second

// process is a program that runs until it is stopped.
type process struct {
	name string
	log  string // where its words go
	cmd  *exec.Cmd
	done chan struct{} // closed when it ended
	err  error         // valid after done
}

// start runs a program. Its standard error goes to a file, its standard output
// to stdout, or to that file as well.
func start(name, log string, stdout io.Writer, cmd *exec.Cmd) (*process, error) {
	file, err := os.Create(log)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	cmd.SysProcAttr = attributes()
	cmd.Stderr, cmd.Stdout = file, stdout
	if stdout == nil {
		cmd.Stdout = file
	}
	if _, err := cmd.StdinPipe(); err != nil { // it ends with us
		return nil, err
	}
	p := &process{name: name, log: log, cmd: cmd, done: make(chan struct{})}
	started := make(chan error)
	go func() {
		// On Linux a child is told of the death of the thread that made it.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			p.err = cmd.Wait()
			close(p.done)
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("%s: %w (\"make build\" makes it)", name, err)
	}
	return p, nil
}

// ended explains why a program that shall run does not.
func (p *process) ended() error {
	reason := "ended"
	if p.err != nil {
		reason = p.err.Error()
	}
	return fmt.Errorf("%s: %s: %s (all it said is in %s)", p.name, reason, lastLine(p.log), p.log)
}

func lastLine(path string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(string(bytes.TrimSpace(text)), "\n")
	return lines[len(lines)-1]
}

// stop ends a program and waits for it.
func (p *process) stop() error {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
		return nil
	case <-time.After(stopTimeout):
	}
	_ = p.cmd.Process.Kill()
	<-p.done
	return fmt.Errorf("%s: did not end within %s and was killed", p.name, stopTimeout)
}

// until asks again every 50 ms until done says so, the program ends or ctx does.
func (p *process) until(ctx context.Context, done func() bool) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-tick.C:
		case <-p.done:
			return p.ended()
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.DeadlineExceeded) {
				return fmt.Errorf("%s: not ready in time: %s (all it said is in %s)", p.name, lastLine(p.log), p.log)
			}
			return ctx.Err()
		}
	}
	return nil
}
