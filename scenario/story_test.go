package scenario

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/rogpeppe/go-internal/testscript"
)

// command is one word of the language of the stories; README.md lists them.
type command = func(ts *testscript.TestScript, neg bool, args []string)

var commands = map[string]command{
	// Git
	"repo": with((*story).repo), "push": with((*story).push), "fault": with((*story).fault),
	"replace": with((*story).replace), "fill": with((*story).fill), "generate": with((*story).generate),
	// objects
	"apply": with((*story).apply), "client-apply": with((*story).clientApply),
	"application": with((*story).application), "kustomization": with((*story).kustomization),
	"signer": with((*story).signer), "edit": with((*story).edit), "delete": with((*story).delete), "live": with((*story).live),
	// waiting
	"await": with((*story).await), "gone": with((*story).gone), "synced": with((*story).synced),
	"ready": with((*story).ready), "condition": with((*story).condition),
	// proofs
	"remember": with((*story).remember), "unchanged": with((*story).unchanged), "kept": with((*story).kept),
	"mark": with((*story).mark), "requests": with((*story).requests), "idle": with((*story).idle), "log": with((*story).printLog),
	"disk": with((*story).disk), "met": with((*story).met), "goroutines": with((*story).goroutines), "meddle": with((*story).meddle),
	// people
	"plumb": with((*story).plumb),
	// processes
	"private": with((*story).private), "start": with((*story).startProcess), "halt": with((*story).halt), "crash": with((*story).crash),
	"pause": with((*story).pause), "resume": with((*story).resume), "members": with((*story).members), "one-writer": with((*story).oneWriter),
	"happened": with((*story).happened), "cluster": with((*story).cluster),
	"packages": with((*story).packages), "publish": with((*story).publish),
	"probe": with((*story).probe), "collector": with((*story).collector), "traced": with((*story).traced),
}

// story is one script as it runs.
type story struct {
	ns    string // prefix of all names that the story uses
	own   bool   // the world is the story's alone
	world *world // nil before the first command that needs it

	far  map[string]*farCluster // other clusters by name
	shop *packages              // nil before the command packages

	signers map[string]*openpgp.Entity // by name

	spans     *spans // nil before the command collector
	logFrom   int64  // where the story begins in plumbd's log
	auditFrom int64  // where it looks at requests from
	seen      map[string]sighting
	env       map[string]string // what files and arguments may refer to
}

type storyKey struct{}

// with turns a method of story into a command. Methods return an error; "!" in
// front asks for one, except where the method looks at neg itself.
func with(do func(*story, *call) error) command {
	return func(ts *testscript.TestScript, neg bool, args []string) {
		s := ts.Value(storyKey{}).(*story)
		if err := do(s, &call{TestScript: ts, neg: neg, args: args}); err != nil {
			ts.Fatalf("%v", err)
		}
	}
}

// call is one line of a script.
type call struct {
	*testscript.TestScript
	neg  bool
	args []string
}

// flag removes a leading option and says whether it was there.
func (c *call) flag(name string) bool {
	if len(c.args) == 0 || c.args[0] != name {
		return false
	}
	c.args = c.args[1:]
	return true
}

// option removes a leading "name value" and returns the value.
func (c *call) option(name, otherwise string) string {
	if len(c.args) < 2 || c.args[0] != name {
		return otherwise
	}
	value := c.args[1]
	c.args = c.args[2:]
	return value
}

// want checks the number of arguments.
func (c *call) want(least, most int, usage string) error {
	if len(c.args) < least || len(c.args) > most {
		return fmt.Errorf("usage: %s", usage)
	}
	return nil
}

// unnamed is what cannot be part of a name in the cluster.
var unnamed = regexp.MustCompile(`[^a-z0-9]+`)

var (
	tellings   = map[string]int{} // of stories by name
	tellingsMu sync.Mutex
)

// told counts how often a story was told. Others do not change its names, by which replicas divide the work.
func told(name string) int {
	tellingsMu.Lock()
	defer tellingsMu.Unlock()
	tellings[name]++
	return tellings[name]
}

func setup(env *testscript.Env) error {
	name := strings.TrimPrefix(filepath.Base(env.WorkDir), "script-")
	s := &story{
		ns:   fmt.Sprintf("%s-%d", strings.Trim(unnamed.ReplaceAllString(strings.ToLower(name), "-"), "-"), told(name)),
		seen: map[string]sighting{}, env: map[string]string{},
	}
	s.set(env, "NS", s.ns)
	env.Values[storyKey{}] = s
	env.Defer(func() {
		if failed, ok := env.T().(testscript.TFailed); ok && failed.Failed() && s.world != nil {
			env.T().Log(s.report())
		}
		if err := s.tidy(); err != nil {
			env.T().Fatal(err)
		}
	})
	return nil
}

// set defines a variable for the script and for the files it applies or pushes.
func (s *story) set(env interface{ Setenv(key, value string) }, key, value string) {
	s.env[key] = value
	env.Setenv(key, value)
}

// expand replaces ${NAME} for the variables of the story, and nothing else.
func (s *story) expand(text string) string {
	var pairs []string
	for _, key := range slices.Sorted(maps.Keys(s.env)) {
		pairs = append(pairs, "${"+key+"}", s.env[key])
	}
	return strings.NewReplacer(pairs...).Replace(text)
}

// in returns the world that the story plays in.
func (s *story) in() (*world, error) {
	if s.world != nil {
		return s.world, nil
	}
	w, err := sharedWorld()
	if err != nil {
		return nil, err
	}
	s.enter(w)
	return w, nil
}

func (s *story) enter(w *world) {
	s.world = w
	s.logFrom, s.auditFrom = size(w.path("plumbd.log")), size(w.path("audit.log"))
}

func size(file string) int64 {
	info, err := os.Stat(file)
	if err != nil {
		return 0
	}
	return info.Size()
}

// from reads a file beginning at an offset.
func from(file string, offset int64) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if _, err := f.Seek(offset, io.SeekStart); err != nil {
		return nil, err
	}
	return io.ReadAll(f)
}

// privates bounds how many private worlds there are at once.
var privates = make(chan struct{}, 3)

// private [-replicas COUNT] [-files COUNT] [-disk SIZE] [-faults] [flag...]: this story gets a world of its
// own, plumbd the flags; with -replicas, so many plumbd share the work, and with
// -faults the API server can be made to misbehave. With -files plumbd may open so
// many files, and with -disk (of root alone) its data has so much room.
func (s *story) private(c *call) error {
	if s.world != nil {
		return fmt.Errorf("private has to be the first command")
	}
	replicas, err := strconv.Atoi(c.option("-replicas", "0"))
	if err != nil {
		return fmt.Errorf("-replicas: %w", err)
	}
	privates <- struct{}{}
	w, err := newWorld(replicas, c.args)
	if err != nil {
		<-privates
		return err
	}
	s.own = true
	s.enter(w)
	return nil
}

// tidy removes what would keep plumbd busy after the end of the story.
func (s *story) tidy() error {
	defer s.leave()
	switch {
	case s.world == nil:
	case s.own:
		defer func() { <-privates }()
		return s.world.close()
	default:
		s.world.forget(s.ns)
	}
	return nil
}

// process PLUMBD-OR-SANDBOX names a process of the story's own world.
func (s *story) process(c *call, usage string) (name string, err error) {
	if err := c.want(1, 3, usage); err != nil {
		return "", err
	}
	if s.far[c.args[0]] != nil {
		return c.args[0], nil
	}
	if !s.own {
		return "", fmt.Errorf("only a private world may be disturbed: begin with the command private")
	}
	if name = c.args[0]; name == "sandbox" {
		return name, nil
	}
	_, err = s.world.replica(name)
	return name, err
}

// start plumbd|sandbox starts what was stopped, with the same data.
func (s *story) startProcess(c *call) error {
	name, err := s.process(c, "start plumbd|sandbox")
	if err != nil {
		return err
	}
	if far := s.far[name]; far != nil {
		return far.start(s.world.log)
	}
	if name == "sandbox" {
		return s.world.startSandbox()
	}
	return s.world.startPlumbd(name)
}

// halt plumbd|sandbox ends a process in order.
func (s *story) halt(c *call) error {
	name, err := s.process(c, "halt plumbd|sandbox")
	if err != nil {
		return err
	}
	if far := s.far[name]; far != nil {
		return far.process.stop()
	}
	if name == "sandbox" {
		return s.world.sandbox.stop()
	}
	r, err := s.world.running(name)
	if err != nil {
		return err
	}
	return r.process.stop()
}

// crash plumbd|sandbox [after COUNT] ends a process with SIGKILL, at once or
// when plumbd has written COUNT objects since the last mark.
func (s *story) crash(c *call) error {
	name, err := s.process(c, "crash plumbd|sandbox [after COUNT]")
	if err != nil {
		return err
	}
	if len(c.args) == 3 {
		if err := s.awaitWrites(name, c.args[2]); err != nil {
			return err
		}
	}
	if name == "sandbox" {
		s.world.sandbox.kill()
		return nil
	}
	r, err := s.world.running(name)
	if err != nil {
		return err
	}
	r.process.kill()
	return nil
}

// plumb [-exit CODE] ARGUMENT... runs the command line against the story's
// cluster; it has to end with 0, or with CODE.
func (s *story) plumb(c *call) error {
	want := c.option("-exit", "0")
	w, err := s.in()
	if err != nil {
		return err
	}
	cmd := exec.Command(binaries.plumb, c.args...)
	cmd.Dir = c.MkAbs(".")
	cmd.Env = append(os.Environ(), "KUBECONFIG="+w.path("kubeconfig"))
	cmd.Stdout, cmd.Stderr = c.Stdout(), c.Stderr()
	err = cmd.Run()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		return err
	}
	if got := strconv.Itoa(cmd.ProcessState.ExitCode()); got != want {
		return fmt.Errorf("plumb ended with %s, not %s", got, want)
	}
	return nil
}

// log prints plumbd's log since the story began.
func (s *story) printLog(c *call) error {
	w, err := s.in()
	if err != nil {
		return err
	}
	text, err := from(w.path("plumbd.log"), s.logFrom)
	if err != nil {
		return err
	}
	_, err = c.Stdout().Write(text)
	return err
}

// tail returns the last n lines of text.
func tail(text string, n int) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

// logTail returns the last lines of plumbd's log that concern the story.
func (s *story) logTail(n int) string {
	text, err := from(s.world.path("plumbd.log"), s.logFrom)
	if err != nil {
		return err.Error()
	}
	var mine [][]byte
	for line := range bytes.Lines(text) {
		if s.own || bytes.Contains(line, []byte(s.ns)) || bytes.Contains(line, []byte("panic")) {
			mine = append(mine, line)
		}
	}
	return tail(string(bytes.Join(mine, nil)), n)
}
