package render

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestDirectory(t *testing.T) {
	cases := map[string]struct {
		reason   string
		files    files
		path     string
		opts     *DirectoryOptions
		want     []string
		warnings []string
		err      string
	}{
		"Order": {
			reason: "files come in lexical order; other files and subdirectories are left alone",
			files:  files{"a/z.yaml": configMap("z"), "a/b.yml": configMap("b"), "a/c.json": `{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"c"}}`, "a/README.md": "x", "a/s/d.yaml": configMap("d")},
			path:   "a",
			want:   []string{"ConfigMap b from a/b.yml", "Namespace c from a/c.json", "ConfigMap z from a/z.yaml"},
		},
		"Recurse": {
			reason: "subdirectories come where their name stands; hidden ones are not special",
			files:  files{"b.yaml": configMap("b"), "a/x.yaml": configMap("x"), "c/y.yaml": configMap("w"), ".h/z.yaml": configMap("z")},
			opts:   &DirectoryOptions{Recurse: true},
			want:   []string{"ConfigMap z from .h/z.yaml", "ConfigMap x from a/x.yaml", "ConfigMap b from b.yaml", "ConfigMap w from c/y.yaml"},
		},
		"Globs": {
			reason: "a star crosses slashes, braces are alternatives and exclude wins",
			files:  files{"r/a/x.yaml": configMap("x"), "r/b/y.yaml": configMap("w"), "r/b/z.yaml": configMap("z"), "r/c.yaml": configMap("c")},
			path:   "r",
			opts:   &DirectoryOptions{Recurse: true, Include: "{*/x.yaml,b*}", Exclude: "*z.yaml"},
			want:   []string{"ConfigMap x from r/a/x.yaml", "ConfigMap w from r/b/y.yaml"},
		},
		"BadGlob": {
			reason: "a glob that is not one is an error, not an empty result",
			files:  files{"a.yaml": configMap("a")}, opts: &DirectoryOptions{Include: "{a"},
			err: `directory include: pattern "{a" has a { without }`,
		},
		"AnyExtension": {
			reason: "files may be read whatever they are called",
			files:  files{"a": configMap("a")}, opts: &DirectoryOptions{AnyExtension: true},
			want: []string{"ConfigMap a from a"},
		},
		"Marker": {
			reason: "a file can ask to be left out",
			files:  files{"a.yaml": "# keep-out\n" + configMap("a"), "b.yaml": configMap("b")}, opts: &DirectoryOptions{SkipMarker: "keep-out"},
			want: []string{"ConfigMap b from b.yaml"},
		},
		"Other": {
			reason:   "YAML that is no manifest is left out and the user is told",
			files:    files{"a.yaml": configMap("a"), "values.yaml": "replicas: 2\n", "t.yaml": "{{ if }}\n", "package.json": "{\"name\": \"x\"}"},
			want:     []string{"ConfigMap a from a.yaml"},
			warnings: []string{"package.json: was left out because it is not a Kubernetes manifest", "t.yaml: was left out because it is not a Kubernetes manifest", "values.yaml: was left out because it is not a Kubernetes manifest"},
		},
		"Broken": {
			reason: "a manifest with a mistake fails the render",
			files:  files{"a/ok.yaml": configMap("a"), "a/bad.yaml": configMap("b") + " x: [\n"}, path: "a",
			err: "a/bad.yaml: document 1, line 4: is not valid YAML: did not find expected key",
		},
		"BrokenLater": {
			reason: "so does anything after a good document",
			files:  files{"a.yaml": configMap("a") + "---\nreplicas: 2\n"},
			err:    "a.yaml: document 2, line 6: has no apiVersion",
		},
		"Duplicate": {
			reason: "a repeated key is a mistake",
			files:  files{"a.yaml": configMap("a") + "data: {}\ndata: {}\n"},
			err:    `a.yaml: document 1, line 6: key "data" is there twice`,
		},
		"Empty": {reason: "an empty directory declares nothing", files: files{"a/.gitkeep": "", "b": ""}, path: "a"},
		"Missing": {
			reason: "a missing one is an error", files: files{"a/b": ""}, path: "c",
			err: `main@4f1c2ab has no directory "c"`,
		},
		"Links": {
			reason: "links inside the tree are followed to files, not to directories",
			files:  files{"r/a.yaml": "-> ../x/a.yaml", "r/d.yaml": "-> ../x", "x/a.yaml": configMap("a")}, path: "r",
			want: []string{"ConfigMap a from r/a.yaml"}, warnings: []string{"r/d.yaml: is a link to a directory and was not followed"},
		},
		"LinkOut": {
			reason: "links out of the tree are refused", files: files{"r/a.yaml": "-> ../../etc/passwd"}, path: "r",
			err: `path "r/a.yaml" is a symbolic link to "../../etc/passwd", which leaves the repository`,
		},
		"LinkToNothing": {
			reason: "a dangling link is no proof that nothing is wanted", files: files{"r/a.yaml": "-> b.yaml"}, path: "r",
			err: "r/a.yaml: is a symbolic link to a file that does not exist",
		},
		"Jsonnet": {
			reason: "objects must not vanish because a format is not known", files: files{"r/a.jsonnet": "{}", "r/b.libsonnet": ""}, path: "r",
			err: `r/a.jsonnet: there is no evaluator for Jsonnet`,
		},
		"JsonnetNotWanted": {
			reason: "what is left out or marked needs no evaluator", files: files{"r/a.jsonnet": "{}", "r/b.jsonnet": "// skip-me", "r/c.yaml": configMap("c")}, path: "r",
			opts: &DirectoryOptions{Exclude: "a*", SkipMarker: "skip-me"},
			want: []string{"ConfigMap c from r/c.yaml"},
		},
		"JsonnetOff": {
			reason: "where programs are off, they are other files", files: files{"r/a.jsonnet": "{}", "r/c.yaml": configMap("c")}, path: "r",
			opts: &DirectoryOptions{WithoutJsonnet: true, AnyExtension: true},
			want: []string{"ConfigMap c from r/c.yaml"},
		},
		"LFS": {
			reason: "a pointer is not the content",
			files:  files{"a.yaml": "version https://git-lfs.github.com/spec/v1\noid sha256:" + strings.Repeat("a", 64) + "\nsize 12\n"},
			err:    `file "a.yaml" is a Git LFS pointer to 12 bytes: LFS content is not fetched; store the file in Git itself`,
		},
		"HugeFile": {
			reason: "one file has a limit", files: files{"a.yaml": strings.Repeat("#", 100<<20)},
			err: `file "a.yaml" has 104857600 bytes, more than the limit of 16777216`,
		},
		"Combined": {
			reason: "all files together have one too", files: files{"r/a.yaml": strings.Repeat("#", 6<<20), "r/b.yaml": strings.Repeat("#", 6<<20)}, path: "r",
			err: `path "r": manifests have more than 10485760 bytes together, reached at r/b.yaml; split it or set directory.exclude`,
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := DirectoryRenderer{}.Render(t.Context(), Request{Path: tc.path, Directory: tc.opts}, tc.files.tree())
			text := ""
			if err != nil {
				text = err.Error()
			}
			if diff := cmp.Diff(tc.err, text); diff != "" {
				t.Fatalf("%s:\n%s", tc.reason, diff)
			}
			if diff := cmp.Diff(tc.want, describe(got.Manifests)); diff != "" {
				t.Errorf("%s:\n%s", tc.reason, diff)
			}
			if diff := cmp.Diff(tc.warnings, got.Warnings); diff != "" {
				t.Errorf("%s:\n%s", tc.reason, diff)
			}
		})
	}
}

func TestDirectoryManyFiles(t *testing.T) {
	f := files{}
	for i := range 11 {
		f[fmt.Sprintf("%d.yaml", i)] = ""
	}
	_, err := DirectoryRenderer{FilesLimit: 10}.Render(t.Context(), Request{Path: "."}, f.tree())
	if want := `path ".": has more than 10 files; split it or set directory.exclude`; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestDirectoryCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := DirectoryRenderer{}.Render(ctx, Request{Path: "."}, files{"a.yaml": configMap("a")}.tree())
	if err != context.Canceled {
		t.Errorf("got %v", err)
	}
}

func TestGlob(t *testing.T) {
	cases := map[string]struct {
		match, miss []string
	}{
		"*.yaml":           {[]string{"a.yaml", "a/b.yaml", ".yaml"}, []string{"a.yml", "ayaml"}},
		"{a,b/{c,d}}*.yml": {[]string{"a.yml", "b/cx.yml", "b/d.yml"}, []string{"b.yml", "c.yml"}},
		"a?[b-d][!x]":      {[]string{"a/bz", "aacd"}, []string{"a/bx", "abz"}},
		`a\*,b`:            {[]string{"a*,b"}, []string{"ab", "axx,b"}},
		"über/**":          {[]string{"über/x/y"}, []string{"uber/x"}},
		"[^]\\]x":          {nil, nil},
	}
	for pattern, tc := range cases {
		re, err := glob(pattern)
		if err != nil {
			if tc.match != nil {
				t.Errorf("%q: %v", pattern, err)
			}
			continue
		}
		for _, s := range tc.match {
			if !re.MatchString(s) {
				t.Errorf("%q does not match %q", pattern, s)
			}
		}
		for _, s := range tc.miss {
			if re.MatchString(s) {
				t.Errorf("%q matches %q", pattern, s)
			}
		}
	}
}

func FuzzGlob(f *testing.F) {
	for _, s := range []string{"*.yaml", "{a,b}", `[!a-\]`, "[[:x:]]", "{{{{", "[z-a]"} {
		f.Add(s, "a.yaml")
	}
	f.Fuzz(func(t *testing.T, pattern, name string) {
		if re, err := glob(pattern); err == nil {
			re.MatchString(name)
		}
	})
}
