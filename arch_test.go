package plumbline

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/plumbline-dev/plumbline"

// Limits of size. What is longer is split, or named below with a reason.
const (
	maxFile     = 500 // lines
	maxFunction = 120 // lines
	coreShare   = 40  // per cent of internal, cmd and api that core holds
)

// floor says what the packages below a directory may import.
type floor struct {
	dir     string   // relative to the module
	ours    []string // directories of the module; the floor's own packages are decided by siblings
	std     func(string) bool
	modules []string // import path prefixes outside the module and the standard library
	sibling bool     // packages of the floor may import one another
}

// pureModules are the libraries that think and do not act.
var pureModules = []string{
	"k8s.io/apimachinery", "k8s.io/kube-openapi", "sigs.k8s.io/structured-merge-diff", "sigs.k8s.io/yaml", "sigs.k8s.io/json", "go.yaml.in/yaml",
	"github.com/Masterminds/semver", "github.com/gobwas/glob", "github.com/google/cel-go", "github.com/robfig/cron", "github.com/itchyny/gojq",
	"k8s.io/api",                         // types only
	"github.com/ProtonMail/go-crypto",    // signatures, of bytes
	"golang.org/x/net/http/httpproxy",    // decides which proxy; nothing asks it for the environment's
	"github.com/klauspost/compress/zlib", // bytes to bytes, and twice as fast as the standard library's
}

// floors from the bottom up; a package belongs to the first whose directory holds it.
var floors = []floor{
	{dir: "api", std: pure, modules: []string{"k8s.io/apimachinery"}, sibling: true},
	{dir: "internal/core", std: pure, modules: pureModules, sibling: true},
	{
		dir: "internal/dialect", ours: []string{"api", "internal/core"}, std: pure,
		modules: append(slices.Clone(pureModules), "github.com/evanphx/json-patch/v5", "github.com/fluxcd/kustomize-controller/api", "github.com/fluxcd/source-controller/api",
			"github.com/fluxcd/helm-controller/api", "github.com/fluxcd/notification-controller/api",
			"github.com/fluxcd/image-automation-controller/api", "github.com/fluxcd/image-reflector-controller/api", "github.com/fluxcd/pkg/apis"),
	},
	{dir: "internal/driver", ours: []string{"internal/core"}, std: anything}, // see technologies
	{
		dir: "internal/engine", ours: []string{"api", "internal/core", "internal/dialect"}, std: harmless, sibling: true,
		modules: append(slices.Clone(pureModules), "sigs.k8s.io/controller-runtime", "k8s.io/client-go", "github.com/prometheus/client_golang",
			"github.com/fluxcd/kustomize-controller/api", "github.com/fluxcd/source-controller/api", "github.com/fluxcd/pkg/apis"),
	},
	{
		dir: "internal/front", ours: []string{"internal/core", "internal/engine"}, std: anything, sibling: true,
		modules: append(slices.Clone(pureModules), "github.com/spf13", "github.com/aymanbagabas/go-udiff", "golang.org/x/term"),
	},
}

// technologies are what each driver wraps. A driver that is not listed wraps nothing.
var technologies = map[string][]string{
	"gitstore":     {"golang.org/x/sys", "golang.org/x/sync", "golang.org/x/crypto"}, // git is a program
	"jsonnet":      {"github.com/google/go-jsonnet"},
	"lua":          {"github.com/yuin/gopher-lua"},
	"packagestore": {"oras.land/oras-go", "github.com/opencontainers/image-spec"},
	"helm":         {"helm.sh/helm", "github.com/Masterminds/sprig", "github.com/santhosh-tekuri/jsonschema", "github.com/bmatcuk/doublestar"},
	"kube":         {"k8s.io/client-go", "golang.org/x/sync", "golang.org/x/net"},
	"kustomize":    {"sigs.k8s.io/kustomize"},
	"livestate":    {"k8s.io/client-go", "github.com/klauspost/compress"},
	"otlp":         {"go.opentelemetry.io/otel"},
	"rendercache":  {"github.com/klauspost/compress"},
}

// exceptions are imports that a floor does not allow, each with its reason.
var exceptions = map[string]string{
	"internal/engine/apply -> net": "tells a broken connection from an answer by net.Error, and opens none",
}

// longFiles and longFunctions may exceed the limits, each with its reason.
var (
	longFiles     = map[string]string{}
	longFunctions = map[string]string{}
)

// pure reports whether a package of the standard library touches nothing outside the process.
func pure(imported string) bool {
	switch imported {
	case "net/url", "net/netip", "io/fs":
		return true
	}
	top, _, _ := strings.Cut(imported, "/")
	return !slices.Contains([]string{"os", "net", "syscall", "log", "plugin", "testing", "database", "expvar", "embed/fs", "flag"}, top) &&
		!slices.Contains([]string{"math/rand", "math/rand/v2", "crypto/rand", "crypto/tls", "runtime/debug", "runtime/pprof", "unsafe"}, imported)
}

// harmless allows the loops what they need: logs, and no files, processes or sockets.
func harmless(imported string) bool {
	return pure(imported) || imported == "log/slog"
}

func anything(string) bool { return true }

// pkg is a directory of Go files, tests aside.
type pkg struct {
	dir   string // relative to the module, with slashes
	files []file
}

type file struct {
	path      string
	text      []byte
	ast       *ast.File
	generated bool
}

var fileSet = token.NewFileSet()

// packages parses every package of the root module.
func packages(t *testing.T) []pkg {
	t.Helper()
	byDir := map[string]*pkg{}
	err := filepath.WalkDir(".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name = filepath.ToSlash(name)
		if entry.IsDir() {
			return skip(name)
		}
		if path.Ext(name) != ".go" || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		parsed, err := parser.ParseFile(fileSet, name, text, parser.ParseComments)
		if err != nil {
			return err
		}
		if bytes.Contains(text, []byte("\n//go:build ignore\n")) || bytes.HasPrefix(text, []byte("//go:build ignore\n")) {
			return nil // a generator, run by hand
		}
		dir := path.Dir(name)
		if byDir[dir] == nil {
			byDir[dir] = &pkg{dir: dir}
		}
		byDir[dir].files = append(byDir[dir].files, file{name, text, parsed, ast.IsGenerated(parsed)})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	var list []pkg
	for _, p := range byDir {
		list = append(list, *p)
	}
	slices.SortFunc(list, func(a, b pkg) int { return strings.Compare(a.dir, b.dir) })
	if len(list) < 20 {
		t.Fatalf("only %d packages found: is this the module's root?", len(list))
	}
	return list
}

// skip leaves out test data, hidden directories, programs and modules of their own.
func skip(dir string) error {
	base := path.Base(dir)
	if dir != "." && (base == "testdata" || strings.HasPrefix(base, ".") || dir == "bin" || dir == "ui") {
		return fs.SkipDir
	}
	if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil && dir != "." {
		return fs.SkipDir
	}
	return nil
}

// below reports whether a slash-separated path is a directory or lies in it.
func below(name, dir string) bool { return name == dir || strings.HasPrefix(name, dir+"/") }

func (f floor) allows(from, imported string) bool {
	if local, ok := strings.CutPrefix(imported, module+"/"); ok {
		if below(local, f.dir) {
			return f.sibling || below(local, from)
		}
		return slices.ContainsFunc(f.ours, func(dir string) bool { return below(local, dir) })
	}
	if first, _, _ := strings.Cut(imported, "/"); !strings.Contains(first, ".") {
		return f.std(imported)
	}
	modules := f.modules
	if f.dir == "internal/driver" {
		name, _, _ := strings.Cut(strings.TrimPrefix(from, f.dir+"/"), "/")
		modules = append(slices.Clone(pureModules), technologies[name]...)
	}
	return slices.ContainsFunc(modules, func(prefix string) bool { return below(imported, prefix) })
}

// Imports point downwards, and each floor reaches only the outside that it is for.
func TestFloors(t *testing.T) {
	used := map[string]bool{}
	for _, p := range packages(t) {
		i := slices.IndexFunc(floors, func(f floor) bool { return below(p.dir, f.dir) })
		if i < 0 {
			continue // cmd and the tools wire everything
		}
		for _, f := range p.files {
			for _, spec := range f.ast.Imports {
				imported, err := strconv.Unquote(spec.Path.Value)
				if err != nil {
					t.Fatal(err)
				}
				if floors[i].allows(p.dir, imported) {
					continue
				}
				key := p.dir + " -> " + strings.TrimPrefix(imported, module+"/")
				if exceptions[key] == "" {
					t.Errorf("%s imports %s, which %s may not", f.path, imported, floors[i].dir)
				}
				used[key] = true
			}
		}
	}
	stale(t, exceptions, used)
}

func stale(t *testing.T, list map[string]string, used map[string]bool) {
	t.Helper()
	for key := range list {
		if !used[key] {
			t.Errorf("the exception for %s is not needed any more", key)
		}
	}
}

// banned are calls that make the outcome depend on more than the input.
var banned = map[string][]string{
	"time": {"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker"},
	"fmt":  {"Print", "Printf", "Println", "Scan", "Scanf", "Scanln"},
	"os":   {"Getenv", "LookupEnv"},
}

// Core and the dialects know no clock, no environment and no output.
func TestCoreIsPure(t *testing.T) {
	for _, p := range packages(t) {
		if !below(p.dir, "internal/core") && !below(p.dir, "internal/dialect") && !below(p.dir, "api") {
			continue
		}
		for _, f := range p.files {
			ast.Inspect(f.ast, func(n ast.Node) bool {
				sel, ok := n.(*ast.SelectorExpr)
				if !ok {
					return true
				}
				if x, ok := sel.X.(*ast.Ident); ok && slices.Contains(banned[x.Name], sel.Sel.Name) {
					t.Errorf("%s: %s.%s: a decision depends on its input alone", fileSet.Position(sel.Pos()), x.Name, sel.Sel.Name)
				}
				return true
			})
		}
	}
}

var dialectName = regexp.MustCompile(`(?i)argo|flux`)

// Core knows no dialect; only health rules and actions name kinds of other projects.
func TestCoreNamesNoDialect(t *testing.T) {
	for _, p := range packages(t) {
		if !below(p.dir, "internal/core") || below(p.dir, "internal/core/health") || below(p.dir, "internal/core/action") {
			continue
		}
		for _, f := range p.files {
			for i, line := range bytes.Split(f.text, []byte("\n")) {
				if found := dialectName.Find(line); found != nil && !f.generated {
					t.Errorf("%s:%d: %q: core knows no dialect", f.path, i+1, found)
				}
			}
		}
	}
}

// Every package says what it is, and none is a drawer.
func TestPackages(t *testing.T) {
	for _, p := range packages(t) {
		if slices.Contains([]string{"util", "utils", "common", "helper", "helpers", "misc", "shared"}, path.Base(p.dir)) {
			t.Errorf("%s: a package is one idea; name it after that", p.dir)
		}
		documented := slices.ContainsFunc(p.files, func(f file) bool { return f.ast.Doc != nil && len(f.ast.Doc.Text()) > 30 })
		if !documented {
			t.Errorf("%s: no package comment: say what goes in, what comes out, and what it never does", p.dir)
		}
	}
}

// Files and functions stay short enough to be read at once.
func TestSizes(t *testing.T) {
	used := map[string]bool{}
	for _, p := range packages(t) {
		for _, f := range p.files {
			if f.generated {
				continue
			}
			if lines := bytes.Count(f.text, []byte("\n")); lines > maxFile {
				if longFiles[f.path] == "" {
					t.Errorf("%s: %d lines, more than %d", f.path, lines, maxFile)
				}
				used[f.path] = true
			}
			for _, decl := range f.ast.Decls {
				fn, ok := decl.(*ast.FuncDecl)
				if !ok {
					continue
				}
				lines := fileSet.Position(fn.End()).Line - fileSet.Position(fn.Pos()).Line + 1
				key := f.path + " " + fn.Name.Name
				if lines > maxFunction {
					if longFunctions[key] == "" {
						t.Errorf("%s: function %s: %d lines, more than %d", f.path, fn.Name.Name, lines, maxFunction)
					}
					used[key] = true
				}
			}
		}
	}
	stale(t, longFiles, used)
	stale(t, longFunctions, used)
}

var unfinished = regexp.MustCompile(`\b(TODO|FIXME|XXX|HACK)\b`)

// What is committed is finished.
func TestFinished(t *testing.T) {
	for _, p := range packages(t) {
		for _, f := range p.files {
			if found := unfinished.Find(f.text); found != nil && p.dir != "." {
				t.Errorf("%s: %s", f.path, found)
			}
		}
	}
}

// Two fifths of the code can reach no disk, network or API server.
func TestShareOfCore(t *testing.T) {
	var all, core int
	for _, p := range packages(t) {
		for _, f := range p.files {
			if f.generated || !below(p.dir, "internal") && !below(p.dir, "cmd") && !below(p.dir, "api") {
				continue
			}
			lines := bytes.Count(f.text, []byte("\n"))
			all += lines
			if below(p.dir, "internal/core") {
				core += lines
			}
		}
	}
	t.Logf("of %d lines by hand, core holds %.1f %%", all, 100*float64(core)/float64(all))
	if share := 100 * core / all; share < coreShare {
		t.Errorf("core holds %d %% of the code, less than %d %%: decide in core, act elsewhere", share, coreShare)
	}
}
