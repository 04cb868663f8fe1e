package plugin

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"
	"time"

	"github.com/plumbline-dev/plumbline/internal/core/plugin"
	"github.com/plumbline-dev/plumbline/internal/core/render"
	"github.com/plumbline-dev/plumbline/internal/core/source"
)

func tree() source.Tree {
	return source.FromFS(fstest.MapFS{
		"app/name": {Data: []byte("shop"), Mode: 0o644}, "app/run.sh": {Data: []byte("#!/bin/sh\necho ran\n"), Mode: 0o755},
		"shared/x": {Data: []byte("shared"), Mode: 0o644}, "app/in": {Data: []byte("../shared"), Mode: fs.ModeSymlink | 0o777},
		"app/out": {Data: []byte("../../etc/passwd"), Mode: fs.ModeSymlink | 0o777},
	}, source.Revision{Name: "main"})
}

func shell(init, generate string) plugin.Definition {
	d := plugin.Definition{Name: "p", Generate: plugin.Command{"sh", "-ec", generate}}
	if init != "" {
		d.Init = plugin.Command{"sh", "-ec", init}
	}
	return d
}

func open(t *testing.T, d plugin.Definition, timeout time.Duration) *Renderer {
	t.Helper()
	r, err := New(Options{Plugins: []plugin.Definition{d}, Timeout: timeout})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		left, _ := os.ReadDir(r.dir)
		if len(left) > 0 {
			t.Errorf("%d runs left something behind", len(left))
		}
		r.Close()
	})
	return r
}

var request = render.Request{Path: "app", Tool: render.Plugin, Plugin: &render.PluginOptions{Name: "p", Env: []render.Variable{{Name: "ARGOCD_ENV_COLOUR", Value: "red"}}}}

const object = `printf 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {text: "%s"}\n' `

func TestRender(t *testing.T) {
	t.Setenv("PLUGIN_TEST_TOKEN", "t0k")
	t.Setenv("PLUGIN_TEST_SECRET", "hunter2")
	for name, test := range map[string]struct {
		plugin plugin.Definition
		want   string // text, or the error
	}{
		"files":        {shell("", object+`"$(cat name) $(cat ../shared/x) $(cat in/x)"`), "shop shared shared"},
		"init writes":  {shell("echo one > made; echo noise", object+`"$(cat made)"`), "one"},
		"environment":  {shell("", object+`"$ARGOCD_ENV_COLOUR $HOME"`), "red "},
		"not theirs":   {shell("", object+`"x${PLUGIN_TEST_SECRET}x"`), "xx"},
		"passed on":    {plugin.Definition{Name: "p", Generate: plugin.Command{"sh", "-c", object + `"$PLUGIN_TEST_TOKEN"`}, Pass: []string{"PLUGIN_TEST_TOKEN"}}, "t0k"},
		"not runnable": {shell("", object+`"$(test -x run.sh && echo yes || echo no)"`), "no"},
		"runnable":     {plugin.Definition{Name: "p", Modes: true, Generate: plugin.Command{"sh", "-c", object + `"$(./run.sh)"`}}, "ran"},
		"no link out":  {shell("", object+`"$(ls)"`), "in"},
		"init fails":   {shell("echo why >&2; exit 3", object), `render by plugin "p" failed: init: sh: exit status 3: why`},
		"fails":        {shell("", "echo half; false"), `generate: sh: exit status 1`},
		"no manifests": {shell("", "echo 'Loading: done'"), "output of plugin p: "},
		"too much":     {shell("", "yes xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"), "printed more than 64 MiB"},
	} {
		t.Run(name, func(t *testing.T) {
			res, err := open(t, test.plugin, 0).Render(t.Context(), request, tree())
			got := fmt.Sprint(err)
			if err == nil {
				got, _, _ = unstructuredText(res)
			}
			if !strings.Contains(got, test.want) {
				t.Errorf("%q, want %q", got, test.want)
			}
			if err == nil && (len(res.Warnings) != 1 || !strings.HasPrefix(res.Warnings[0], "app/out is not there for the plugin: ")) {
				t.Errorf("%q", res.Warnings)
			}
		})
	}
}

func unstructuredText(res render.Result) (string, bool, error) {
	data, _ := res.Manifests[0].Object.Object["data"].(map[string]any)
	text, ok := data["text"].(string)
	return text, ok, nil
}

// When its time is over, or nobody waits, a plugin ends with all that it started.
func TestEnds(t *testing.T) {
	note := filepath.Join(t.TempDir(), "pid")
	if err := os.WriteFile(note, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(note, 0o666); err != nil {
		t.Fatal(err)
	}
	for dir := filepath.Dir(note); dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	endless := shell("", "sleep 1000 & echo $! > "+note+"; wait")
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		for range 10_000 {
			if text, _ := os.ReadFile(note); len(text) > 0 {
				break
			}
			time.Sleep(time.Millisecond)
		}
		cancel()
	}()
	if _, err := open(t, endless, 0).Render(ctx, request, tree()); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	text, err := os.ReadFile(note)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	for range 10_000 {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil || strings.Contains(string(stat), ") Z ") {
			pid = 0
			break
		}
		time.Sleep(time.Millisecond)
	}
	if pid != 0 {
		_ = syscall.Kill(pid, syscall.SIGKILL)
		t.Error("what the plugin started goes on")
	}
	_, err = open(t, shell("", "echo waiting >&2; sleep 1000"), 50*time.Millisecond).Render(t.Context(), request, tree())
	if err == nil || !strings.Contains(err.Error(), "generate: sh: stopped after 50ms") {
		t.Errorf("%v", err)
	}
}

func TestNew(t *testing.T) {
	one := shell("", "true")
	for name, test := range map[string]struct {
		list []plugin.Definition
		want string
	}{
		"twice":      {[]plugin.Definition{one, one}, `plugin "p": there are two`},
		"no program": {[]plugin.Definition{{Name: "p", Generate: plugin.Command{"no-such-program"}}}, `plugin "p": exec: "no-such-program"`},
		"unfinished": {[]plugin.Definition{{Name: "p"}}, "generate has no command"},
	} {
		if _, err := New(Options{Plugins: test.list}); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	r := open(t, one, 0)
	other := request
	other.Plugin = &render.PluginOptions{Name: "q"}
	if _, err := r.Render(t.Context(), other, tree()); err == nil || !strings.Contains(err.Error(), `there is no plugin "q"`) {
		t.Error(err)
	}
	other = request
	other.Path = "nowhere"
	if _, err := r.Render(t.Context(), other, tree()); err == nil || !strings.Contains(err.Error(), `no directory "nowhere"`) {
		t.Error(err)
	}
}
