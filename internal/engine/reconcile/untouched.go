package reconcile

import (
	"context"

	"github.com/plumbline-dev/plumbline/internal/core/app"
	"github.com/plumbline-dev/plumbline/internal/core/render"
	"github.com/plumbline-dev/plumbline/internal/core/source"
	"github.com/plumbline-dev/plumbline/internal/engine/refresh"
)

// marked is what an application in sync rendered to, and the last revision for
// which that is known to be so.
type marked struct {
	render.Mark

	at string
}

// Untouched returns those readers of one repository for whom their new revision
// leaves everything as it is, so that there is no hurry to look at them. What is
// the same in both revisions is not looked at again for each reader.
func (r *Reconciler) Untouched(ctx context.Context, news []refresh.News) map[app.ID]bool {
	c := revisions{Reconciler: r, trees: map[string]source.Tree{}, changes: map[[2]string]*source.Changes{}}
	untouched := map[app.ID]bool{}
	for _, n := range news {
		if n.Asked || n.Revision.ID == "" {
			continue
		}
		r.mu.Lock()
		mem := r.memories[n.Reader]
		var mark marked
		if mem != nil {
			mark = mem.mark
		}
		r.mu.Unlock()
		if mark.Mark == (render.Mark{}) || !c.same(ctx, n, mark) {
			continue
		}
		untouched[n.Reader] = true
		r.mu.Lock()
		if mem.mark == mark {
			mem.mark.at = n.Revision.ID
		}
		r.mu.Unlock()
	}
	return untouched
}

// revisions are those of one repository that readers go from and to.
type revisions struct {
	*Reconciler

	trees   map[string]source.Tree
	changes map[[2]string]*source.Changes // from a revision to another; nil: it cannot be told
}

func (c *revisions) same(ctx context.Context, n refresh.News, mark marked) bool {
	if dir, alone := mark.Within(); alone {
		if changes := c.between(ctx, n, mark.at); changes != nil && !changes.Touch(dir) {
			return true
		}
	}
	tree := c.tree(ctx, n.Reader, n.Revision)
	return tree != nil && c.renders.Same(mark.Mark, tree)
}

func (c *revisions) between(ctx context.Context, n refresh.News, old string) *source.Changes {
	pair := [2]string{old, n.Revision.ID}
	changes, known := c.changes[pair]
	if known {
		return changes
	}
	now, ok := c.tree(ctx, n.Reader, n.Revision).(source.Differ)
	if ok {
		if found, told := now.Since(c.tree(ctx, n.Reader, source.Revision{ID: old})); told {
			changes = &found
		}
	}
	c.changes[pair] = changes
	return changes
}

// tree returns nil if the revision cannot be read.
func (c *revisions) tree(ctx context.Context, reader app.ID, rev source.Revision) source.Tree {
	tree, known := c.trees[rev.ID]
	if !known {
		var err error
		if tree, err = c.sources.Tree(ctx, reader, 0, rev); err != nil {
			tree = nil
		}
		c.trees[rev.ID] = tree
	}
	return tree
}
