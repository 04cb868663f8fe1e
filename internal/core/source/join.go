package source

import "strings"

// joint separates the parts of a joined revision. No identity of a commit, a
// version or an artifact contains it.
const joint = ","

// Join makes one revision of those that an application's sources have, in their
// order. That of a single source is the revision itself.
func Join(parts []Revision) Revision {
	names, ids := make([]string, len(parts)), make([]string, len(parts))
	named := false
	for i, part := range parts {
		names[i], ids[i] = strings.ReplaceAll(part.Name, joint, "_"), part.ID
		named = named || part.Name != ""
	}
	if len(parts) == 1 {
		return parts[0]
	}
	joined := Revision{ID: strings.Join(ids, joint)}
	if named {
		joined.Name = strings.Join(names, joint)
	}
	return joined
}

// Parts returns the n revisions that Join joined, and false if r does not consist
// of n.
func (r Revision) Parts(n int) ([]Revision, bool) {
	if n == 1 {
		return []Revision{r}, !strings.Contains(r.ID, joint)
	}
	ids := strings.Split(r.ID, joint)
	if len(ids) != n {
		return nil, false
	}
	names := strings.Split(r.Name, joint)
	parts := make([]Revision, n)
	for i, id := range ids {
		parts[i].ID = id
		if len(names) == n {
			parts[i].Name = names[i]
		}
	}
	return parts, true
}
