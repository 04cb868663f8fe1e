package scenario

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

// process is a program that runs beside the tests and never outlives them.
type process struct {
	cmd   *exec.Cmd
	stdin io.Closer
	ended chan struct{}
	err   error // after ended
}

// starts carries out starts on one thread that lives as long as the test: the
// kernel ends a child with the thread that started it.
var starts = sync.OnceValue(func() chan func() {
	todo := make(chan func())
	go func() {
		runtime.LockOSThread()
		for start := range todo {
			start()
		}
	}()
	return todo
})

// launch starts a program whose standard error goes to log. The caller reads
// standard output from the returned pipe.
func launch(log *os.File, name string, args ...string) (*process, io.Reader, error) {
	cmd := exec.Command(name, args...)
	cmd.Stderr = log
	dieWithParent(cmd)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, nil, err
	}
	started := make(chan error)
	starts() <- func() { started <- cmd.Start() }
	if err := <-started; err != nil {
		return nil, nil, fmt.Errorf("%s: %w", name, err)
	}
	p := &process{cmd: cmd, stdin: stdin, ended: make(chan struct{})}
	go func() {
		p.err = cmd.Wait()
		close(p.ended)
	}()
	return p, stdout, nil
}

// patience is how long a program may take to end when asked to.
const patience = 20 * time.Second

// stop asks the program to end and kills it when it does not.
func (p *process) stop() error {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	_ = p.stdin.Close()
	select {
	case <-p.ended:
		return p.err
	case <-time.After(patience):
		p.kill()
		return fmt.Errorf("%s did not end within %s", strings.Join(p.cmd.Args, " "), patience)
	}
}

// signal sends a signal to the program.
func (p *process) signal(sig syscall.Signal) error { return p.cmd.Process.Signal(sig) }

// kill ends the program without giving it a chance to tidy up.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.ended
}
