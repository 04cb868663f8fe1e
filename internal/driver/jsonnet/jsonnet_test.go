package jsonnet

import (
	"context"
	"errors"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/plumbline-dev/plumbline/internal/core/render"
	"github.com/plumbline-dev/plumbline/internal/core/source"
)

func tree(files map[string]string) source.Tree {
	m := fstest.MapFS{}
	for name, text := range files {
		m[name] = &fstest.MapFile{Data: []byte(text), Mode: 0o644}
		if target, isLink := strings.CutPrefix(text, "-> "); isLink {
			m[name] = &fstest.MapFile{Data: []byte(target), Mode: 0o777 | fs.ModeSymlink}
		}
	}
	return source.FromFS(m, source.Revision{Name: "main"})
}

func TestEvaluate(t *testing.T) {
	for name, test := range map[string]struct {
		program string
		options render.JsonnetOptions
		want    string // without white space
		err     string
	}{
		"external":    {program: `std.extVar("a") + std.extVar("n")`, options: render.JsonnetOptions{External: []render.JsonnetValue{{Name: "a", Value: "x"}, {Name: "n", Value: "1 + 1", Code: true}}}, want: `"x2"`},
		"arguments":   {program: `function(a, n=1) {a: a, n: n}`, options: render.JsonnetOptions{TopLevel: []render.JsonnetValue{{Name: "a", Value: "x"}}}, want: `{"a":"x","n":1}`},
		"beside":      {program: `(import "b.libsonnet").x`, want: `"beside"`},
		"library":     {program: `(import "k/k.libsonnet").x`, want: `"library"`},
		"from there":  {program: `(import "k/other.libsonnet")`, want: `"library"`},
		"text":        {program: `importstr "text.txt"`, want: `"hello"`},
		"twice":       {program: `[import "b.libsonnet", importstr "b.libsonnet"]`, want: `[{"x":"beside"},"{x:'beside'}"]`},
		"not taken":   {program: `if false then import "missing" else 1`, want: `1`},
		"trace":       {program: `std.trace("not for the pipe", 1)`, want: `1`},
		"missing":     {program: `import "missing"`, err: `app/a.jsonnet: app/a.jsonnet imports "missing", which is in none of app, app, lib; libraries are named`},
		"climbs out":  {program: `import "../../x"`, err: `app/a.jsonnet: import "../../x": `},
		"linked out":  {program: `import "out.libsonnet"`, err: `app/a.jsonnet: import "out.libsonnet": `},
		"absolute":    {program: `import "/etc/passwd"`, err: `app/a.jsonnet: import "/etc/passwd": only files of the repository`},
		"downloads":   {program: `import "https://evil.example/x"`, err: `app/a.jsonnet: import "https://evil.example/x": nothing is downloaded`},
		"syntax":      {program: "{\n  a: \n}", err: "app/a.jsonnet: Jsonnet: app/a.jsonnet:3:1-2 "},
		"recursion":   {program: `local f(n) = 1 + f(n + 1); f(0)`, err: "app/a.jsonnet: Jsonnet: max stack frames exceeded."},
		"no variable": {program: `std.extVar("a")`, err: "app/a.jsonnet: Jsonnet: Undefined external variable: a"},
		"bad code":    {program: `std.extVar("a")`, options: render.JsonnetOptions{External: []render.JsonnetValue{{Name: "a", Value: "{", Code: true}}}, err: "app/a.jsonnet: Jsonnet: "},
		"no argument": {program: `function(a) a`, err: "app/a.jsonnet: Jsonnet: Missing argument: a"},
		"own error":   {program: `error "say\nthis"`, err: "app/a.jsonnet: Jsonnet: say this (at app/a.jsonnet:1:1-18)"},
		"long error":  {program: `error std.repeat("x", 5000)`, err: "app/a.jsonnet: Jsonnet: xxx"},
	} {
		t.Run(name, func(t *testing.T) {
			files := tree(map[string]string{
				"app/a.jsonnet": test.program, "app/b.libsonnet": "{x:'beside'}", "app/text.txt": "hello", "app/out.libsonnet": "-> ../../x",
				"lib/k/k.libsonnet": "{x: 'library'}", "lib/k/other.libsonnet": "(import 'k.libsonnet').x", "lib/b.libsonnet": "{x: 'wrong'}",
			})
			got, err := Evaluate(t.Context(), files, "app/a.jsonnet", []string{"app", "lib"}, test.options)
			if (err != nil) != (test.err != "") || err != nil && !strings.HasPrefix(err.Error(), test.err) {
				t.Fatalf("%v, want %q", err, test.err)
			}
			if err != nil && len(err.Error()) > lineLimit+100 {
				t.Errorf("a message of %d bytes", len(err.Error()))
			}
			if strings.Join(strings.Fields(got), "") != test.want {
				t.Errorf("%s, want %s", got, test.want)
			}
		})
	}
}

// Whether a file is there is part of what a program read: an import that is found
// in a library is found beside the program once it is there.
func TestReadsAreRecorded(t *testing.T) {
	files := map[string]string{"app/a.jsonnet": `import "x.libsonnet"`, "lib/x.libsonnet": "1", "other": ""}
	recorder := source.Record(tree(files), "app")
	if _, err := Evaluate(t.Context(), recorder, "app/a.jsonnet", []string{"app", "lib"}, render.JsonnetOptions{}); err != nil {
		t.Fatal(err)
	}
	print := recorder.Footprint()
	for file, same := range map[string]bool{"other": true, "lib/y.libsonnet": true, "lib/x.libsonnet": false, "app/x.libsonnet": false} {
		changed := map[string]string{file: "2"}
		for name, text := range files {
			if name != file {
				changed[name] = text
			}
		}
		if got := print.Holds(tree(changed)); got != same {
			t.Errorf("with another %s the render is the same: %t", file, got)
		}
	}
}

func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Evaluate(ctx, tree(map[string]string{"a": "1"}), "a", nil, render.JsonnetOptions{}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
