package render

import (
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/plumbline-dev/plumbline/internal/core/source"
)

// A submodule that a render would descend into is refused, not passed over.
func TestDirectoryWithSubmodule(t *testing.T) {
	tree := source.FromFS(fstest.MapFS{
		"a/cm.yaml": {Data: []byte("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n")},
		"a/libs":    {Mode: fs.ModeIrregular},
	}, source.Revision{ID: "1"})
	for name, tc := range map[string]struct {
		reason string
		opts   DirectoryOptions
		err    string // empty: rendered
	}{
		"flat":     {"folders are not read", DirectoryOptions{}, ""},
		"recurse":  {"its files are missing", DirectoryOptions{Recurse: true}, `or leave it out with directory.exclude "libs"`},
		"excluded": {"nobody wants its files", DirectoryOptions{Recurse: true, Exclude: "libs"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			res, err := DirectoryRenderer{}.Render(t.Context(), Request{Path: "a", Directory: &tc.opts}, tree)
			switch {
			case tc.err == "" && (err != nil || len(res.Manifests) != 1):
				t.Errorf("%s: got %d manifests, %v", tc.reason, len(res.Manifests), err)
			case tc.err != "" && (err == nil || !strings.Contains(err.Error(), tc.err)):
				t.Errorf("%s: got %v, want %q", tc.reason, err, tc.err)
			}
		})
	}
}
