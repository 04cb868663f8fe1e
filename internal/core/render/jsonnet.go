package render

import (
	"context"
	"fmt"
	"path"
	"strings"

	"github.com/plumbline-dev/plumbline/internal/core/source"
)

// paths returns the directories in which imports are looked for: that of the
// request, then the libraries, which lie in the tree.
func (o JsonnetOptions) paths(root string) ([]string, error) {
	out := []string{root}
	for _, lib := range o.Libs {
		dir := path.Clean(strings.TrimLeft(lib, "/"))
		if err := source.CheckName("import", dir); err != nil {
			return nil, fmt.Errorf("directory jsonnet library %q: %w", lib, err)
		}
		out = append(out, dir)
	}
	return out, nil
}

// program adds what a Jsonnet program declares.
func (w *walk) program(ctx context.Context, name string) error {
	switch {
	case w.evaluate == nil && w.elsewhere:
		return errElsewhere
	case w.evaluate == nil:
		return fmt.Errorf("%s: there is no evaluator for Jsonnet", name)
	}
	text, err := w.evaluate(ctx, w.tree, name, w.imports, w.opts.Jsonnet)
	if err != nil {
		return err
	}
	if w.bytesLeft -= int64(len(text)); w.bytesLeft < 0 {
		return fmt.Errorf("path %q: manifests have more than %d bytes together, reached at what %s makes; split it or set directory.exclude", w.root, w.bytesLimit, name)
	}
	manifests, err := w.decoder.DecodeJSONList(name, []byte(text))
	if err != nil {
		return fmt.Errorf("%w: a Jsonnet file makes an object with apiVersion and kind, or a list of them", err)
	}
	w.manifests = append(w.manifests, manifests...)
	return nil
}
