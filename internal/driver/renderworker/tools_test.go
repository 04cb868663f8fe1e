package renderworker

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/plumbline-dev/plumbline/internal/core/render"
	"github.com/plumbline-dev/plumbline/internal/core/source"
	"github.com/plumbline-dev/plumbline/internal/driver/helm"
	"github.com/plumbline-dev/plumbline/internal/driver/kustomize"
)

// The real tools, in and out of a worker. They are siblings of this package and
// known to its tests only.
var inProcess = render.Tools{render.Kustomize: kustomize.Renderer{}, render.Helm: helm.Renderer{}}

func archiveFS(t testing.TB, name string) fstest.MapFS {
	t.Helper()
	a, err := txtar.ParseFile(name)
	if err != nil {
		t.Fatal(err)
	}
	m := fstest.MapFS{}
	for _, f := range a.Files {
		m[f.Name] = &fstest.MapFile{Data: f.Data}
	}
	return m
}

func at(m fstest.MapFS, id string) source.Tree { return source.FromFS(m, source.Revision{ID: id}) }

var samples = map[string]struct {
	archive string
	req     render.Request
}{
	"Kustomize": {"../kustomize/testdata/build/infrastructure.txtar", render.Request{Path: "apps/web-app/overlays/production"}},
	"Helm":      {"../helm/testdata/full.txtar", render.Request{Path: "charts/web", Namespace: "prod", KubeVersion: "v1.37.2", APIVersions: []string{"apps/v1"}}},
}

func TestToolsInWorkers(t *testing.T) {
	p := pool(t, Options{Workers: 1})
	for name, s := range samples {
		tree := at(archiveFS(t, s.archive), "1")
		want, err := inProcess.Render(t.Context(), s.req, tree)
		if err != nil {
			t.Fatal(err)
		}
		got, err := p.Render(t.Context(), s.req, tree)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%s: %v\n%s", name, err, diff)
		}
	}
	if s := p.Stats(); s.Started != 1 {
		t.Errorf("one worker does for all tools: %+v", s)
	}
}

// A build with a schema of its own ends its worker.
func TestOwnSchemaEndsWorker(t *testing.T) {
	p := pool(t, Options{Workers: 1})
	tree := at(archiveFS(t, "../kustomize/testdata/openapi.txtar"), "1")
	digests := map[string]string{}
	for _, dir := range []string{"plain", "own", "plain", "own"} {
		res, err := p.Render(t.Context(), render.Request{Path: dir}, tree)
		if err != nil {
			t.Fatal(err)
		}
		if before, has := digests[dir]; has && before != res.Digest {
			t.Errorf("%s changed", dir)
		}
		digests[dir] = res.Digest
	}
	if digests["plain"] == digests["own"] {
		t.Error("the schema changes nothing, so this test shows nothing")
	}
	if s := p.Stats(); s.Retired != 2 || s.Started != 2 {
		t.Errorf("stats %+v", s)
	}
}

func chartWith(template string) fstest.MapFS {
	return fstest.MapFS{
		"c/Chart.yaml":       {Data: []byte("apiVersion: v2\nname: c\nversion: 1.0.0\n")},
		"c/templates/a.yaml": {Data: []byte(template)},
	}
}

func TestHostileTemplates(t *testing.T) {
	cases := map[string]struct{ template, want string }{
		"Endless": {`{{ range until 1000 }}{{ range until 1000 }}{{ range until 1000 }}{{ range until 1000 }}{{ end }}{{ end }}{{ end }}{{ end }}`, `render stopped after 3s: Helm of path "c"`},
		"Memory":  {`{{ $x := repeat 4000000000 "x" }}{{ len $x }}`, `render used more than 256 MiB: Helm of path "c"`},
		"Growth":  {`{{ $l := list }}{{ range until 1000 }}{{ $l = append $l (repeat 1000000 "xyz") }}{{ end }}`, `render used more than 256 MiB: Helm of path "c"`},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			opts := Options{Workers: 1, MemoryLimit: 256 << 20}
			if name == "Endless" {
				opts.Timeout = 3 * time.Second
			}
			p := pool(t, opts)
			_, err := p.Render(t.Context(), render.Request{Path: "c"}, at(chartWith(tc.template), "1"))
			if _, ok := errors.AsType[*render.StoppedError](err); !ok || err.Error() != tc.want {
				t.Errorf("got %v, want %s", err, tc.want)
			}
			if _, err := p.Render(t.Context(), render.Request{Path: "c"}, at(chartWith(""), "1")); err != nil {
				t.Errorf("the next render: %v", err)
			}
		})
	}
}

// Through workers too, a commit renders what it touches: one overlay of many, or
// those of the base that it changes.
func TestMemoThroughWorkers(t *testing.T) {
	const apps = 40
	m := fstest.MapFS{}
	put := func(name, text string) { m[name] = &fstest.MapFile{Data: []byte(text)} }
	for _, base := range []string{"one", "two"} {
		put("bases/"+base+"/kustomization.yaml", "resources: [cm.yaml]\n")
		put("bases/"+base+"/cm.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: "+base+"}\n")
	}
	for i := range apps {
		base := []string{"one", "two"}[i%2]
		put(fmt.Sprintf("apps/a%02d/kustomization.yaml", i), fmt.Sprintf("namePrefix: a%02d-\nresources: [../../bases/%s]\n", i, base))
	}
	p := pool(t, Options{})
	memo := render.NewMemo(render.MemoOptions{})
	misses := int64(0)
	steps := []struct {
		reason, name, text string
		want               int64
	}{
		{"the first revision", "README.md", "x", apps},
		{"an unrelated file", "README.md", "y", 0},
		{"one overlay", "apps/a07/kustomization.yaml", "namePrefix: new-\nresources: [../../bases/two]\n", 1},
		{"a base", "bases/one/cm.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: one}\ndata: {a: b}\n", apps / 2},
		{"a file that kustomize looked for and did not find", "bases/two/kustomization.yml", "resources: []\n", apps / 2},
	}
	for i, step := range steps {
		put(step.name, step.text)
		tree := at(m, fmt.Sprint(i))
		for app := range apps {
			_, _, err := memo.Render(t.Context(), render.Request{Path: fmt.Sprintf("apps/a%02d", app)}, tree, p)
			if err != nil && !strings.Contains(err.Error(), "Found multiple kustomization files") {
				t.Fatalf("%s: %v", step.reason, err)
			}
		}
		now := memo.Stats().Misses
		if now-misses != step.want {
			t.Errorf("%s: %d renders, want %d", step.reason, now-misses, step.want)
		}
		misses = now
	}
}

func BenchmarkTools(b *testing.B) {
	p := pool(b, Options{})
	for name, s := range samples {
		tree := at(archiveFS(b, s.archive), "1")
		for where, r := range map[string]render.Renderer{"InProcess": inProcess, "Worker": p} {
			b.Run(name+"/"+where, func(b *testing.B) {
				for b.Loop() {
					if _, err := r.Render(b.Context(), s.req, tree); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
