package diff

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"
)

// TestAgainstServer applies the desired objects of the recordings to the API
// server of PLUMBLINE_ORACLE_KUBECONFIG, changes them at random and asks server
// and Compute alike. The server must be disposable.
func TestAgainstServer(t *testing.T) {
	kubeconfig := os.Getenv("PLUMBLINE_ORACLE_KUBECONFIG")
	if kubeconfig == "" {
		t.Skip("PLUMBLINE_ORACLE_KUBECONFIG is not set")
	}
	s := connect(t, kubeconfig)
	namespace := fmt.Sprintf("random-%d", time.Now().UnixNano())
	s.apply(t, namespaceOf(namespace), "setup", "")
	defer s.do(t, "DELETE", "/api/v1/namespaces/"+namespace, "", nil)
	files, err := filepath.Glob("testdata/oracle/*_same.txtar")
	if err != nil {
		t.Fatal(err)
	}
	tally := map[string]int{}
	for _, file := range files {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		in := readCase(t, archive)
		if section(archive, "schema.json") != nil || in.Desired.GetKind() == "Pod" {
			continue
		}
		s.mutate(t, shopTo(in, namespace), filepath.Base(file), tally)
	}
	t.Log(tally)
}

func shopTo(in Input, namespace string) Input {
	in.Desired = shop(in.Desired.DeepCopy(), namespace)
	in.Desired.SetName("random-" + in.Desired.GetName())
	if in.Desired.GetKind() == "CustomResourceDefinition" || in.Desired.GetKind() == "APIService" {
		in.Desired.SetName(in.Desired.GetName()[len("random-"):])
	}
	return in
}

func (s *server) mutate(t *testing.T, in Input, name string, tally map[string]int) {
	s.apply(t, in.Desired, in.Manager, "")
	path := s.path(t, in.Desired)
	_, raw := s.do(t, "GET", path, "", nil)
	in.Live = decode(t, raw)
	defer s.do(t, "DELETE", path, "", nil)
	base := in.Desired
	for seed := range uint64(100) {
		random := rand.New(rand.NewPCG(seed, 7))
		in.Desired = base.DeepCopy()
		for range 1 + random.IntN(2) {
			alter(random, in.Desired.Object, 0)
		}
		change, err := Compute(in)
		got := say(change, err)
		code, answer := s.do(t, "PATCH", path+"?dryRun=All&force=true&fieldManager="+in.Manager, "application/apply-patch+yaml", in.Desired)
		var undecided *UndecidedError
		switch {
		case code == http.StatusCreated: // a definition of the same name is still being deleted
			tally["gone"]++
		case code != http.StatusOK:
			tally["refused"]++
			if err == nil && (change.Kind == None || change.Kind == Adopt) {
				t.Logf("%s %d: refused with %s\nlocal: %s", name, seed, answer, got)
				tally["refused, and not foreseen"]++
			}
		case errors.As(err, &undecided):
			tally["undecided"]++
			t.Log(name, got)
		case err != nil:
			tally["wrong"]++
			t.Errorf("%s %d: accepted, local: %s", name, seed, got)
		default:
			server, err := FromDryRun(in, decode(t, answer))
			if err != nil {
				t.Fatal(err)
			}
			missed := disagreement(server, change)
			if missed == "" {
				tally["agreed"]++
				continue
			}
			if server.Kind == change.Kind {
				tally["agreed but for fields"]++
				t.Logf("%s %d: %s\nserver: %s\nlocal: %s", name, seed, missed, say(server, nil), got)
				continue
			}
			tally["wrong"]++
			t.Errorf("%s %d: %s\nserver: %s\nlocal: %s", name, seed, missed, say(server, nil), got)
		}
	}
}

// alter changes one thing somewhere below v.
func alter(random *rand.Rand, v any, depth int) {
	switch v := v.(type) {
	case map[string]any:
		names := slices.Sorted(maps.Keys(v))
		if depth == 0 {
			names = slices.DeleteFunc(names, func(n string) bool { return n == "apiVersion" || n == "kind" || n == "metadata" })
		}
		if len(names) == 0 {
			return
		}
		name := names[random.IntN(len(names))]
		if depth > 0 && random.IntN(6) == 0 {
			delete(v, name)
			return
		}
		if next, ok := other(random, v[name]); ok {
			v[name] = next
			return
		}
		alter(random, v[name], depth+1)
	case []any:
		if len(v) == 0 {
			return
		}
		if len(v) > 1 && random.IntN(3) == 0 {
			slices.Reverse(v)
			return
		}
		i := random.IntN(len(v))
		if next, ok := other(random, v[i]); ok {
			v[i] = next
			return
		}
		alter(random, v[i], depth+1)
	}
}

// other returns another scalar of the same kind.
func other(random *rand.Rand, v any) (any, bool) {
	switch v := v.(type) {
	case string:
		return []any{v, v + "x", "", nil}[random.IntN(4)], true
	case bool:
		return []any{!v, v, nil}[random.IntN(3)], true
	case int64:
		return []any{v + 1, v, int64(0), nil}[random.IntN(4)], true
	}
	return v, false
}
