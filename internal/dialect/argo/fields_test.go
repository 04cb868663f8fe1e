package argo_test

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plumbline-dev/plumbline/api/argoproj/v1alpha1"
)

const root = "../../.."

// fieldRow is a line of docs/argocd-fields.md.
type fieldRow struct{ name, state, note, proof string }

var rowPattern = regexp.MustCompile("^\\| `([^`]+)` \\| ([^|]*) \\| (.*) \\| (?:`([^`]+)`)? *\\|$")

// fieldTables reads the tables of docs/argocd-fields.md by their headings.
func fieldTables(t *testing.T) map[string][]fieldRow {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "docs/argocd-fields.md"))
	if err != nil {
		t.Fatal(err)
	}
	tables, heading := map[string][]fieldRow{}, ""
	for line := range strings.Lines(string(text)) {
		line = strings.TrimRight(line, "\n")
		if rest, ok := strings.CutPrefix(line, "## "); ok {
			heading = rest
		}
		if !strings.HasPrefix(line, "| `") {
			continue
		}
		m := rowPattern.FindStringSubmatch(line)
		if m == nil {
			t.Errorf("no row: %s", line)
			continue
		}
		tables[heading] = append(tables[heading], fieldRow{m[1], m[2], m[3], m[4]})
	}
	return tables
}

// Every row says what it has to, and names a test that is there.
func TestFieldRows(t *testing.T) {
	tables := fieldTables(t)
	if len(tables) != 10 {
		t.Errorf("%d tables", len(tables))
	}
	for heading, rows := range tables {
		seen := map[string]bool{}
		for _, row := range rows {
			if seen[row.name] {
				t.Errorf("%s: %s is there twice", heading, row.name)
			}
			seen[row.name] = true
			switch row.state {
			case "works":
			case "differs", "not":
				if row.note == "" {
					t.Errorf("%s: %s %s, and does not say how or why", heading, row.name, row.state)
				}
			default:
				t.Errorf("%s: %s is %q, want works, differs or not", heading, row.name, row.state)
			}
			if row.proof == "" {
				continue
			}
			if _, err := os.Stat(filepath.Join(root, row.proof)); err != nil {
				t.Errorf("%s: %s: %v", heading, row.name, err)
			}
		}
	}
}

// fieldsOf lists the fields of a type by their JSON paths. What is a source in its
// own right is listed by itself.
func fieldsOf(t reflect.Type, path string) []string {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() == reflect.Slice && t.Elem().Kind() != reflect.Uint8 {
		if t.Elem() == reflect.TypeFor[v1alpha1.Source]() {
			return []string{path}
		}
		return fieldsOf(t.Elem(), path+"[]")
	}
	whole := []reflect.Type{reflect.TypeFor[v1alpha1.Source](), reflect.TypeFor[v1alpha1.SourceHydrator]()}
	if strings.Contains(path, ".") && slices.Contains(whole, t) || t.Kind() != reflect.Struct || !strings.Contains(t.PkgPath(), "/api/") || !strings.Contains(t.PkgPath(), "plumbline") {
		return []string{strings.TrimSuffix(path, "[]")}
	}
	var out []string
	for i := range t.NumField() {
		f := t.Field(i)
		switch name, opts, _ := strings.Cut(f.Tag.Get("json"), ","); {
		case name == "" && (f.Anonymous || strings.Contains(opts, "inline")):
			out = append(out, fieldsOf(f.Type, path)...)
		case name != "-":
			out = append(out, fieldsOf(f.Type, path+"."+name)...)
		}
	}
	return out
}

// The tables list exactly the fields that the types have.
func TestFieldsAreListed(t *testing.T) {
	tables := fieldTables(t)
	for heading, want := range map[string][]string{
		"A source":    fieldsOf(reflect.TypeFor[v1alpha1.Source](), "source"),
		"Application": fieldsOf(reflect.TypeFor[v1alpha1.ApplicationSpec](), "spec"),
		"Operation":   fieldsOf(reflect.TypeFor[v1alpha1.Operation](), "operation"),
		"AppProject":  fieldsOf(reflect.TypeFor[v1alpha1.AppProjectSpec](), "project.spec"),
	} {
		var got []string
		for _, row := range tables[heading] {
			got = append(got, row.name)
		}
		slices.Sort(got)
		slices.Sort(want)
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s: -type +table:\n%s", heading, d)
		}
	}
}

// What the code reads of annotations and settings is listed, and what is said to work
// is read.
func TestFieldsAreRead(t *testing.T) {
	var code strings.Builder
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if !strings.HasSuffix(file, "_test.go") {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			code.Write(text)
		}
	}
	tables := fieldTables(t)
	listed := map[string]bool{}
	for _, row := range tables["Annotations"] {
		listed[row.name] = true
		if row.state == "works" && !strings.Contains(code.String(), `"`+row.name+`"`) {
			t.Errorf("annotation %s is said to work, and nothing reads it", row.name)
		}
	}
	for _, m := range regexp.MustCompile(`"((?:argocd\.argoproj\.io|helm\.sh)/[a-z-]+)"`).FindAllStringSubmatch(code.String(), -1) {
		if name := m[1]; !listed[name] && name != "argocd.argoproj.io/secret-type" && !strings.HasSuffix(name, "finalizer") {
			t.Errorf("annotation %s is read, and not listed", name)
		}
	}
	for _, row := range tables["Sync options"] {
		if row.state == "works" && !strings.Contains(code.String(), strings.SplitN(row.name, "=", 2)[0]) {
			t.Errorf("sync option %s is said to work, and nothing reads it", row.name)
		}
	}
	for _, row := range tables["argocd-cm"] {
		name := strings.TrimSuffix(row.name, ".*")
		if last := name[strings.LastIndexAny(name, ".")+1:]; row.state == "works" && !strings.Contains(code.String(), `"`+name+`"`) && !strings.Contains(code.String(), `"`+last+`"`) {
			t.Errorf("setting %s is said to work, and nothing reads it", row.name)
		}
	}
}
