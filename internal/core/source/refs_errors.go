package source

import (
	"fmt"
	"slices"
	"strings"
)

// UnresolvedError reports a reference that the remote does not offer.
type UnresolvedError struct {
	Ref  Ref      // what was asked for
	Near []string // up to three offered names, the most similar first
	More int      // how many offered names Near leaves out

	// Abbreviated is set when the text could be an abbreviated commit id, in
	// lower case; the store that has the commits can complete it.
	Abbreviated string

	offers string // what Near lists: "branches", "tags" or "references"
}

func (e *UnresolvedError) Error() string {
	subject := e.Ref.String()
	switch {
	case len(e.Near) == 0 && e.offers == "references":
		return subject + " does not exist: the repository is empty"
	case len(e.Near) == 0:
		return fmt.Sprintf("%s does not exist: the repository has no %s", subject, e.offers)
	}
	quoted := make([]string, len(e.Near))
	for i, name := range e.Near {
		quoted[i] = fmt.Sprintf("%q", name)
	}
	list := strings.Join(quoted, ", ")
	if e.More > 0 {
		list += fmt.Sprintf(" and %d more", e.More)
	}
	return fmt.Sprintf("%s does not exist: the repository has the %s %s", subject, e.offers, list)
}

// RangeError reports text that should be a version range and is none.
type RangeError struct {
	Range string
}

func (e *RangeError) Error() string {
	return fmt.Sprintf("version range %q: not a version range, use for example \"1.x\", \"^1.2\" or \">=1.2 <2\"", e.Range)
}

func (r Ref) unresolved(refs Refs) *UnresolvedError {
	err := &UnresolvedError{Ref: r}
	var wanted string
	var offered []string
	switch r.explicit() {
	case "branch":
		err.offers, wanted, offered = "branches", r.Branch, refs.Branches()
	case "tag":
		err.offers, wanted, offered = "tags", r.Tag, refs.Tags()
	case "semver":
		err.offers, wanted, offered = "tags", r.TagPrefix+strings.TrimLeft(r.SemVer, "^~<>=! "), refs.Tags()
	case "name":
		err.offers, wanted, offered = "references", r.Name, refs.all("")
	default:
		err.offers, wanted, offered = "references", r.Any+r.Commit, refs.all("refs/")
	}
	near := nearest(wanted, offered)
	err.Near, err.More = near, len(offered)-len(near)
	return err
}

// all returns every name but HEAD; branches and tags in short form unless the
// caller looks for full names.
func (r Refs) all(trim string) []string {
	var names []string
	for name := range r {
		if name == "HEAD" {
			continue
		}
		if trim != "" {
			name = strings.TrimPrefix(strings.TrimPrefix(name, headsPrefix), tagsPrefix)
		}
		names = append(names, name)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// nearest returns up to three of the names, by edit distance, then by name.
func nearest(wanted string, names []string) []string {
	const candidates, width = 2000, 64 // bounds the work for remotes with very many names
	type scored struct {
		name  string
		score int
	}
	list := make([]scored, 0, min(len(names), candidates))
	for _, name := range names[:min(len(names), candidates)] {
		a, b := strings.ToLower(wanted), strings.ToLower(name)
		score := distance(a[:min(len(a), width)], b[:min(len(b), width)])
		if a != "" && b != "" && (strings.Contains(a, b) || strings.Contains(b, a)) {
			score /= 2
		}
		list = append(list, scored{name, score})
	}
	slices.SortStableFunc(list, func(x, y scored) int { return x.score - y.score })
	var out []string
	for _, s := range list[:min(len(list), 3)] {
		out = append(out, s.name)
	}
	return out
}

// distance is the edit distance between two short strings.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}
