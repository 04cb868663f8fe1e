package app

import (
	"github.com/gobwas/glob"

	"github.com/plumbline-dev/plumbline/internal/core/object"
)

// Ignore leaves parts of some objects out of comparisons: they may differ from the
// source, and are not put back.
type Ignore struct {
	Group, Kind     string   // globs
	Namespace, Name string   // exact; empty: any
	Fields          []string // JSON pointers (RFC 6901)
	Queries         []string // jq path expressions, see package jq
	Managers        []string // field managers, for what they own
}

// Ignores are the rules of an application. They add up.
type Ignores []Ignore

// Of returns what is left out of comparisons of an object.
func (l Ignores) Of(key object.Key) (sum Ignore) {
	for _, rule := range l {
		if rule.about(key) {
			sum.Fields, sum.Queries = append(sum.Fields, rule.Fields...), append(sum.Queries, rule.Queries...)
			sum.Managers = append(sum.Managers, rule.Managers...)
		}
	}
	return sum
}

// Empty reports whether nothing is left out.
func (r Ignore) Empty() bool { return len(r.Fields)+len(r.Queries)+len(r.Managers) == 0 }

func (r Ignore) about(key object.Key) bool {
	return globbed(r.Group, key.Group) && globbed(r.Kind, key.Kind) &&
		(r.Name == "" || r.Name == key.Name) && (r.Namespace == "" || r.Namespace == key.Namespace)
}

func globbed(pattern, value string) bool {
	g, err := glob.Compile(pattern)
	return err == nil && g.Match(value)
}
