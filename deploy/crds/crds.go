// Package crds embeds the custom resource definitions that the server installs
// and serves.
//
// Nothing goes in; out come the definitions as YAML, one per file. The package
// never parses or applies them.
package crds

import "embed"

//go:generate go run generate.go

//go:embed *.yaml
var files embed.FS

// File is one custom resource definition.
type File struct {
	Name string // such as "argoproj.io_applications.yaml"
	Data []byte // one YAML document; the caller's to keep
}

// Files returns every definition, sorted by name.
func Files() []File {
	entries, err := files.ReadDir(".")
	if err != nil {
		panic(err) // an embedded root always reads
	}
	out := make([]File, 0, len(entries))
	for _, e := range entries {
		data, err := files.ReadFile(e.Name())
		if err != nil {
			panic(err) // an embedded file always reads
		}
		out = append(out, File{Name: e.Name(), Data: data})
	}
	return out
}
