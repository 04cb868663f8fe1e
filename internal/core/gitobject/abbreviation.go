package gitobject

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

// An Abbreviation is the start of an id, in lower case.
type Abbreviation string

// ParseAbbreviation reads the start of an id: at least 4 hexadecimal digits.
func ParseAbbreviation(digits string) (Abbreviation, error) {
	digits = strings.ToLower(digits)
	if len(digits) < leastDigits || len(digits) > 2*len(ID{}) || strings.Trim(digits, "0123456789abcdef") != "" {
		return "", fmt.Errorf("commit %q: is not a commit id", digits)
	}
	return Abbreviation(digits), nil
}

// First returns the smallest id that starts like this.
func (a Abbreviation) First() ID {
	var low ID
	for i := range len(a) {
		low[i/2] |= unhex(a[i]) << (4 * (1 - i%2))
	}
	return low
}

// Matches reports whether an id starts like this.
func (a Abbreviation) Matches(id ID) bool { return strings.HasPrefix(id.String(), string(a)) }

// Only returns the one id that it stands for among those that match, which may
// repeat. It fails with *AbbreviationError.
func (a Abbreviation) Only(matches []ID) (string, error) {
	var candidates []string
	for _, id := range matches {
		candidates = append(candidates, id.String())
	}
	slices.Sort(candidates)
	candidates = slices.Compact(candidates)
	if len(candidates) != 1 {
		return "", &AbbreviationError{string(a), candidates}
	}
	return candidates[0], nil
}

func unhex(c byte) byte {
	if c >= 'a' {
		return c - 'a' + 10
	}
	return c - '0'
}
