package app

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/gobwas/glob"
)

// Patterns are names, globs, and between slashes regular expressions of names.
type Patterns []string

// Match reports whether one of the patterns matches a name. One that cannot be read
// matches nothing, see Check.
func (l Patterns) Match(name string) bool {
	for _, text := range l {
		if matches, err := pattern(text); err == nil && matches(name) {
			return true
		}
	}
	return false
}

// Check reports the first pattern that cannot be read.
func (l Patterns) Check() error {
	for _, text := range l {
		if _, err := pattern(text); err != nil {
			return fmt.Errorf("pattern %q: %w", text, err)
		}
	}
	return nil
}

func pattern(text string) (func(string) bool, error) {
	if len(text) > 2 && strings.HasPrefix(text, "/") && strings.HasSuffix(text, "/") {
		re, err := regexp.Compile(text[1 : len(text)-1])
		if err != nil {
			return nil, err
		}
		return re.MatchString, nil
	}
	g, err := glob.Compile(text)
	if err != nil {
		return nil, err
	}
	return g.Match, nil
}
