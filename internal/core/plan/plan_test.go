package plan_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/plumbline-dev/plumbline/internal/core/app"
	"github.com/plumbline-dev/plumbline/internal/core/object"
	"github.com/plumbline-dev/plumbline/internal/core/plan"
)

var update = flag.Bool("update", false, "rewrite the expected plans")

// Every file in testdata is one rule. Its first line is the reason, the lines
// after it are options of the plan. "items" and "leftovers" hold one object per
// line, group/Kind, namespace/name and key=value pairs; "want" is the plan.
func TestRules(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			ar, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			reason, _, _ := strings.Cut(string(ar.Comment), "\n")
			in, want := parse(t, ar)
			got := text(plan.Build(in))
			if d := cmp.Diff(string(want.Data), got); d != "" && !*update {
				t.Errorf("%s (-want +got):\n%s", reason, d)
			}
			if *update {
				want.Data = []byte(got)
				if err := os.WriteFile(file, txtar.Format(ar), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			permutations(t, in, got)
		})
	}
}

// permutations checks that the order of the input does not matter.
func permutations(t *testing.T, in plan.Input, want string) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 20 {
		random.Shuffle(len(in.Items), func(i, j int) { in.Items[i], in.Items[j] = in.Items[j], in.Items[i] })
		random.Shuffle(len(in.Leftovers), func(i, j int) { in.Leftovers[i], in.Leftovers[j] = in.Leftovers[j], in.Leftovers[i] })
		if got := text(plan.Build(in)); got != want && !strings.HasPrefix(want, "error: ") {
			t.Fatalf("another order of the input gives another plan:\n%s", cmp.Diff(want, got))
		}
	}
}

func text(p plan.Plan, err error) string {
	if err != nil {
		return "error: " + err.Error() + "\n"
	}
	var b strings.Builder
	for _, w := range p.Waves {
		for _, key := range w.After {
			fmt.Fprintf(&b, "%3d  wait for %s\n", w.Number, key)
		}
		for _, key := range w.Leaving {
			fmt.Fprintf(&b, "%3d  until %s is gone\n", w.Number, key)
		}
		for _, key := range w.Broken {
			fmt.Fprintf(&b, "%3d  stopped by %s\n", w.Number, key)
		}
		b.WriteString(plan.Plan{Waves: []plan.Wave{w}}.String())
	}
	if p.Idle() {
		b.WriteString("idle\n")
	}
	return b.String()
}

func parse(t *testing.T, ar *txtar.Archive) (plan.Input, *txtar.File) {
	t.Helper()
	in := plan.Input{Order: plan.ByWave, Prune: true}
	_, options, _ := strings.Cut(string(ar.Comment), "\n")
	for _, option := range strings.Fields(options) {
		name, value, _ := strings.Cut(option, "=")
		switch name {
		case "order":
			in.Order = plan.Order(value)
		case "prune":
			in.Prune = value == "true"
		case "prune-last":
			in.PruneLast = true
		case "adopt":
			in.Adopt = true
		case "only":
			key := keyOf(t, value, "")
			in.Only = append(in.Only, app.Selector{Group: key.Group, Kind: key.Kind, Name: key.Name, Namespace: key.Namespace})
		default:
			t.Fatalf("unknown option %q", option)
		}
	}
	var want *txtar.File
	for i := range ar.Files {
		f := &ar.Files[i]
		for n, line := range strings.Split(strings.TrimSpace(string(f.Data)), "\n") {
			fields := strings.Fields(line)
			switch {
			case f.Name == "want":
				want = f
			case len(fields) == 0:
			case f.Name == "items":
				in.Items = append(in.Items, item(t, n, fields))
			case f.Name == "leftovers":
				in.Leftovers = append(in.Leftovers, leftover(t, fields))
			}
		}
	}
	return in, want
}

func keyOf(t testing.TB, kind, name string) object.Key {
	t.Helper()
	if name == "" { // Kind.group:namespace/name
		kind, name, _ = strings.Cut(kind, ":")
	}
	key := object.Key{Name: name}
	key.Kind, key.Group, _ = strings.Cut(kind, ".")
	if ns, rest, ok := strings.Cut(name, "/"); ok {
		key.Namespace, key.Name = ns, rest
	}
	return key
}

func item(t testing.TB, line int, fields []string) plan.Item {
	t.Helper()
	key := keyOf(t, fields[0], fields[1])
	obj := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": key.Kind}}
	if key.Group != "" {
		obj.SetAPIVersion(key.Group + "/v1")
	}
	obj.SetName(key.Name)
	obj.SetNamespace(key.Namespace)
	it := plan.Item{
		Manifest: object.Manifest{Object: obj, Origin: object.Origin{File: fmt.Sprintf("line-%d.yaml", line+1)}},
		Standing: plan.Missing,
	}
	for _, pair := range fields[2:] {
		name, value, _ := strings.Cut(pair, "=")
		switch name {
		case "wave":
			it.Wave = number(t, value)
		case "standing":
			it.Standing, it.Why = plan.Standing(value), "why"
		case "settled":
			it.Settled = plan.Settled(value)
		case "phase":
			it.Phase = app.SyncPhase(value)
		case "hook":
			it.Hook = &plan.Hook{UID: value}
		case "aside":
			it.Aside = true
		case "replace":
			it.Replace = true
		case "defines":
			kind, group, _ := strings.Cut(value, ".")
			obj.Object["spec"] = map[string]any{"group": group, "names": map[string]any{"kind": kind}}
		default:
			t.Fatalf("unknown field %q", pair)
		}
	}
	return it
}

func leftover(t testing.TB, fields []string) plan.Leftover {
	t.Helper()
	left := plan.Leftover{Entry: object.Entry{Key: keyOf(t, fields[0], fields[1]), Version: "v1"}, UID: "uid"}
	for _, pair := range fields[2:] {
		name, value, _ := strings.Cut(pair, "=")
		switch name {
		case "wave":
			left.Wave = number(t, value)
		case "last":
			left.Last = true
		case "held":
			left.Held = value
		case "going":
			left.Going = true
		default:
			t.Fatalf("unknown field %q", pair)
		}
	}
	return left
}

func number(t testing.TB, text string) int {
	t.Helper()
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// Build keeps what it was given as it was, and equal inputs give equal bytes.
func TestBuildLeavesItsInput(t *testing.T) {
	make := func() plan.Input {
		return plan.Input{
			Order: plan.ByWave, Prune: true, PruneLast: true,
			Items:     []plan.Item{item(t, 0, []string{"Namespace", "shop", "wave=5"}), item(t, 1, []string{"ConfigMap", "shop/a", "wave=1"})},
			Leftovers: []plan.Leftover{leftover(t, []string{"Secret", "shop/x", "wave=2"}), leftover(t, []string{"Secret", "shop/y"})},
		}
	}
	in, same := make(), make()
	first, err := plan.Build(in)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(same, in); d != "" {
		t.Errorf("the input was changed (-want +got):\n%s", d)
	}
	second, _ := plan.Build(make())
	one, _ := json.Marshal(first)
	two, _ := json.Marshal(second)
	if !bytes.Equal(one, two) {
		t.Errorf("equal inputs give %s and %s", one, two)
	}
}

func TestDuplicate(t *testing.T) {
	items := []plan.Item{item(t, 0, []string{"ConfigMap", "shop/a"}), item(t, 1, []string{"ConfigMap", "shop/a"})}
	_, err := plan.Build(plan.Input{Order: plan.ByStage, Items: items})
	var twice *plan.DuplicateError
	if !errors.As(err, &twice) {
		t.Fatalf("got %v", err)
	}
	want := &plan.DuplicateError{Key: object.Key{Kind: "ConfigMap", Namespace: "shop", Name: "a"}, Files: [2]string{"line-1.yaml", "line-2.yaml"}}
	if d := cmp.Diff(want, twice); d != "" {
		t.Error(d)
	}
}
