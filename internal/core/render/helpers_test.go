package render

import (
	"io/fs"
	"strings"
	"testing/fstest"

	"github.com/plumbline-dev/plumbline/internal/core/object"
	"github.com/plumbline-dev/plumbline/internal/core/source"
)

var testRevision = source.Revision{Name: "main", ID: "4f1c2ab4f1c2ab4f1c2ab4f1c2ab4f1c2ab4f1c2"}

// files is a tree as a test writes it: "-> x" makes a link to x.
type files map[string]string

func (f files) tree() source.Tree { return f.treeAt(testRevision) }

func (f files) treeAt(rev source.Revision) source.Tree {
	m := fstest.MapFS{}
	for name, text := range f {
		if target, isLink := strings.CutPrefix(text, "-> "); isLink {
			m[name] = &fstest.MapFile{Data: []byte(target), Mode: fs.ModeSymlink | 0o777}
			continue
		}
		m[name] = &fstest.MapFile{Data: []byte(text), Mode: 0o644}
	}
	return source.FromFS(m, rev)
}

func configMap(name string) string {
	return "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: " + name + "\n"
}

func describe(manifests []object.Manifest) []string {
	var out []string
	for _, m := range manifests {
		out = append(out, m.Key().String()+" from "+m.Origin.File)
	}
	return out
}
