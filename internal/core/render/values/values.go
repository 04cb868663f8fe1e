// Package values finds the value files of a chart and writes its parameters.
//
// In go a tree, the chart's directory, and names and patterns as users give them; out
// come the files to read, the strongest last. Files are named relative to the chart,
// or to the root of the repository when they begin with "/". The package never reads
// a file, never leaves the tree, and refuses what is remote.
package values

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/plumbline-dev/plumbline/internal/core/source"
)

// Absent says what becomes of a value file that is not there.
type Absent string

// The values of Absent.
const (
	Refused Absent = ""
	Ignored Absent = "Ignored"
)

// Lookup says where value files are looked for.
type Lookup struct {
	Tree   source.Tree
	Dir    string // of the chart
	Absent Absent

	// Glob returns the files of Tree that match a pattern.
	Glob func(pattern string) ([]string, error)
}

// Resolve names a value file in the tree.
func (l Lookup) Resolve(file string) (string, error) {
	if strings.Contains(file, "://") {
		return "", fmt.Errorf("%q is remote, and remote files are not fetched: put the file in the repository", file)
	}
	name := path.Join(l.Dir, file)
	if strings.HasPrefix(file, "/") {
		name = path.Clean(strings.TrimLeft(file, "/"))
	}
	if err := source.CheckName("read", name); err != nil {
		return "", &source.EscapeError{Path: file}
	}
	return name, nil
}

// listed is one value file, or the pattern for some, as it was given.
type listed struct {
	name    string
	pattern bool
}

// Files lists the value files in order. What a pattern matches is sorted and added
// where the pattern stands, unless it is also listed by name.
func (l Lookup) Files(given []string) ([]string, error) {
	var all []listed
	byName := map[string]bool{}
	for _, file := range given {
		name, err := l.Resolve(file)
		if err != nil {
			return nil, fmt.Errorf("value file: %w", err)
		}
		isPattern := strings.ContainsAny(name, "*?[{")
		byName[name] = byName[name] || !isPattern
		all = append(all, listed{name, isPattern})
	}
	var out []string
	seen := map[string]bool{}
	for _, f := range all {
		names, err := l.find(f)
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			if f.pattern && (byName[name] || seen[name]) {
				continue
			}
			seen[name] = true
			out = append(out, name)
		}
	}
	return out, nil
}

func (l Lookup) find(f listed) ([]string, error) {
	if f.pattern {
		return l.match(f.name)
	}
	_, err := l.Tree.Stat(f.name)
	switch {
	case err == nil:
		return []string{f.name}, nil
	case errors.Is(err, fs.ErrNotExist) && l.Absent == Ignored:
		return nil, nil
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("value file: %s has no file %q", l.Tree.Revision(), f.name)
	}
	return nil, fmt.Errorf("value file: %w", err)
}

func (l Lookup) match(pattern string) ([]string, error) {
	names, err := l.Glob(pattern)
	if err != nil {
		return nil, fmt.Errorf("value file: pattern %q: %s", pattern, strings.Join(strings.Fields(err.Error()), " "))
	}
	if len(names) == 0 && l.Absent == Refused {
		return nil, fmt.Errorf("value file: %s has no file that matches %q", l.Tree.Revision(), pattern)
	}
	slices.Sort(names)
	return names, nil
}

// Assignment returns a parameter in the form "name=value" that chart tools read. It
// keeps a value with commas one value; "{a,b}" stays a list.
func Assignment(name, value string) string { return name + "=" + escapeCommas(value) }

func escapeCommas(value string) string {
	if strings.HasPrefix(value, "{") && strings.HasSuffix(value, "}") {
		return value
	}
	var b strings.Builder
	for i := range len(value) {
		if value[i] == ',' && (i == 0 || value[i-1] != '\\') {
			b.WriteByte('\\')
		}
		b.WriteByte(value[i])
	}
	return b.String()
}
