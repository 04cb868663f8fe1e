//go:build unix

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// startTimeout bounds each step until everything runs.
const startTimeout = 2 * time.Minute

// sandboxReady is the line that the sandbox announces itself with.
type sandboxReady struct {
	Server string `json:"server"`
	Git    struct {
		HTTP string `json:"http"`
	} `json:"git"`
}

// up runs the demo until ctx ends or a part of it does.
func up(ctx context.Context, cfg config, out *printer) (err error) {
	if _, err := exec.LookPath("git"); err != nil {
		return errors.New("git is not installed: install it first (apt install git, dnf install git, brew install git)")
	}
	if err := os.MkdirAll(cfg.state, 0o755); err != nil {
		return err
	}
	held, err := acquire(cfg.path("lock"))
	if err != nil {
		return err
	}
	defer held.release()
	address, err := address(cfg.path("plumbd.address"))
	if err != nil {
		return err
	}

	out.note("Starting a cluster, a git server and Plumbline ...")
	box, ready, err := startSandbox(ctx, cfg, address)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, box.stop()) }()
	repo, resumed, err := prepare(ctx, cfg, ready.Git.HTTP)
	if err != nil {
		return err
	}
	server, err := startServer(ctx, cfg, address)
	if err != nil {
		return err
	}
	defer func() {
		out.note("Stopping. \"make up\" goes on where this ends; \"make down\" removes it.")
		err = errors.Join(err, server.stop())
	}()
	out.welcome(cfg, repo, "http://"+address, resumed)

	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	for _, p := range []*process{box, server} {
		go func() {
			<-p.done
			cancel(p.ended())
		}()
	}
	err = show(ctx, cfg, repo, out)
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}

// startSandbox starts the control plane and the git server and waits for them.
func startSandbox(ctx context.Context, cfg config, hook string) (*process, sandboxReady, error) {
	var ready sandboxReady
	announcement := cfg.path("sandbox.json")
	stdout, err := os.Create(announcement)
	if err != nil {
		return nil, ready, err
	}
	defer stdout.Close()
	if err := os.MkdirAll(cfg.path("git"), 0o755); err != nil {
		return nil, ready, err
	}
	p, err := start("sandbox", cfg.path("sandbox.log"), stdout, exec.Command(filepath.Join(cfg.bin, "sandbox"),
		"--data", cfg.path("sandbox"), "--kubeconfig", cfg.path("kubeconfig"), "--git-root", cfg.path("git"),
		"--push-hook", "http://"+hook+"/hook/git", "--exit-with-stdin"))
	if err != nil {
		return nil, ready, err
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	err = p.until(ctx, func() bool {
		line, err := os.ReadFile(announcement)
		return err == nil && json.Unmarshal(line, &ready) == nil
	})
	if err != nil {
		return nil, ready, errors.Join(err, p.stop())
	}
	return p, ready, nil
}

// startServer starts Plumbline and waits until it knows its cluster.
func startServer(ctx context.Context, cfg config, address string) (*process, error) {
	cmd := exec.Command(filepath.Join(cfg.bin, "plumbd"),
		"-kubeconfig", cfg.path("kubeconfig"), "-data", cfg.path("plumbd"), "-listen", address)
	// The way to the git server on this machine leads through no proxy.
	cmd.Env = append(os.Environ(), "NO_PROXY=127.0.0.1,localhost", "no_proxy=127.0.0.1,localhost")
	p, err := start("plumbd", cfg.path("plumbd.log"), nil, cmd)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	err = p.until(ctx, func() bool {
		resp, err := http.Get("http://" + address + "/readyz")
		if err != nil {
			return false
		}
		resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
	if err != nil {
		return nil, errors.Join(err, p.stop())
	}
	return p, nil
}

// address is where Plumbline shall listen: as last time if that is free, at
// its usual port otherwise, and anywhere if that is taken, too.
func address(file string) (string, error) {
	last, err := os.ReadFile(file)
	if err != nil && !os.IsNotExist(err) {
		return "", err
	}
	for _, try := range []string{strings.TrimSpace(string(last)), "127.0.0.1:8484", "127.0.0.1:0"} {
		if try == "" {
			continue
		}
		listener, err := net.Listen("tcp", try)
		if err != nil {
			continue
		}
		found := listener.Addr().String()
		listener.Close()
		return found, os.WriteFile(file, []byte(found+"\n"), 0o644)
	}
	return "", errors.New("no port of 127.0.0.1 can be listened on")
}

// down ends a running demo and removes everything that it left.
func down(ctx context.Context, cfg config, out *printer) error {
	path := cfg.path("lock")
	if _, err := os.Stat(path); os.IsNotExist(err) {
		out.note("Nothing to clear: " + cfg.state + " holds no demo.")
		return nil
	}
	held, err := acquire(path)
	if running := (*heldError)(nil); errors.As(err, &running) {
		held, err = end(ctx, path, running.pid)
	}
	if err != nil {
		return err
	}
	defer held.release()
	if err := os.RemoveAll(cfg.state); err != nil {
		return fmt.Errorf("clearing: %w", err)
	}
	out.note("Cleared: " + cfg.state + " is gone.")
	return nil
}

// end stops the demo that runs as pid and takes its lock over.
func end(ctx context.Context, path string, pid int) (*lock, error) {
	if pid <= 0 {
		return nil, fmt.Errorf("%s names no process: end the demo with Ctrl-C in its terminal", path)
	}
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
		return nil, fmt.Errorf("stopping process %s: %w", strconv.Itoa(pid), err)
	}
	free := make(chan error, 1)
	go func() { free <- wait(path) }()
	select {
	case err := <-free:
		if err != nil {
			return nil, err
		}
		return acquire(path)
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-time.After(2*stopTimeout + 5*time.Second):
		return nil, fmt.Errorf("process %d does not end: see its terminal", pid)
	}
}
