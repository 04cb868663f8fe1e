package render

import (
	"errors"
	"testing"

	"github.com/plumbline-dev/plumbline/internal/core/source"
)

func TestDetect(t *testing.T) {
	tree := files{
		"apps/plain/a.yaml":              "",
		"apps/kust/kustomization.yml":    "",
		"apps/chart/Chart.yaml":          "",
		"apps/both/Chart.yaml":           "",
		"apps/both/Kustomization":        "",
		"apps/deep/sub/Chart.yaml":       "",
		"apps/odd/kustomization.yaml/x":  "",
		"apps/linked/kustomization.yaml": "-> ../kust/kustomization.yml",
		"link":                           "-> apps/chart",
		"out":                            "-> ../elsewhere",
	}.tree()
	cases := map[string]struct {
		reason, path, want string
	}{
		"Plain":     {"no marker file", "apps/plain", "Directory"},
		"Kustomize": {"any of three names", "apps/kust", "Kustomize"},
		"Helm":      {"a chart", "apps/chart", "Helm"},
		"Both":      {"a kustomization wins over a chart", "apps/both", "Kustomize"},
		"Deep":      {"only the directory itself counts", "apps/deep", "Directory"},
		"Folder":    {"a folder is no kustomization file", "apps/odd", "Directory"},
		"FileLink":  {"a link to a file is a file", "apps/linked", "Kustomize"},
		"Link":      {"a directory may be a link", "link", "Helm"},
		"Sloppy":    {"users write paths in many ways", "./apps//chart/", "Helm"},
		"Root":      {"empty is the root", "", "Directory"},
		"Missing":   {"says where it looked and what is near", "apps/kusto", `main@4f1c2ab has no directory "apps/kusto"; there is "apps/kust"`},
		"Parent":    {"nothing is near", "nope/x", `main@4f1c2ab has no directory "nope/x"`},
		"File":      {"a file is not a directory", "apps/plain/a.yaml", `main@4f1c2ab: path "apps/plain/a.yaml" is a file, want the directory it is in: "apps/plain"`},
		"BelowFile": {"nor can anything be below it", "apps/plain/a.yaml/x", `main@4f1c2ab has no directory "apps/plain/a.yaml/x"`},
		"Absolute":  {"paths are relative", "/etc", `path "/etc" leaves the repository`},
		"Climbing":  {"and stay inside", "apps/../../etc", `path "../etc" leaves the repository`},
		"LinkOut":   {"so do links", "out", `path "out" is a symbolic link to "../elsewhere", which leaves the repository`},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			tool, err := Detect(tree, tc.path)
			got := string(tool)
			if err != nil {
				got = err.Error()
			}
			if got != tc.want {
				t.Errorf("%s: got %s, want %s", tc.reason, got, tc.want)
			}
		})
	}
	_, err := Detect(tree, "../x")
	if _, ok := errors.AsType[*source.EscapeError](err); !ok {
		t.Errorf("got %T, want *source.EscapeError", err)
	}
	_, err = Detect(tree, "x")
	if _, ok := errors.AsType[*PathError](err); !ok {
		t.Errorf("got %T, want *PathError", err)
	}
}
