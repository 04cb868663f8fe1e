package scenario

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/plumbline-dev/plumbline/internal/core/shard"
	"github.com/plumbline-dev/plumbline/internal/driver/kube"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// replica is one plumbd of a world. It keeps its address and its data over
// restarts, because webhooks and its Lease know them.
type replica struct {
	name    string
	listen  string
	process *process // nil before its first start
}

// shortLease makes replicas notice soon what became of others.
const shortLease = 3 * time.Second

// leaseOf returns how long Leases last with the flags of a story.
func leaseOf(flags []string) (time.Duration, error) {
	if i := slices.Index(flags, "-share-lease"); i >= 0 && i+1 < len(flags) {
		return time.ParseDuration(flags[i+1])
	}
	return shortLease, nil
}

func replicaName(number int) string {
	if number == 1 {
		return "plumbd"
	}
	return "plumbd-" + strconv.Itoa(number)
}

var replicaNames = regexp.MustCompile(`^plumbd(-[2-9])?$`)

// replica returns the replica of a name, which need not run.
func (w *world) replica(name string) (*replica, error) {
	if !replicaNames.MatchString(name) {
		return nil, fmt.Errorf("%q is none of plumbd, plumbd-2, plumbd-3 and so on", name)
	}
	if r := w.replicas[name]; r != nil {
		return r, nil
	}
	listen, err := freeAddress()
	if err != nil {
		return nil, err
	}
	w.replicas[name] = &replica{name: name, listen: listen}
	return w.replicas[name], nil
}

// leaveLeases leaves Leases as replicas do that ended in order: those that never
// ran before wait for a whole duration first.
func (w *world) leaveLeases(replicas int) error {
	ctx := context.Background()
	namespaces := w.client.Resource(schema.GroupVersionResource{Version: "v1", Resource: "namespaces"})
	argocd := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": "argocd"}}}
	if _, err := namespaces.Create(ctx, argocd, metav1.CreateOptions{}); err != nil && !apierrors.IsAlreadyExists(err) {
		return err
	}
	leases, err := kube.NewLeases(w.rest, "argocd", w.lease, kube.Options{})
	if err != nil {
		return err
	}
	for i := range replicas {
		if _, err := leases.Put(ctx, shard.Lease{Member: replicaName(i + 1), Term: "before", Released: true}); err != nil {
			return err
		}
	}
	return nil
}

// startPlumbd starts a replica and waits until it is ready.
func (w *world) startPlumbd(name string) error {
	r, err := w.replica(name)
	if err != nil {
		return err
	}
	args := []string{binaries.plumbd, "-kubeconfig", w.kubeconfig(), "-data", w.path("data-" + name), "-listen", r.listen, "-poll", "3s"}
	if w.lease > 0 {
		args = append(args, "-share", "-share-lease", w.lease.String(), "-share-name", name)
	}
	if args, err = w.confine(append(args, w.flags...), w.path("data-"+name)); err != nil {
		return err
	}
	if r.process, _, err = launch(w.log, args[0], args[1:]...); err != nil {
		return err
	}
	return within(deadline, func() error {
		select {
		case <-r.process.ended:
			return final{fmt.Errorf("%s ended: %w", name, errors.Join(r.process.err))}
		default:
		}
		res, err := http.Get("http://" + r.listen + "/readyz")
		if err != nil {
			return err
		}
		defer res.Body.Close()
		if res.StatusCode != http.StatusOK {
			return fmt.Errorf("%s is not ready: %s", name, res.Status)
		}
		return nil
	})
}

// running returns a replica that has been started.
func (w *world) running(name string) (*replica, error) {
	r, err := w.replica(name)
	if err == nil && r.process == nil {
		err = fmt.Errorf("%s does not run", name)
	}
	return r, err
}

// pause PLUMBD [after COUNT] stops a process where it stands, until resume: at
// once or when plumbd has written COUNT objects since the last mark.
func (s *story) pause(c *call) error {
	if len(c.args) == 3 {
		if err := s.awaitWrites(c.args[0], c.args[2]); err != nil {
			return err
		}
	}
	return s.signal(c, "pause plumbd [after COUNT]", syscall.SIGSTOP)
}

// resume PLUMBD lets a paused process go on.
func (s *story) resume(c *call) error { return s.signal(c, "resume plumbd", syscall.SIGCONT) }

func (s *story) signal(c *call, usage string, sig syscall.Signal) error {
	name, err := s.process(c, usage)
	if err != nil {
		return err
	}
	r, err := s.world.running(name)
	if err != nil {
		return err
	}
	return r.process.signal(sig)
}

// members NAME... waits until exactly these replicas divide the work among them,
// as each of them says in its log.
func (s *story) members(c *call) error {
	if err := c.want(1, 9, "members NAME..."); err != nil {
		return err
	}
	w, err := s.in()
	if err != nil {
		return err
	}
	want := "members=[" + c.args[0] + "]"
	if len(c.args) > 1 {
		want = `members="[` + strings.Join(c.args, " ") + `]"`
	}
	return within(deadline, func() error {
		text, err := os.ReadFile(w.path("plumbd.log"))
		if err != nil {
			return err
		}
		for _, name := range c.args {
			if last := lastLine(text, `msg="replicas changed" lease=`+name+" "); !bytes.Contains(last, []byte(want)) {
				return fmt.Errorf("%s does not say %s, but %q", name, want, last)
			}
		}
		return nil
	})
}

// lastLine returns the last line that contains a text.
func lastLine(log []byte, text string) []byte {
	var last []byte
	for line := range bytes.Lines(log) {
		if bytes.Contains(line, []byte(text)) {
			last = line
		}
	}
	return last
}

// probe PLUMBD PATH [REGEXP] waits until a path of a replica answers with 200, and
// with "!" until it answers with 503, and a body that matches. The body goes to
// stdout.
func (s *story) probe(c *call) error {
	if err := c.want(2, 3, "[!] probe plumbd PATH [REGEXP]"); err != nil {
		return err
	}
	w, err := s.in()
	if err != nil {
		return err
	}
	r, err := w.running(c.args[0])
	if err != nil {
		return err
	}
	want, re := http.StatusOK, regexp.MustCompile("")
	if c.neg {
		want = http.StatusServiceUnavailable
	}
	if len(c.args) == 3 {
		if re, err = regexp.Compile(c.args[2]); err != nil {
			return err
		}
	}
	return within(deadline, func() error {
		res, err := http.Get("http://" + r.listen + c.args[1])
		if err != nil {
			return err
		}
		defer res.Body.Close()
		text, err := io.ReadAll(res.Body)
		if err != nil {
			return err
		}
		if res.StatusCode != want || !re.Match(text) {
			return fmt.Errorf("%s says %s: %s", c.args[1], res.Status, text)
		}
		_, err = c.Stdout().Write(text)
		return err
	})
}
