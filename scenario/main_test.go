package scenario

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// parallel is how many stories run at once: they mostly wait.
const parallel = "5"

// shared is the world of all stories that do not ask for a private one.
var shared = struct {
	sync.Mutex
	world *world
}{}

// binaries are what the stories run.
var binaries struct{ sandbox, plumbd, plumb string }

func TestMain(m *testing.M) {
	flag.Parse()
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "test.parallel" })
	if !given {
		_ = flag.Set("test.parallel", parallel)
	}
	os.Exit(run(m))
}

func run(m *testing.M) int {
	// Git prefers this variable over the certificates a repository brings along.
	os.Unsetenv("GIT_SSL_CAINFO")
	dir, err := os.MkdirTemp("", "scenario-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	if err := build(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	code := m.Run()
	if shared.world != nil {
		if err := shared.world.close(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	return code
}

// build makes the binaries, or takes those that the environment names.
func build(dir string) error {
	goBuild := func(pkg string) []string {
		return append(append([]string{"go", "build"}, buildFlags...), "-o", "", pkg)
	}
	tools := []struct {
		path     *string
		variable string
		command  []string // "" stands for the path
	}{
		{&binaries.sandbox, "PLUMBLINE_SANDBOX", []string{"../sandbox/build.sh", ""}},
		{&binaries.plumbd, "PLUMBLINE_PLUMBD", goBuild("../cmd/plumbd")},
		{&binaries.plumb, "PLUMBLINE_PLUMB", goBuild("../cmd/plumb")},
	}
	for _, tool := range tools {
		*tool.path = os.Getenv(tool.variable)
		if *tool.path != "" {
			continue
		}
		*tool.path = filepath.Join(dir, tool.variable)
		args := slices.Clone(tool.command[1:])
		args[slices.Index(args, "")] = *tool.path
		if out, err := exec.Command(tool.command[0], args...).CombinedOutput(); err != nil {
			return fmt.Errorf("building %s: %w\n%s", tool.variable, err, out)
		}
	}
	return nil
}

// TestScenarios runs every story in this folder.
func TestScenarios(t *testing.T) {
	if testing.Short() {
		t.Skip("stories need a control plane")
	}
	testscript.Run(t, testscript.Params{
		Dir:   ".",
		Setup: setup,
		Cmds:  commands,
		Condition: func(name string) (bool, error) {
			if name != "mount" {
				return false, fmt.Errorf("unknown condition %q", name)
			}
			return mayMount(), nil
		},
	})
}

// sharedWorld starts the shared world with the first story that needs it.
func sharedWorld() (*world, error) {
	shared.Lock()
	defer shared.Unlock()
	if shared.world == nil {
		w, err := newWorld(0, []string{"-application-namespaces", "anywhere-*"})
		if err != nil {
			return nil, err
		}
		shared.world = w
	}
	return shared.world, nil
}
