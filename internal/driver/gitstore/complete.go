package gitstore

import (
	"fmt"
	"slices"
	"strings"
)

// AbbreviationError reports an abbreviated commit id that stands for no commit,
// or for more than one.
type AbbreviationError struct {
	Abbreviated string
	Candidates  []string // ids, sorted; empty if there is none
}

func (e *AbbreviationError) Error() string {
	if len(e.Candidates) == 0 {
		return fmt.Sprintf("commit %q: no commit starts like this: give the full id", e.Abbreviated)
	}
	list := strings.Join(e.Candidates[:min(len(e.Candidates), 3)], ", ")
	if n := len(e.Candidates) - 3; n > 0 {
		list += fmt.Sprintf(" and %d more", n)
	}
	return fmt.Sprintf("commit %q: stands for %s: give more digits", e.Abbreviated, list)
}

const leastDigits = 4

// complete returns the one commit whose id starts with the digits.
func (o *objects) complete(digits string) (string, error) {
	digits = strings.ToLower(digits)
	if len(digits) < leastDigits || len(digits) > 40 || strings.Trim(digits, "0123456789abcdef") != "" {
		return "", fmt.Errorf("commit %q: is not a commit id", digits)
	}
	found := map[string]bool{}
	err := guarded(oid{}, func() error {
		o.withPrefix(digits, func(id oid) {
			if k, _, err := o.statUnguarded(id); err == nil && k == kindCommit {
				found[id.String()] = true
			}
		})
		return nil
	})
	if err != nil {
		return "", err
	}
	var candidates []string
	for id := range found {
		candidates = append(candidates, id)
	}
	slices.Sort(candidates)
	if len(candidates) != 1 {
		return "", &AbbreviationError{digits, candidates}
	}
	return candidates[0], nil
}

func (o *objects) withPrefix(digits string, yield func(oid)) {
	for _, p := range *o.packs.Load() {
		p.withPrefix(digits, yield)
	}
	looseWithPrefix(o.dir, digits, yield)
	for _, other := range o.alternates {
		other.withPrefix(digits, yield)
	}
}
