package app

import "github.com/plumbline-dev/plumbline/internal/core/source"

// Lend returns the tree of each source, in which the files of the sources that have
// an alias can be read too: below "$" and the alias, see source.Mounted. trees are
// the sources' own, in the same order.
func Lend(sources []Source, trees []source.Tree) []source.Tree {
	lent := map[string]source.Tree{}
	for i, from := range sources {
		if from.Alias != "" {
			lent[from.Alias] = trees[i]
		}
	}
	all := make([]source.Tree, len(trees))
	for i, tree := range trees {
		all[i] = source.Mounted(tree, lent)
	}
	return all
}
