package source

// Whole returns a tree for a reader that reads everything: where reads are noted, one
// note stands for all of them.
func Whole(t Tree) (Tree, error) {
	if r, ok := t.(*Recorder); ok {
		if _, err := r.ID("."); err != nil {
			return nil, err
		}
		return r.tree, nil
	}
	return t, nil
}
