package helm

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/bmatcuk/doublestar/v4"
	chartloader "helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/strvals"

	"github.com/plumbline-dev/plumbline/internal/core/source"
)

// values merges what the request says, the strongest last.
func (j *job) values() (map[string]any, error) {
	files, err := j.valueFiles()
	if err != nil {
		return nil, err
	}
	values := map[string]any{}
	for _, name := range files {
		data, err := j.tree.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("value file: %w", err)
		}
		more, err := chartloader.LoadValues(bytes.NewReader(data))
		if err != nil {
			return nil, fmt.Errorf("%s: value file: %s", name, oneLine(err))
		}
		values = chartloader.MergeMaps(values, more)
	}
	if raw := j.opts.Values; raw != nil && len(raw.Raw) > 0 {
		var more map[string]any
		if err := json.Unmarshal(raw.Raw, &more); err != nil {
			return nil, fmt.Errorf("values: are not an object: %s", oneLine(err))
		}
		values = chartloader.MergeMaps(values, more)
	}
	return values, j.parameters(values)
}

func (j *job) parameters(values map[string]any) error {
	for _, p := range j.opts.Parameters {
		set := strvals.ParseInto
		if p.ForceString {
			set = strvals.ParseIntoString
		}
		if err := guard(func() error { return set(p.Name+"="+escapeCommas(p.Value), values) }); err != nil {
			return fmt.Errorf("parameter %q: %s", p.Name, oneLine(err))
		}
	}
	for _, p := range j.opts.FileParameters {
		name, err := j.resolve(p.Path)
		if err != nil {
			return fmt.Errorf("file parameter %q: %w", p.Name, err)
		}
		data, err := j.tree.ReadFile(name)
		if err != nil {
			return fmt.Errorf("file parameter %q: %w", p.Name, err)
		}
		read := func([]rune) (any, error) { return string(data), nil }
		if err := guard(func() error { return strvals.ParseIntoFile(p.Name+"=x", values, read) }); err != nil {
			return fmt.Errorf("file parameter %q: %s", p.Name, oneLine(err))
		}
	}
	return nil
}

// guard keeps a panic of the parser from being more than an error.
func guard(f func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("is not understood: %v", r)
		}
	}()
	return f()
}

// escapeCommas keeps a value one value; "{a,b}" stays a list.
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

// resolve names a value file in the tree: relative to the chart, or to the root
// of the repository when it begins with "/".
func (j *job) resolve(file string) (string, error) {
	if strings.Contains(file, "://") {
		return "", fmt.Errorf("%q is remote, and remote files are not fetched: put the file in the repository", file)
	}
	name := path.Join(j.dir, file)
	if strings.HasPrefix(file, "/") {
		name = path.Clean(strings.TrimLeft(file, "/"))
	}
	if err := source.CheckName("read", name); err != nil {
		return "", &source.EscapeError{Path: file}
	}
	return name, nil
}

// valueFiles lists the value files in order. What a pattern matches is sorted
// and added where the pattern stands, unless it is also listed by name.
func (j *job) valueFiles() ([]string, error) {
	type listed struct {
		name    string
		pattern bool
	}
	var all []listed
	byName := map[string]bool{}
	for _, file := range j.opts.ValueFiles {
		name, err := j.resolve(file)
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
		if !f.pattern {
			if ok, err := j.exists(f.name); err != nil {
				return nil, err
			} else if ok {
				out = append(out, f.name)
			}
			continue
		}
		matches, err := j.match(f.name)
		if err != nil {
			return nil, err
		}
		for _, name := range matches {
			if !byName[name] && !seen[name] {
				seen[name] = true
				out = append(out, name)
			}
		}
	}
	return out, nil
}

func (j *job) exists(name string) (bool, error) {
	_, err := j.tree.Stat(name)
	switch {
	case err == nil:
		return true, nil
	case errors.Is(err, fs.ErrNotExist) && j.opts.IgnoreMissingValueFiles:
		return false, nil
	case errors.Is(err, fs.ErrNotExist):
		return false, fmt.Errorf("value file: %s has no file %q", j.tree.Revision(), name)
	}
	return false, fmt.Errorf("value file: %w", err)
}

func (j *job) match(pattern string) ([]string, error) {
	names, err := doublestar.Glob(j.tree, pattern, doublestar.WithFilesOnly(), doublestar.WithNoFollow())
	if err != nil {
		return nil, fmt.Errorf("value file: pattern %q: %s", pattern, oneLine(err))
	}
	if len(names) == 0 && !j.opts.IgnoreMissingValueFiles {
		return nil, fmt.Errorf("value file: %s has no file that matches %q", j.tree.Revision(), pattern)
	}
	slices.Sort(names)
	return names, nil
}
