package cli

import (
	"fmt"
	"strings"

	"github.com/plumbline-dev/plumbline/internal/core/app"
	"github.com/plumbline-dev/plumbline/internal/core/source"
)

// openClones opens the further repositories that are given as URL=DIR.
func (c *command) openClones(w *workspace, given []string) error {
	w.clones = map[string]*workspace{}
	for _, text := range given {
		i := strings.LastIndex(text, "=")
		if i <= 0 || i == len(text)-1 {
			return fmt.Errorf("--clone %q: want URL=DIR", text)
		}
		clone, err := c.openWorkspace(text[i+1:])
		if err != nil {
			return err
		}
		w.clones[source.NormalizeURL(text[:i])] = clone
	}
	return nil
}

// holds reports an error if the sources of an application are in more repositories
// than there are clones of.
func (w *workspace) holds(a app.Application) error {
	own := ""
	for _, from := range a.Sources {
		if w.clone(from) != nil {
			continue
		}
		if from.Ref.Packaged() {
			return fmt.Errorf("%s: %s of %s is fetched by the server only: unpack it, and give the directory with --clone %s=DIR",
				a.ID, from.Ref, source.Redact(from.URL), strings.TrimSuffix(source.Redact(from.URL)+"/"+from.Ref.Chart, "/"))
		}
		url := source.NormalizeURL(from.URL)
		if own != "" && own != url {
			return fmt.Errorf("%s: its sources are in several repositories: give a local clone of %s with --clone URL=DIR", a.ID, source.Redact(from.URL))
		}
		own = url
	}
	return nil
}

// clone returns the clone that a source is read from, if there is one.
func (w *workspace) clone(from app.Source) *workspace {
	if from.Ref.Chart != "" {
		if clone := w.clones[source.NormalizeURL(strings.TrimRight(from.URL, "/")+"/"+from.Ref.Chart)]; clone != nil {
			return clone
		}
	}
	return w.clones[source.NormalizeURL(from.URL)]
}

// trees returns the files of each source: of the clone of its repository as they
// are on disk, and else those given.
func (w *workspace) trees(sources []app.Source, given source.Tree) ([]source.Tree, error) {
	trees := make([]source.Tree, len(sources))
	for i, from := range sources {
		trees[i] = given
		if clone := w.clone(from); clone != nil {
			var err error
			if trees[i], err = clone.tree(""); err != nil {
				return nil, err
			}
		}
	}
	return app.Lend(sources, trees), nil
}
