package render

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/plumbline-dev/plumbline/internal/core/source"
)

// PathError reports a Request whose Path is not a directory of the tree.
type PathError struct {
	Revision source.Revision
	Path     string
	File     bool     // there is a file, not a directory
	Near     []string // paths of directories beside it with a similar name
}

func (e *PathError) Error() string {
	if e.File {
		return fmt.Sprintf("%s: path %q is a file, want the directory it is in: %q", e.Revision, e.Path, path.Dir(e.Path))
	}
	text := fmt.Sprintf("%s has no directory %q", e.Revision, e.Path)
	if len(e.Near) == 0 {
		return text
	}
	quoted := make([]string, len(e.Near))
	for i, name := range e.Near {
		quoted[i] = fmt.Sprintf("%q", name)
	}
	return text + "; there is " + strings.Join(quoted, ", ")
}

// CleanPath returns a path the way trees name it: "" and "./" become ".", and
// "./apps/a/" becomes "apps/a". It fails with *source.EscapeError if the path is
// absolute or climbs out of the tree.
func CleanPath(p string) (string, error) {
	clean := path.Clean(p)
	return clean, source.CheckName("render", clean)
}

// KustomizationFiles are the names that a kustomization file may have, in the
// order in which they are looked for.
var KustomizationFiles = []string{"kustomization.yaml", "kustomization.yml", "Kustomization"}

// Detect returns the tool that the files directly in a directory call for: a
// kustomization file means Kustomize, else a Chart.yaml means Helm, else it is a
// plain Directory. It fails with *PathError when there is no such directory and
// with *source.EscapeError when the path leaves the tree.
func Detect(tree source.Tree, dir string) (Tool, error) {
	dir, err := CleanPath(dir)
	if err != nil {
		return "", err
	}
	entries, err := tree.ReadDir(dir)
	if err != nil {
		return "", explainPath(tree, dir, err)
	}
	tool := Directory
	for _, e := range entries {
		switch {
		case e.IsDir():
		case slices.Contains(KustomizationFiles, e.Name()):
			return Kustomize, nil
		case e.Name() == "Chart.yaml":
			tool = Helm
		}
	}
	return tool, nil
}

// explainPath turns the error of listing a directory into a *PathError where
// the path is to blame.
func explainPath(tree source.Tree, dir string, err error) error {
	switch {
	case errors.Is(err, source.ErrNotDirectory):
		return &PathError{Revision: tree.Revision(), Path: dir, File: isFile(tree, dir)}
	case errors.Is(err, fs.ErrNotExist):
		return &PathError{Revision: tree.Revision(), Path: dir, Near: near(tree, dir)}
	}
	return err
}

func isFile(tree source.Tree, name string) bool {
	info, err := tree.Stat(name)
	return err == nil && !info.IsDir()
}

const nearLimit = 3

// near lists directories beside a missing one whose names are alike.
func near(tree source.Tree, missing string) []string {
	parent, name := path.Split(missing)
	parent = path.Clean(parent)
	entries, err := tree.ReadDir(parent)
	if err != nil {
		return nil
	}
	type candidate struct {
		path string
		far  int
	}
	var found []candidate
	for _, e := range entries {
		far := distance(strings.ToLower(name), strings.ToLower(e.Name()))
		contains := strings.Contains(e.Name(), name) || strings.Contains(name, e.Name())
		if e.IsDir() && (contains || far < len(name) && far <= 1+len(name)/4) {
			found = append(found, candidate{path.Join(parent, e.Name()), far})
		}
	}
	slices.SortStableFunc(found, func(a, b candidate) int { return a.far - b.far })
	var out []string
	for _, c := range found[:min(len(found), nearLimit)] {
		out = append(out, c.path)
	}
	return out
}

// distance is the number of letters to add, drop or replace to get from a to b.
// Names are cut at 64 bytes.
func distance(a, b string) int {
	a, b = a[:min(len(a), 64)], b[:min(len(b), 64)]
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(row[j+1]+1, row[j]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}
