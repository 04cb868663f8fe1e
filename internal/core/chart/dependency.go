package chart

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/Masterminds/semver/v3"
	"sigs.k8s.io/yaml"

	"github.com/plumbline-dev/plumbline/internal/core/source"
)

// Dependency is a chart that another one lists and does not bring along.
type Dependency struct {
	Name       string `json:"name"`
	Version    string `json:"version"` // or a range of versions
	Repository string `json:"repository"`
}

// Exact reports whether the version is one, rather than a range.
func (d Dependency) Exact() bool {
	_, err := semver.StrictNewVersion(strings.TrimPrefix(d.Version, "v"))
	return err == nil
}

// Mount is the name under which the tree of a chart's repository holds the files of a
// dependency that was fetched, see source.Mounted: another one for each that is listed
// differently. No source can have an alias of this kind.
func (d Dependency) Mount() string {
	sum := sha256.Sum256([]byte(d.Repository + "\x00" + d.Name + "\x00" + d.Version))
	return "chart:" + d.Name + ":" + hex.EncodeToString(sum[:8])
}

// RepositoryName returns the name that a dependency has in place of a repository's URL,
// as "@name" or "alias:name", and false if it has none.
func RepositoryName(repository string) (string, bool) {
	if name, ok := strings.CutPrefix(repository, "@"); ok {
		return name, true
	}
	return strings.CutPrefix(repository, "alias:")
}

// manifest is what is read of a Chart.yaml, a requirements.yaml or a Chart.lock.
type manifest struct {
	Dependencies []Dependency `json:"dependencies"`
}

// maxDependencies bounds how many charts one chart may list, and how deep they nest.
const (
	maxDependencies = 100
	maxNesting      = 16
)

// Dependencies lists what the chart in a directory, and the charts that it refers to
// by path, depend on and do not bring along in their directories "charts". Locked are
// the versions of Chart.lock, where that lists them. It is empty for what is no chart.
func Dependencies(tree source.Tree, dir string) ([]Missing, error) {
	l := listing{tree: tree}
	if err := l.list(dir, 0); err != nil {
		return nil, err
	}
	return l.found, nil
}

// Missing is a dependency that has to be fetched, and in which version.
type Missing struct {
	Listed Dependency // as Chart.yaml says
	Fetch  Dependency // as Chart.lock says, or the same
}

type listing struct {
	tree  source.Tree
	found []Missing
}

func (l *listing) list(dir string, depth int) error {
	if depth > maxNesting {
		return fmt.Errorf("chart in %q: dependencies are nested more than %d deep", dir, maxNesting)
	}
	var listed, locked manifest
	for _, name := range []string{"Chart.yaml", "requirements.yaml"} {
		more, err := l.read(path.Join(dir, name))
		if err != nil {
			return err
		}
		listed.Dependencies = append(listed.Dependencies, more.Dependencies...)
	}
	if len(listed.Dependencies) == 0 {
		return nil
	}
	if len(listed.Dependencies) > maxDependencies {
		return fmt.Errorf("chart in %q: it lists %d dependencies, more than %d", dir, len(listed.Dependencies), maxDependencies)
	}
	for _, name := range []string{"Chart.lock", "requirements.lock"} {
		more, err := l.read(path.Join(dir, name))
		if err != nil {
			return err
		}
		locked.Dependencies = append(locked.Dependencies, more.Dependencies...)
	}
	vendored := l.vendored(dir)
	for _, d := range listed.Dependencies {
		rel, local := strings.CutPrefix(d.Repository, "file://")
		switch {
		case vendored(d.Name), d.Repository == "":
		case local && fs.ValidPath(path.Join(dir, rel)):
			if err := l.list(path.Join(dir, rel), depth+1); err != nil {
				return err
			}
		case !local:
			l.found = append(l.found, Missing{Listed: d, Fetch: lockOf(d, locked.Dependencies)})
		}
	}
	return nil
}

// lockOf returns d with the version that a lock file has for it, where that is within
// what is listed: a lock that was not brought up to date says nothing.
func lockOf(d Dependency, locked []Dependency) Dependency {
	within, err := semver.NewConstraint(d.Version)
	for _, l := range locked {
		if version, bad := semver.NewVersion(l.Version); l.Name == d.Name && bad == nil && (err != nil || within.Check(version)) {
			d.Version = l.Version
		}
	}
	return d
}

func (l *listing) read(name string) (manifest, error) {
	var m manifest
	text, err := l.tree.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return m, nil
	}
	if err != nil {
		return m, err
	}
	if err := yaml.Unmarshal(text, &m); err != nil {
		return m, fmt.Errorf("%s: %w", name, err)
	}
	return m, nil
}

// vendored tells which charts lie in the directory "charts".
func (l *listing) vendored(dir string) func(name string) bool {
	entries, err := l.tree.ReadDir(path.Join(dir, "charts"))
	if err != nil {
		return func(string) bool { return false }
	}
	return func(name string) bool {
		return slices.ContainsFunc(entries, func(e fs.DirEntry) bool {
			rest, begins := strings.CutPrefix(e.Name(), name)
			if e.Name() == name {
				return true
			}
			version, archive := strings.CutSuffix(strings.TrimPrefix(rest, "-"), ".tgz")
			_, err := semver.NewVersion(version)
			return begins && archive && err == nil
		})
	}
}
