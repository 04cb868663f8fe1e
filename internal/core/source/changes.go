package source

import "path"

// Changes are the paths at which two trees differ. The zero value: none.
type Changes struct {
	at map[string]bool // of the entries that differ and of all directories above; true: with all that is below
}

// A Differ is a Tree that can tell how it differs from another one without reading
// what is the same in both.
type Differ interface {
	Tree

	// Since returns the changes from old to this tree, and false if it cannot tell.
	Since(old Tree) (Changes, bool)
}

// Add notes that what is at a path has changed. With whole, one of the trees has
// nothing there, or another kind of thing: whatever is below has changed as well.
func (c *Changes) Add(name string, whole bool) {
	if c.at == nil {
		c.at = map[string]bool{}
	}
	c.at[name] = c.at[name] || whole
	for dir := name; dir != "."; {
		dir = path.Dir(dir)
		if _, known := c.at[dir]; known {
			return
		}
		c.at[dir] = false
	}
}

// Len returns the number of paths that Changes takes room for.
func (c Changes) Len() int { return len(c.at) }

// Touch reports whether anything in a link-free directory has changed. Links from
// it to elsewhere are not followed.
func (c Changes) Touch(dir string) bool {
	if _, changed := c.at[dir]; changed {
		return true
	}
	for dir != "." {
		dir = path.Dir(dir)
		if whole, known := c.at[dir]; known {
			return whole
		}
	}
	return false
}
