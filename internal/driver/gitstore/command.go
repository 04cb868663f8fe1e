package gitstore

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"time"
)

// command is one run of git in a repository.
type command struct {
	git      string // absolute path
	dir      string // the bare repository
	session  *session
	protocol string // value of GIT_ALLOW_PROTOCOL
	args     []string

	// watch is called a few times a second with the time of the last sign of
	// life; an error stops the run. It may be nil.
	watch func(lastOutput time.Time) error
}

const maxOutput = 64 << 10 // bytes of stderr kept, the last ones

// run executes the command in a process group of its own and returns what it
// printed for people. When ctx ends, the whole group is killed.
func (c command) run(ctx context.Context) (output string, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	cmd := exec.Command(c.git, append([]string{"--git-dir=" + c.dir}, c.args...)...)
	cmd.Dir = c.dir
	cmd.Env = c.environment()
	stderr := &tail{limit: maxOutput, last: time.Now()}
	cmd.Stderr = stderr
	cmd.WaitDelay = 2 * time.Second
	isolate(cmd)

	// The kernel kills the child when the thread that started it ends: see isolate.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := cmd.Start(); err != nil {
		return "", err
	}
	done := make(chan struct{})
	var watcher sync.WaitGroup
	watcher.Go(func() {
		c.supervise(ctx, cancel, stderr, done)
		if ctx.Err() != nil {
			killGroup(cmd)
		}
	})
	err = cmd.Wait()
	cause := context.Cause(ctx)
	close(done)
	watcher.Wait()
	if err != nil && cause != nil {
		err = cause
	}
	return stderr.String(), err
}

// supervise returns when the process is done or has to end.
func (c command) supervise(ctx context.Context, stop context.CancelCauseFunc, stderr *tail, done <-chan struct{}) {
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-done:
			return
		case <-ctx.Done():
			return
		case <-tick.C:
			if c.watch == nil {
				continue
			}
			if err := c.watch(stderr.lastWrite()); err != nil {
				stop(err)
			}
		}
	}
}

// environment is made from nothing: what the machine's variables would change in
// git stays out, except for the way to the network.
func (c command) environment() []string {
	env := []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + c.session.dir, "XDG_CONFIG_HOME=" + c.session.dir,
		"TMPDIR=" + c.session.dir, "LC_ALL=C", "LANGUAGE=C",
		"GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=" + c.session.path("config"), "GIT_ATTR_NOSYSTEM=1",
		"GIT_TERMINAL_PROMPT=0", "GIT_ASKPASS=/bin/false", "SSH_ASKPASS=/bin/false", "SSH_ASKPASS_REQUIRE=never",
		"GIT_ALLOW_PROTOCOL=" + c.protocol, "GIT_OPTIONAL_LOCKS=0", "GIT_NO_LAZY_FETCH=1",
	}
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "no_proxy", "all_proxy", "SSL_CERT_FILE", "SSL_CERT_DIR"} {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	return env
}

// tail keeps the end of what is written to it, and when that was.
type tail struct {
	limit int

	mu   sync.Mutex
	buf  []byte
	last time.Time
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.last = time.Now()
	t.buf = append(t.buf, p...)
	if over := len(t.buf) - t.limit; over > 0 {
		t.buf = append(t.buf[:0], t.buf[over:]...)
	}
	return len(p), nil
}

func (t *tail) lastWrite() time.Time {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.last
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(bytes.ToValidUTF8(t.buf, []byte("?")))
}

// findProgram returns the absolute path of a program.
func findProgram(name, fallback string) (string, error) {
	if name == "" {
		name = fallback
	}
	p, err := exec.LookPath(name)
	if errors.Is(err, exec.ErrDot) {
		return "", errors.New("is only in the current directory")
	}
	return p, err
}
