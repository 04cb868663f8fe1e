package main

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/plumbline-dev/plumbline/internal/front/cli"
)

var update = flag.Bool("update", false, "rewrite expected outputs in scripts, and the reference in docs")

// TestMain makes this test binary the program itself, so that its workers are
// processes of the same code.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"plumb": main})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		UpdateScripts:       *update,
		RequireUniqueNames:  true,
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			for _, v := range []string{"GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@example.com", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@example.com",
				"GIT_AUTHOR_DATE=2026-05-04T08:00:00Z", "GIT_COMMITTER_DATE=2026-05-04T08:00:00Z",
				"GIT_CONFIG_GLOBAL=" + os.DevNull, "GIT_CONFIG_SYSTEM=" + os.DevNull, "KUBECONFIG=" + filepath.Join(env.WorkDir, "no-kubeconfig")} {
				env.Vars = append(env.Vars, v)
			}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": exits, "commit": commit},
	})
}

// exits runs a command line and checks its exit code: exits 1 plumb diff ...
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM [ARGUMENT...]")
	}
	code := "0"
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		exit, ok := err.(interface{ ExitCode() int })
		if !ok {
			ts.Fatalf("%v", err)
		}
		code = string(rune('0' + exit.ExitCode()))
	}
	if code != args[0] {
		ts.Fatalf("exit code %s, want %s", code, args[0])
	}
}

// commit makes a repository of a directory, or adds a commit to it.
func commit(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: commit DIR")
	}
	for _, git := range [][]string{{"init", "-q", "-b", "main"}, {"add", "-A"}, {"commit", "-q", "-m", "change"}} {
		ts.Check(ts.Exec("git", append([]string{"-C", args[0]}, git...)...))
	}
}

// The reference in docs is what the commands say of themselves.
func TestReference(t *testing.T) {
	var got bytes.Buffer
	if code := cli.Run(t.Context(), cli.Ports{Out: &got, Err: os.Stderr, Getenv: os.Getenv, Dialects: dialects}, []string{"reference"}); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	const file = "../../docs/cli.md"
	if *update {
		if err := os.WriteFile(file, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got.String()); d != "" {
		t.Errorf("docs/cli.md is stale: run go test ./cmd/plumb -update (-want +got):\n%s", d)
	}
}
