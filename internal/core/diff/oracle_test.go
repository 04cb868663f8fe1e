package diff

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	core "github.com/plumbline-dev/plumbline/internal/core/schema"
)

// TestOracle replays what a real API server answered. An archive of
// testdata/oracle holds, beside what TestRules knows, the recorded live.yaml and
// in result.yaml the object that a dry-run apply of desired.yaml returned, or in
// refused the server's words. Compute must reach the same verdict and name the
// same fields, or say that it cannot tell.
//
// Record with PLUMBLINE_ORACLE_KUBECONFIG: see TestRecord.
func TestOracle(t *testing.T) {
	files, err := filepath.Glob("testdata/oracle/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no recordings: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			in := readCase(t, archive)
			change, err := Compute(in)
			got := say(change, err)
			compareWant(t, file, archive, got)
			if refused := section(archive, "refused"); refused != nil {
				if !strings.HasPrefix(got, "error: ") {
					t.Errorf("the server refused: %s\nbut we say: %s", refused, got)
				}
				return
			}
			if strings.HasPrefix(got, "undecided: ") {
				return
			}
			server, err := FromDryRun(in, decode(t, section(archive, "result.yaml")))
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(verdict(server), verdict(change)); d != "" {
				t.Errorf("%s-server +local:\n%s\nserver: %s\nlocal: %s", archive.Comment, d, say(server, nil), got)
			}
		})
	}
}

// verdict is the part of a change in which server and Compute must agree: what
// kind it is, and which fields. Defaults that the server adds to new items, and
// fields that it derives from others, differ in detail.
func verdict(c Change) []string {
	out := []string{string(c.Kind)}
	for _, f := range c.Fields {
		out = append(out, f.Path)
	}
	return slices.Compact(out)
}

func section(archive *txtar.Archive, name string) []byte {
	for _, f := range archive.Files {
		if f.Name == name {
			return f.Data
		}
	}
	return nil
}

// TestOracleDryRun says of the recorded answers what a user would read.
func TestOracleDryRun(t *testing.T) {
	files, err := filepath.Glob("testdata/oracle/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		result := section(archive, "result.yaml")
		if result == nil {
			continue
		}
		in := readCase(t, archive)
		if _, err := FromDryRun(in, decode(t, result)); err != nil {
			t.Errorf("%s: %v", file, err)
		}
		in.Schemas = &core.Set{}
		if _, err := FromDryRun(in, decode(t, result)); err != nil {
			t.Errorf("%s, without schemas: %v", file, err)
		}
	}
}

func readArchive(t *testing.T, file string) *txtar.Archive {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return txtar.Parse(raw)
}
