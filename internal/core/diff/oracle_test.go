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
				if strings.HasPrefix(got, "= ") || strings.HasPrefix(got, "@ ") {
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
			if missed := disagreement(server, change); missed != "" {
				t.Errorf("%s%s\nserver: %s\nlocal: %s", archive.Comment, missed, say(server, nil), got)
			}
		})
	}
}

// disagreement compares the verdicts. Every field that Compute names must be
// one the server changed, and the other way round but for derived ones.
func disagreement(server, local Change) string {
	if server.Kind != local.Kind {
		return cmp.Diff(string(server.Kind), string(local.Kind))
	}
	for _, f := range local.Fields {
		if !slices.ContainsFunc(server.Fields, func(s Field) bool { return s.Path == f.Path }) {
			return "the server does not change " + f.Path
		}
	}
	for _, s := range server.Fields {
		if !slices.ContainsFunc(local.Fields, func(f Field) bool { return s.Path == f.Path }) && !derived[s.Path] {
			return "we do not say that the server changes " + s.Path
		}
	}
	return ""
}

// derived are the fields that no one declares and that follow from a change of
// another field; Compute does not list them.
var derived = map[string]bool{
	`metadata.annotations["deprecated.daemonset.template.generation"]`: true, // counts changes of the template
	"spec.externalTrafficPolicy":                                       true, // gone with the type NodePort
	"spec.healthCheckNodePort":                                         true, // gone with the traffic policy Local
	"spec.ports[port=80,protocol=TCP].nodePort":                        true, // gone with the type NodePort
	"spec.strategy.rollingUpdate":                                      true, // comes with the type RollingUpdate
	"spec.template.spec.serviceAccount":                                true, // the old name of serviceAccountName
	"spec.updateStrategy.rollingUpdate":                                true, // comes with the type RollingUpdate
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
