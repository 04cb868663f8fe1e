package kustomize

import (
	"encoding/json"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"

	"github.com/plumbline-dev/plumbline/internal/core/object"
	"github.com/plumbline-dev/plumbline/internal/core/render"
	"github.com/plumbline-dev/plumbline/internal/core/source"
)

type noNetwork struct{}

func (noNetwork) RoundTrip(r *http.Request) (*http.Response, error) {
	panic("a build went to the network: " + r.URL.String())
}

func TestMain(m *testing.M) {
	http.DefaultTransport = noNetwork{}
	os.Setenv("PATH", "") // git must not be found
	os.Exit(m.Run())
}

var testRevision = source.Revision{Name: "main", ID: "4f1c2ab4f1c2ab4f1c2ab4f1c2ab4f1c2ab4f1c2"}

func treeOf(files []txtar.File) source.Tree {
	m := fstest.MapFS{}
	for _, f := range files {
		if target, isLink := strings.CutPrefix(string(f.Data), "-> "); isLink {
			m[f.Name] = &fstest.MapFile{Data: []byte(strings.TrimSpace(target)), Mode: fs.ModeSymlink | 0o777}
			continue
		}
		m[f.Name] = &fstest.MapFile{Data: f.Data, Mode: 0o644}
	}
	return source.FromFS(m, testRevision)
}

func archive(t testing.TB, name string) *txtar.Archive {
	t.Helper()
	a, err := txtar.ParseFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// field returns the words after "name:" in an archive's comment.
func field(a *txtar.Archive, name string) []string {
	for line := range strings.Lines(string(a.Comment)) {
		if rest, ok := strings.CutPrefix(line, name+":"); ok {
			return strings.Fields(rest)
		}
	}
	return nil
}

// onDisk builds with the library's own file system, prints, and reads the text.
func onDisk(t testing.TB, files []txtar.File, dir string) []map[string]any {
	t.Helper()
	root := t.TempDir()
	for _, f := range files {
		name := filepath.Join(root, f.Name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, f.Data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	opts := krusty.MakeDefaultOptions()
	opts.Reorder = krusty.ReorderOptionUnspecified
	m, err := krusty.MakeKustomizer(opts).Run(filesys.MakeFsOnDisk(), filepath.Join(root, dir))
	if err != nil {
		t.Fatalf("on disk: %v", err)
	}
	text, err := m.AsYaml()
	if err != nil {
		t.Fatal(err)
	}
	manifests, err := object.Decode("out.yaml", text)
	if err != nil {
		t.Fatalf("on disk: %v", err)
	}
	return contents(manifests)
}

func contents(manifests []object.Manifest) []map[string]any {
	var out []map[string]any
	for _, m := range manifests {
		out = append(out, m.Object.Object)
	}
	return out
}

// What we build from a tree equals what the library builds on a disk.
func TestBuildEqualsDisk(t *testing.T) {
	names, err := filepath.Glob("testdata/build/*.txtar")
	if err != nil || len(names) < 5 {
		t.Fatalf("%d archives, %v", len(names), err)
	}
	for _, name := range names {
		a := archive(t, name)
		for _, dir := range field(a, "build") {
			t.Run(filepath.Base(name)+"/"+dir, func(t *testing.T) {
				got, err := Renderer{}.Render(t.Context(), render.Request{Path: dir}, treeOf(a.Files))
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(onDisk(t, a.Files, dir), contents(got.Manifests)); diff != "" {
					t.Errorf("%s (-disk +tree):\n%s", a.Comment, diff)
				}
				if got.Digest == "" || got.Tool != render.Kustomize || got.Impure != "" {
					t.Errorf("result %+v", got)
				}
			})
		}
	}
}

// A custom schema changes its own build only, however many run at once.
func TestOwnSchemaDoesNotLeak(t *testing.T) {
	a := archive(t, "testdata/openapi.txtar")
	tree := treeOf(a.Files)
	render1 := func(dir string) string {
		got, err := Renderer{}.Render(t.Context(), render.Request{Path: dir}, tree)
		if err != nil {
			t.Error(err)
			return ""
		}
		text, _ := json.Marshal(contents(got.Manifests))
		return string(text)
	}
	plain, own := render1("plain"), render1("own")
	if plain == own {
		t.Fatal("the schema changes nothing, so this test shows nothing")
	}
	if !(Renderer{}).Tainted() {
		t.Error("the process does not know that it is tainted")
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 5 {
				if got := render1("plain"); got != plain {
					t.Errorf("plain build changed: %s", got)
				}
				if got := render1("own"); got != own {
					t.Errorf("own build changed: %s", got)
				}
			}
		})
	}
	wg.Wait()
}

func TestRefusals(t *testing.T) {
	names, err := filepath.Glob("testdata/refuse/*.txtar")
	if err != nil || len(names) == 0 {
		t.Fatal(err)
	}
	for _, name := range names {
		a := archive(t, name)
		t.Run(filepath.Base(name), func(t *testing.T) {
			i := slices.IndexFunc(a.Files, func(f txtar.File) bool { return f.Name == "error" })
			want := strings.TrimSpace(string(a.Files[i].Data))
			dir := "app"
			if at := field(a, "build"); at != nil {
				dir = at[0]
			}
			_, err := Renderer{}.Render(t.Context(), render.Request{Path: dir}, treeOf(slices.Delete(slices.Clone(a.Files), i, i+1)))
			if err == nil {
				t.Fatalf("%s: built", a.Comment)
			}
			if diff := cmp.Diff(want, err.Error()); diff != "" {
				t.Errorf("%s:\n%s", a.Comment, diff)
			}
		})
	}
}

func BenchmarkBuild(b *testing.B) {
	a := archive(b, "testdata/build/infrastructure.txtar")
	tree := treeOf(a.Files)
	for b.Loop() {
		if _, err := (Renderer{}).Render(b.Context(), render.Request{Path: "apps/web-app/overlays/production"}, tree); err != nil {
			b.Fatal(err)
		}
	}
}
