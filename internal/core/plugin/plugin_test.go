package plugin_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plumbline-dev/plumbline/internal/core/plugin"
	"github.com/plumbline-dev/plumbline/internal/core/render"
)

func TestCheck(t *testing.T) {
	for name, test := range map[string]struct {
		plugin plugin.Definition
		want   string
	}{
		"good":        {plugin.Definition{Name: "cue-v1", Generate: plugin.Command{"cue"}, Pass: []string{"VAULT_ADDR"}}, ""},
		"no name":     {plugin.Definition{Generate: plugin.Command{"cue"}}, "has no name"},
		"odd name":    {plugin.Definition{Name: "../x", Generate: plugin.Command{"cue"}}, "no slashes"},
		"no command":  {plugin.Definition{Name: "cue"}, `plugin "cue": generate has no command`},
		"empty init":  {plugin.Definition{Name: "cue", Init: plugin.Command{""}, Generate: plugin.Command{"cue"}}, "init has no command"},
		"no variable": {plugin.Definition{Name: "cue", Generate: plugin.Command{"cue"}, Pass: []string{"A=B"}}, `"A=B" is no name`},
	} {
		err := test.plugin.Check()
		if (err != nil) != (test.want != "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
	}
}

// Commands see what they are given by name, and nothing else of the server's.
func TestEnvironment(t *testing.T) {
	server := map[string]string{"PATH": "/bin", "KUBECONFIG": "/root/.kube/config", "VAULT_ADDR": "https://vault", "HOME": "/root"}
	d := plugin.Definition{Pass: []string{"VAULT_ADDR", "VAULT_TOKEN"}}
	req := render.Request{KubeVersion: "v1.37.2", APIVersions: []string{"v1", "apps/v1"}, Plugin: &render.PluginOptions{Env: []render.Variable{
		{Name: "ARGOCD_ENV_A", Value: "1"}, {Name: "ARGOCD_ENV_A", Value: "2"}, {Name: "PATH", Value: "/opt"},
	}}}
	got := d.Environment(req, "/run/home", func(name string) (string, bool) { v, ok := server[name]; return v, ok })
	want := []string{"PATH=/opt", "VAULT_ADDR=https://vault", "HOME=/run/home", "TMPDIR=/run/home", "LC_ALL=C.UTF-8", "KUBE_VERSION=1.37.2", "KUBE_API_VERSIONS=v1,apps/v1", "ARGOCD_ENV_A=2"}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}

// A failure says what failed and its last words, on one line of bounded length, and
// is not remembered.
func TestFailed(t *testing.T) {
	err := plugin.Definition{Name: "cue"}.Failed("generate", plugin.Command{"/usr/bin/cue", "eval"}, "exit status 3", "loading\n\tmain.cue:3: conflict\n")
	if stopped := (*render.StoppedError)(nil); !errors.As(err, &stopped) {
		t.Errorf("%T", err)
	}
	if want := `render by plugin "cue" failed: generate: cue: exit status 3: loading main.cue:3: conflict`; err.Error() != want {
		t.Errorf("%s, want %s", err, want)
	}
	long := plugin.Definition{Name: "cue"}.Failed("init", plugin.Command{"cue"}, "exit status 1", strings.Repeat("é", 5000)+"end\xff").Error()
	if len(long) > 1000 || !strings.HasSuffix(long, "éend?") || strings.Contains(long, "\n") {
		t.Errorf("%d bytes: %s", len(long), long)
	}
}

func TestResult(t *testing.T) {
	d := plugin.Definition{Name: "cue"}
	got, err := d.Result([]byte("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n---\n# nothing\n---\napiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Secret\n  metadata: {name: b}\n"), []string{"w"})
	if err != nil || len(got.Manifests) != 2 || got.Tool != render.Plugin || len(got.Warnings) != 1 || got.Digest == "" {
		t.Errorf("%+v %v", got, err)
	}
	if _, err := d.Result([]byte("Downloading...\n"), nil); err == nil || !strings.HasPrefix(err.Error(), "output of plugin cue: ") {
		t.Errorf("%v", err)
	}
}
