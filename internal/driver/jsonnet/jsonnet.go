// Package jsonnet evaluates Jsonnet programs.
//
// In goes a program in a source.Tree with what it is told; out comes JSON. Imports
// are read from the tree alone: a program reaches no disk, network, clock or
// environment, so equal files and options make equal JSON.
//
// A program can loop and allocate without end and cannot be stopped, so a server
// runs this package in a worker process.
package jsonnet

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/google/go-jsonnet"

	"github.com/plumbline-dev/plumbline/internal/core/render"
	"github.com/plumbline-dev/plumbline/internal/core/source"
)

const (
	stackLimit = 500 // of calls, as in the reference implementation
	traceLimit = 3   // lines of a message that say where
	lineLimit  = 600 // bytes of a message
)

// Evaluate implements render.Evaluator. ctx is looked at before the program runs and
// whenever it imports.
func Evaluate(ctx context.Context, tree source.Tree, file string, paths []string, options render.JsonnetOptions) (string, error) {
	if err := ctx.Err(); err != nil {
		return "", err
	}
	files := &importer{ctx: ctx, tree: tree, paths: paths, seen: map[string]jsonnet.Contents{}}
	vm := jsonnet.MakeVM()
	vm.MaxStack = stackLimit
	vm.ErrorFormatter.SetMaxStackTraceSize(traceLimit)
	vm.SetTraceOut(nothing{})
	vm.Importer(files)
	for _, v := range options.External {
		if v.Code {
			vm.ExtCode(v.Name, v.Value)
		} else {
			vm.ExtVar(v.Name, v.Value)
		}
	}
	for _, v := range options.TopLevel {
		if v.Code {
			vm.TLACode(v.Name, v.Value)
		} else {
			vm.TLAVar(v.Name, v.Value)
		}
	}
	text, err := vm.EvaluateFile(file)
	switch {
	case files.failed != nil:
		return "", fmt.Errorf("%s: %w", file, files.failed)
	case err != nil:
		return "", fmt.Errorf("%s: Jsonnet: %s", file, oneLine(err.Error()))
	}
	return text, nil
}

// importer reads files of a tree for one evaluation.
type importer struct {
	ctx   context.Context
	tree  source.Tree
	paths []string
	seen  map[string]jsonnet.Contents // one for each file, which the library insists on

	failed error // of the tree; says more than what the library makes of it
}

// Import implements jsonnet.Importer.
func (i *importer) Import(from, name string) (jsonnet.Contents, string, error) {
	if err := i.ctx.Err(); err != nil {
		return i.fail(err)
	}
	if path.IsAbs(name) {
		return i.fail(fmt.Errorf("import %q: only files of the repository can be imported, by a path relative to the importing file, the application or a library", name))
	}
	if strings.Contains(name, "://") {
		return i.fail(fmt.Errorf("import %q: nothing is downloaded while rendering: commit the file, for example with jsonnet-bundler", name))
	}
	dirs := i.paths
	if from == "" {
		dirs = []string{"."} // the program itself
	} else {
		dirs = append([]string{path.Dir(from)}, dirs...)
	}
	for _, dir := range dirs {
		found := path.Join(dir, name)
		if c, has := i.seen[found]; has {
			return c, found, nil
		}
		data, err := i.tree.ReadFile(found)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return i.fail(fmt.Errorf("import %q: %w", name, err))
		}
		c := jsonnet.MakeContentsRaw(data)
		i.seen[found] = c
		return c, found, nil
	}
	return i.fail(fmt.Errorf("%s imports %q, which is in none of %s; libraries are named by directory.jsonnet.libs", from, name, strings.Join(dirs, ", ")))
}

func (i *importer) fail(err error) (jsonnet.Contents, string, error) {
	i.failed = err
	return jsonnet.Contents{}, "", err
}

// nothing takes what std.trace says.
type nothing struct{}

func (nothing) Write(p []byte) (int, error) { return len(p), nil }

// oneLine makes one line of a message of the library: what is wrong and where, without
// the calls that led there.
func oneLine(text string) string {
	text = strings.TrimPrefix(strings.TrimSpace(text), "RUNTIME ERROR: ")
	message, trace, _ := strings.Cut(text, "\n\t")
	message = strings.Join(strings.Fields(message), " ")
	if len(message) > lineLimit {
		message = message[:lineLimit] + " ..."
	}
	if where := strings.Fields(trace); len(where) > 0 && strings.Contains(where[0], ":") {
		message += " (at " + where[0] + ")"
	}
	return strings.ToValidUTF8(message, "")
}
