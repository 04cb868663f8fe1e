package main

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// patience is how long any single condition may take to come true.
const patience = 60 * time.Second

// build compiles the program under test once and returns its path.
func build(t *testing.T) string {
	t.Helper()
	if testing.Short() {
		t.Skip("builds and runs a control plane")
	}
	path := filepath.Join(t.TempDir(), "sandbox")
	if out, err := exec.Command("./build.sh", path).CombinedOutput(); err != nil {
		t.Fatalf("build.sh: %v\n%s", err, out)
	}
	return path
}

// instance is one running sandbox.
type instance struct {
	t     *testing.T
	ready ready
	cmd   *exec.Cmd
	stdin io.Closer
	dir   string
}

// launch starts binary with its data below dir and waits for the ready line. It
// is safe to call from several goroutines; a failure is returned.
func launch(t *testing.T, binary, dir string, flags ...string) (*instance, error) {
	i := &instance{t: t, dir: dir}
	i.cmd = exec.Command(binary, append([]string{
		"--data", filepath.Join(dir, "data"), "--kubeconfig", filepath.Join(dir, "kubeconfig"), "--exit-with-stdin",
	}, flags...)...)
	i.cmd.Stderr = os.Stderr
	stdin, err := i.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	i.stdin = stdin
	stdout, err := i.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := i.cmd.Start(); err != nil {
		return nil, err
	}
	t.Cleanup(func() { _ = i.cmd.Process.Kill() })
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		return nil, err
	}
	return i, json.Unmarshal([]byte(line), &i.ready)
}

func (i *instance) config(user string) *rest.Config {
	i.t.Helper()
	path := i.ready.Kubeconfig
	if user != "" {
		path += "-" + user
	}
	cfg, err := clientcmd.BuildConfigFromFlags("", path)
	if err != nil {
		i.t.Fatal(err)
	}
	cfg.QPS = -1
	return cfg
}

// client returns a client for user, or for the admin when user is "".
func (i *instance) client(user string) kubernetes.Interface {
	i.t.Helper()
	c, err := kubernetes.NewForConfig(i.config(user))
	if err != nil {
		i.t.Fatal(err)
	}
	return c
}

// exited waits for the process and reports whether it ended in success.
func (i *instance) exited() error {
	done := make(chan error, 1)
	go func() { done <- i.cmd.Wait() }()
	select {
	case err := <-done:
		return err
	case <-time.After(patience):
		_ = i.cmd.Process.Kill()
		return context.DeadlineExceeded
	}
}

func (i *instance) signal() error {
	if err := i.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	return i.exited()
}

func (i *instance) closeStdin() error {
	if err := i.stdin.Close(); err != nil {
		return err
	}
	return i.exited()
}

// eventually fails the test unless f returns true in time. What f learned last
// becomes part of the message.
func eventually(t *testing.T, what string, f func(ctx context.Context) (ok bool, seen string)) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		ok, seen := f(ctx)
		if ok {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("%s: did not happen; last seen: %s", what, seen)
		}
	}
}

func git(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "git", args...)
	cmd.Dir = dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null", "GIT_TERMINAL_PROMPT=0"}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}
