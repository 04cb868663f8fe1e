package scenario

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// world is a control plane with a Git server and the plumbd that serves it.
type world struct {
	dir   string
	flags []string // of plumbd, beside the usual ones

	sandbox  *process
	replicas map[string]*replica // by name: plumbd, plumbd-2 and so on
	lease    time.Duration       // of replicas that share the work; 0: they do not

	git    string // URL of the Git server
	rest   *rest.Config
	client dynamic.Interface
	kinds  kinds

	proxy *proxy // between plumbd and the API server; nil: none
	limits

	log *os.File // of plumbd and, for what its own log lacks, of the sandbox
	mu  sync.Mutex
}

// The user and password of repositories below /auth/.
const (
	gitUser     = "reader"
	gitPassword = "correct-horse"
)

// newWorld starts a world in which so many plumbd run with further flags; 0 is
// one that shares its work with nobody.
func newWorld(replicas int, flags []string) (*world, error) {
	dir, err := os.MkdirTemp("", "world-")
	if err != nil {
		return nil, err
	}
	w := &world{dir: dir, replicas: map[string]*replica{}}
	w.limits, w.flags = readLimits(flags)
	if replicas > 0 {
		if w.lease, err = leaseOf(flags); err != nil {
			return nil, err
		}
	}
	if err := w.start(max(1, replicas)); err != nil {
		log, _ := os.ReadFile(w.path("plumbd.log"))
		_ = w.close()
		return nil, fmt.Errorf("%w\n%s", err, tail(string(log), 20))
	}
	return w, nil
}

func (w *world) path(name string) string { return filepath.Join(w.dir, name) }

func (w *world) start(replicas int) error {
	var err error
	if w.log, err = os.Create(w.path("plumbd.log")); err != nil {
		return err
	}
	if err := os.Mkdir(w.path("repos"), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(w.path("password"), []byte(gitPassword), 0o600); err != nil {
		return err
	}
	if err := w.startSandbox(); err != nil {
		return err
	}
	if err := w.startProxy(); err != nil {
		return err
	}
	if w.lease > 0 {
		if err := w.leaveLeases(replicas); err != nil {
			return err
		}
	}
	for i := range replicas {
		if err := w.startPlumbd(replicaName(i + 1)); err != nil {
			return err
		}
	}
	return nil
}

// startProxy puts a proxy in front of the API server when the flags begin with
// -faults, which plumbd itself does not know.
func (w *world) startProxy() error {
	if len(w.flags) == 0 || w.flags[0] != "-faults" {
		return nil
	}
	w.flags = w.flags[1:]
	var err error
	w.proxy, err = newProxy(w.rest, w.path("kubeconfig.faults"))
	return err
}

// kubeconfig is how plumbd reaches the API server.
func (w *world) kubeconfig() string {
	if w.proxy != nil {
		return w.path("kubeconfig.faults")
	}
	return w.path("kubeconfig")
}

// freeAddress returns an address to listen at later, and again after a restart. It
// is of a loopback host that nobody else uses where the system has more than one:
// on 127.0.0.1 an outgoing connection may take the port meanwhile.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", fmt.Sprintf("127.%d.%d.%d:0", 1+rand.IntN(250), rand.IntN(250), 1+rand.IntN(250)))
	if err != nil {
		l, err = net.Listen("tcp", "127.0.0.1:0")
	}
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// startSandbox starts the control plane, or the same one again.
func (w *world) startSandbox() error {
	var stdout io.Reader
	first, err := w.replica(replicaName(1))
	if err != nil {
		return err
	}
	w.sandbox, stdout, err = launch(w.log, binaries.sandbox, "--data", w.path("cluster"), "--kubeconfig", w.path("kubeconfig"),
		"--git-root", w.path("repos"), "--git-user", gitUser, "--git-password-file", w.path("password"),
		"--push-hook", "http://"+first.listen+"/hook/git", "--audit-log", w.path("audit.log"), "--exit-with-stdin")
	if err != nil {
		return err
	}
	line, err := bufio.NewReader(stdout).ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("sandbox ended before it was ready: %w", err)
	}
	var ready struct {
		Git struct{ HTTP string }
	}
	if err := json.Unmarshal(line, &ready); err != nil {
		return fmt.Errorf("sandbox said %q: %w", line, err)
	}
	w.git = ready.Git.HTTP
	if w.rest, err = clientcmd.BuildConfigFromFlags("", w.path("kubeconfig")); err != nil {
		return err
	}
	w.rest.QPS = -1
	w.rest.UserAgent = "scenario"
	w.rest.WarningHandlerWithContext = rest.NoWarnings{}
	w.client, err = dynamic.NewForConfig(w.rest)
	return err
}

// close ends everything, removes what it left, and fails when plumbd wrote down
// a data race or a panic on the way.
func (w *world) close() error {
	for _, r := range w.replicas {
		if r.process != nil {
			_ = r.process.signal(syscall.SIGCONT)
			_ = r.process.stop()
		}
	}
	if w.sandbox != nil {
		_ = w.sandbox.stop()
	}
	if w.proxy != nil {
		w.proxy.close()
	}
	w.unmount()
	defer os.RemoveAll(w.dir)
	if w.log == nil {
		return nil
	}
	_ = w.log.Close()
	text, err := os.ReadFile(w.path("plumbd.log"))
	if err != nil {
		return err
	}
	for _, sign := range []string{"WARNING: DATA RACE", "panic: ", "Observed a panic"} {
		if _, rest, found := strings.Cut(string(text), sign); found {
			return fmt.Errorf("plumbd's log: %s%s", sign, rest[:min(len(rest), 8000)])
		}
	}
	return nil
}

// deadline is how long anything may take: far longer than it does.
const deadline = time.Minute

// final is an error that waiting does not cure.
type final struct{ error }

// within tries until it succeeds, for at most d, and returns the last error.
func within(d time.Duration, try func() error) error {
	end := time.Now().Add(d)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		err := try()
		if stop := (final{}); err == nil || errors.As(err, &stop) {
			return err
		}
		if time.Now().After(end) {
			return fmt.Errorf("still after %s: %w", d, err)
		}
		<-tick.C
	}
}
