package helm

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/bmatcuk/doublestar/v4"
	chartloader "helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/strvals"

	"github.com/plumbline-dev/plumbline/internal/core/render/values"
)

// values merges what the request says, the strongest last.
func (j *job) values() (map[string]any, error) {
	files, err := j.lookup().Files(j.opts.ValueFiles)
	if err != nil {
		return nil, err
	}
	merged := map[string]any{}
	for _, name := range files {
		data, err := j.tree.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("value file: %w", err)
		}
		more, err := chartloader.LoadValues(bytes.NewReader(data))
		if err != nil {
			return nil, fmt.Errorf("%s: value file: %s", name, oneLine(err))
		}
		merged = chartloader.MergeMaps(merged, more)
	}
	if raw := j.opts.Values; raw != nil && len(raw.Raw) > 0 {
		var more map[string]any
		if err := json.Unmarshal(raw.Raw, &more); err != nil {
			return nil, fmt.Errorf("values: are not an object: %s", oneLine(err))
		}
		merged = chartloader.MergeMaps(merged, more)
	}
	return merged, j.parameters(merged)
}

func (j *job) parameters(merged map[string]any) error {
	for _, p := range j.opts.Parameters {
		set := strvals.ParseInto
		if p.ForceString {
			set = strvals.ParseIntoString
		}
		if err := guard(func() error { return set(values.Assignment(p.Name, p.Value), merged) }); err != nil {
			return fmt.Errorf("parameter %q: %s", p.Name, oneLine(err))
		}
	}
	for _, p := range j.opts.FileParameters {
		name, err := j.lookup().Resolve(p.Path)
		if err != nil {
			return fmt.Errorf("file parameter %q: %w", p.Name, err)
		}
		data, err := j.tree.ReadFile(name)
		if err != nil {
			return fmt.Errorf("file parameter %q: %w", p.Name, err)
		}
		read := func([]rune) (any, error) { return string(data), nil }
		if err := guard(func() error { return strvals.ParseIntoFile(p.Name+"=x", merged, read) }); err != nil {
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

// lookup says where value files are looked for.
func (j *job) lookup() values.Lookup {
	l := values.Lookup{Tree: j.tree, Dir: j.dir, Glob: func(pattern string) ([]string, error) {
		return doublestar.Glob(j.tree, pattern, doublestar.WithFilesOnly(), doublestar.WithNoFollow())
	}}
	if j.opts.IgnoreMissingValueFiles {
		l.Absent = values.Ignored
	}
	return l
}
