package source_test

import (
	"errors"
	"io/fs"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/plumbline-dev/plumbline/internal/core/source"
)

func treeOf(id string, files map[string]string) source.Tree {
	m := fstest.MapFS{}
	for name, text := range files {
		m[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return source.FromFS(m, source.Revision{ID: id})
}

// Mounted trees are read below their names, in nobody's way.
func TestMounted(t *testing.T) {
	tree := source.Mounted(
		treeOf("a", map[string]string{"chart/Chart.yaml": "own", "$other/x": "own, with a dollar", "$values/hidden": "no"}),
		map[string]source.Tree{"values": treeOf("b", map[string]string{"env/prod.yaml": "lent"})},
	)
	for name, want := range map[string]string{
		"chart/Chart.yaml":      "own",
		"$values/env/prod.yaml": "lent",
		"$other/x":              "own, with a dollar",
		"$values/hidden":        "", // the mount hides it
		"env/prod.yaml":         "",
		"chart/$values/x":       "",
	} {
		text, err := tree.ReadFile(name)
		if string(text) != want || (err == nil) != (want != "") || (err != nil && !errors.Is(err, fs.ErrNotExist)) {
			t.Errorf("%s: %q, %v, want %q", name, text, err, want)
		}
	}
	entries, err := tree.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if d := cmp.Diff([]string{"$other", "$values", "chart"}, names); d != "" {
		t.Errorf("the root lists what is its own, -want +got:\n%s", d)
	}
	for name, want := range map[string]string{"$values": "$values", "$values/env": "$values/env", "chart": "chart", ".": "."} {
		if got, err := tree.Resolve(name); err != nil || got != want {
			t.Errorf("Resolve(%s) = %s, %v, want %s", name, got, err, want)
		}
	}
	if info, err := tree.Stat("$values/env"); err != nil || !info.IsDir() {
		t.Errorf("Stat: %v, %v", info, err)
	}
	if tree.Revision().ID != "a" {
		t.Errorf("revision %s", tree.Revision())
	}
}

// What is mounted is part of the identity of the root, and of nothing else.
func TestMountedIdentity(t *testing.T) {
	files := map[string]string{"chart/Chart.yaml": "own"}
	ids := func(lent string) (root, chart string) {
		tree := source.Mounted(treeOf("a", files), map[string]source.Tree{"values": treeOf("b", map[string]string{"prod.yaml": lent})})
		root, err := tree.ID(".")
		if err != nil {
			t.Fatal(err)
		}
		chart, err = tree.ID("chart")
		if err != nil {
			t.Fatal(err)
		}
		return root, chart
	}
	rootA, chartA := ids("1")
	rootB, chartB := ids("2")
	rootC, _ := ids("1")
	if rootA == rootB || rootA != rootC {
		t.Errorf("root: %s, %s, %s: want another for other files, and the same for the same", rootA, rootB, rootC)
	}
	if chartA != chartB {
		t.Errorf("chart: %s, %s: want the same", chartA, chartB)
	}
	plain := treeOf("a", files)
	if source.Mounted(plain, nil) != plain {
		t.Error("without mounts it is the tree itself")
	}
}

// A footprint notices a change of a mounted file that was read, and no other.
func TestMountedFootprint(t *testing.T) {
	build := func(prod, test string) source.Tree {
		lent := treeOf("b", map[string]string{"prod.yaml": prod, "test.yaml": test})
		return source.Mounted(treeOf("a", map[string]string{"chart/Chart.yaml": "own"}), map[string]source.Tree{"values": lent})
	}
	recorder := source.Record(build("1", "1"), "chart")
	if _, err := recorder.ReadFile("$values/prod.yaml"); err != nil {
		t.Fatal(err)
	}
	footprint := recorder.Footprint()
	if !footprint.Holds(build("1", "2")) {
		t.Error("a file that was not read changed, and the footprint does not hold any more")
	}
	if footprint.Holds(build("2", "1")) {
		t.Error("a file that was read changed, and the footprint still holds")
	}
}

func TestRevisionText(t *testing.T) {
	for want, r := range map[string]source.Revision{
		"main@1111111":        {Name: "main", ID: "1111111111111111111111111111111111111111"},
		"1.10.0-rc.1":         {ID: "1.10.0-rc.1"},
		"v1@sha256:2222222":   {Name: "v1", ID: "sha256:2222222222222222222222222222222222222222222222222222222222222222"},
		"workdir":             {ID: "workdir"},
		"1.10.0,main@1111111": {Name: ",main", ID: "1.10.0,1111111111111111111111111111111111111111"},
	} {
		if got := r.String(); got != want {
			t.Errorf("%+v: %s, want %s", r, got, want)
		}
	}
}

func TestJoin(t *testing.T) {
	a, b := source.Revision{Name: "main", ID: "111"}, source.Revision{Name: "v1,5", ID: "222"}
	for name, test := range map[string]struct {
		parts []source.Revision
		want  source.Revision
		back  []source.Revision
	}{
		"one":     {[]source.Revision{b}, b, []source.Revision{b}},
		"two":     {[]source.Revision{a, b}, source.Revision{Name: "main,v1_5", ID: "111,222"}, []source.Revision{a, {Name: "v1_5", ID: "222"}}},
		"unnamed": {[]source.Revision{{ID: "1"}, {ID: "2"}}, source.Revision{ID: "1,2"}, []source.Revision{{ID: "1"}, {ID: "2"}}},
		"unknown": {[]source.Revision{{ID: "1"}, {}}, source.Revision{ID: "1,"}, []source.Revision{{ID: "1"}, {}}},
	} {
		t.Run(name, func(t *testing.T) {
			got := source.Join(test.parts)
			if got != test.want {
				t.Errorf("Join: %+v, want %+v", got, test.want)
			}
			if name == "two" && got.String() != "main@111,v1_5@222" {
				t.Errorf("String: %s", got)
			}
			back, ok := got.Parts(len(test.parts))
			if d := cmp.Diff(test.back, back); d != "" || !ok {
				t.Errorf("Parts: %v, -want +got:\n%s", ok, d)
			}
			if _, ok := got.Parts(len(test.parts) + 1); ok {
				t.Error("it is said to have one part more")
			}
		})
	}
}

func TestFromFiles(t *testing.T) {
	tree := source.FromFiles(map[string][]byte{
		"a/b/c.yaml": []byte("c"), "a/d.yaml": []byte("d"), "e": []byte("e"),
		"../out": []byte("x"), "/abs": []byte("x"), "e/below": []byte("x"),
	}, source.Revision{ID: "1"})
	var names []string
	err := fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
		if d.IsDir() {
			name += "/"
		}
		names = append(names, name)
		return err
	})
	if d := cmp.Diff([]string{"./", "a/", "a/b/", "a/b/c.yaml", "a/d.yaml", "e"}, names); d != "" || err != nil {
		t.Errorf("%v, -want +got:\n%s", err, d)
	}
	same := treeOf("1", map[string]string{"a/b/c.yaml": "c", "a/d.yaml": "d", "e": "e"})
	for _, name := range []string{".", "a", "a/b/c.yaml"} {
		got, errGot := tree.ID(name)
		want, errWant := same.ID(name)
		if got != want || errGot != nil || errWant != nil {
			t.Errorf("ID(%s) = %s, %v, want %s, %v", name, got, errGot, want, errWant)
		}
	}
	if _, err := tree.ReadFile("a/x"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
}
