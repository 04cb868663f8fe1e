// Package rbac decides who may do what with applications and the like.
//
// In go policies as lines of text, the names under which somebody is known, and a
// question; out comes yes or no, and the rule that decides. Nobody is asked and
// nothing is enforced here.
package rbac

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"github.com/gobwas/glob"
)

// Rule says what a subject may do, or may not.
type Rule struct {
	Subject  string // a role, a user or a group
	Resource string
	Action   string
	Object   string
	Deny     bool
}

// String writes the rule as it stands in a policy.
func (r Rule) String() string {
	effect := "allow"
	if r.Deny {
		effect = "deny"
	}
	return strings.Join([]string{"p", r.Subject, r.Resource, r.Action, r.Object, effect}, ", ")
}

// Binding gives somebody, or a role, what a role may do.
type Binding struct{ Who, Role string }

// Policy is all rules together.
type Policy struct {
	Rules    []Rule
	Bindings []Binding
	Default  string // role of everybody; what it allows nobody is denied
	Regex    bool   // patterns are regular expressions instead of globs
}

// Roles that there are anyway.
const (
	ReadOnly = "role:readonly"
	Admin    = "role:admin"
)

// builtin is what they may do.
var builtin = Policy{
	Rules: []Rule{
		{Subject: ReadOnly, Resource: "*", Action: "get", Object: "*"},
		{Subject: Admin, Resource: "*", Action: "*", Object: "*"},
	},
	Bindings: []Binding{{"admin", Admin}},
}

// Parse reads lines such as "p, role:ops, applications, sync, shop/*, allow" and
// "g, ann, role:ops", among empty ones and comments. A line that cannot be read is named
// in the error, which joins those of all of them; the others are returned.
func Parse(text string) (rules []Rule, bindings []Binding, err error) {
	var faults []error
	for n, line := range strings.Split(text, "\n") {
		if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		reader := csv.NewReader(strings.NewReader(line))
		reader.TrimLeadingSpace = true
		fields, err := reader.Read()
		if err != nil && !errors.Is(err, io.EOF) {
			faults = append(faults, fmt.Errorf("line %d: %q is no list with commas between", n+1, line))
			continue
		}
		for i := range fields {
			fields[i] = strings.TrimSpace(fields[i])
		}
		switch {
		case len(fields) == 3 && fields[0] == "g":
			bindings = append(bindings, Binding{fields[1], fields[2]})
		case len(fields) == 6 && fields[0] == "p" && (fields[5] == "allow" || fields[5] == "deny"):
			rules = append(rules, Rule{fields[1], fields[2], fields[3], fields[4], fields[5] == "deny"})
		default:
			faults = append(faults, fmt.Errorf("line %d: %q is neither \"p, SUBJECT, RESOURCE, ACTION, OBJECT, allow|deny\" nor \"g, SUBJECT, ROLE\"", n+1, line))
		}
	}
	return rules, bindings, errors.Join(faults...)
}

// With returns the policy with more rules and bindings.
func (p Policy) With(rules []Rule, bindings []Binding) Policy {
	p.Rules = slices.Concat(p.Rules, rules)
	p.Bindings = slices.Concat(p.Bindings, bindings)
	return p
}

// Question is what somebody wants to do.
type Question struct {
	Subjects                 []string // names that they are known under: a user, groups, roles
	Resource, Action, Object string
}

// Verdict is the answer.
type Verdict struct {
	Allowed bool
	Rule    Rule   // that decides; the zero Rule: none is about the question
	Role    string // by which it is theirs; empty: their own name
}

// Ask answers a question: yes if a rule allows it and none denies it, or if the default
// role may.
func (p Policy) Ask(q Question) Verdict {
	all := p.With(builtin.Rules, builtin.Bindings)
	if p.Default != "" {
		if v := all.ask(q, []string{p.Default}); v.Allowed {
			return v
		}
	}
	return all.ask(q, q.Subjects)
}

func (p Policy) ask(q Question, subjects []string) Verdict {
	roles := p.rolesOf(subjects)
	var found Verdict
	for _, rule := range p.Rules {
		if !slices.Contains(roles, rule.Subject) || !p.about(rule, q) {
			continue
		}
		v := Verdict{Allowed: !rule.Deny, Rule: rule}
		if !slices.Contains(q.Subjects, rule.Subject) {
			v.Role = rule.Subject
		}
		if rule.Deny {
			return v
		}
		if !found.Allowed {
			found = v
		}
	}
	return found
}

// rolesOf returns subjects with the roles that they have, by whatever way.
func (p Policy) rolesOf(subjects []string) []string {
	roles := slices.Clone(subjects)
	for i := 0; i < len(roles); i++ {
		for _, b := range p.Bindings {
			if b.Who == roles[i] && !slices.Contains(roles, b.Role) {
				roles = append(roles, b.Role)
			}
		}
	}
	return roles
}

func (p Policy) about(rule Rule, q Question) bool {
	return p.matches(rule.Resource, q.Resource) && p.matches(rule.Action, q.Action) && p.matches(rule.Object, q.Object)
}

// matches holds a pattern against a value; a broken one matches nothing.
func (p Policy) matches(pattern, value string) bool {
	if p.Regex {
		found, err := regexp.MatchString(pattern, value) // anywhere in it: who means all of it writes ^ and $
		return err == nil && found
	}
	g, err := glob.Compile(pattern)
	return err == nil && g.Match(value)
}

// ProjectRole is a role that a project defines.
type ProjectRole struct {
	Project, Name string
	Policies      []string
	Groups        []string
}

// Subject is the name of the role in policies.
func (r ProjectRole) Subject() string { return "proj:" + r.Project + ":" + r.Name }

// within are the resources that a project's own policies may be about.
var within = []string{"applications", "applicationsets", "repositories", "clusters", "exec", "logs"}

// Parse reads the policies of the role. What reaches beyond its project is refused.
func (r ProjectRole) Parse() ([]Rule, []Binding, error) {
	rules, bindings, err := Parse(strings.Join(r.Policies, "\n"))
	faults := []error{err}
	if len(bindings) > 0 {
		faults = append(faults, errors.New("a role of a project has no lines that begin with g: its members are in groups"))
	}
	kept := []Rule{{Subject: r.Subject(), Resource: "projects", Action: "get", Object: r.Project}}
	for _, rule := range rules {
		switch {
		case rule.Subject != r.Subject():
			faults = append(faults, fmt.Errorf("%q is about %q, want %q", rule, rule.Subject, r.Subject()))
		case !slices.Contains(within, rule.Resource):
			faults = append(faults, fmt.Errorf("%q is about %q, want one of %s", rule, rule.Resource, strings.Join(within, ", ")))
		case !strings.HasPrefix(rule.Object, r.Project+"/"):
			faults = append(faults, fmt.Errorf("%q reaches beyond project %q: its object has to begin with %q", rule, r.Project, r.Project+"/"))
		default:
			kept = append(kept, rule)
		}
	}
	var members []Binding
	for _, group := range r.Groups {
		members = append(members, Binding{group, r.Subject()})
	}
	return kept, members, errors.Join(faults...)
}
