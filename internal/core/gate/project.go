package gate

import (
	"path"
	"slices"
	"strings"

	"github.com/gobwas/glob"

	"github.com/plumbline-dev/plumbline/internal/core/app"
	"github.com/plumbline-dev/plumbline/internal/core/condition"
	"github.com/plumbline-dev/plumbline/internal/core/object"
	"github.com/plumbline-dev/plumbline/internal/core/signature"
	"github.com/plumbline-dev/plumbline/internal/core/source"
)

// Admit checks what a project says about where an application comes from and
// goes to; at is the registered cluster of that. A cluster of the project's own needs no
// rule. Kinds are checked object by object with Permits. A nil error admits.
func Admit(p app.Project, sources []app.Source, to app.Destination, at app.Cluster) error {
	if len(p.Unsupported) > 0 {
		return condition.Newf(condition.NotSupported,
			"project '%s' has rules that this version cannot keep, and nothing is applied against them: %s", p.Name, strings.Join(p.Unsupported, ", "))
	}
	for _, from := range sources {
		if !sourceAllowed(p.SourceRepos, from.URL) {
			return condition.Newf(condition.NotPermitted,
				"application repo %s is not permitted in project '%s'", source.Redact(from.URL), p.Name)
		}
	}
	switch own := at.Project != "" && at.Project == p.Name; {
	case at.Project != "" && !own:
		return condition.Newf(condition.NotPermitted,
			"application destination server '%s' belongs to project '%s', and the application to project '%s'", to.Server, at.Project, p.Name)
	case p.OwnClustersOnly && !own:
		return condition.Newf(condition.NotPermitted,
			"project '%s' permits only clusters that are registered for it, and '%s' is not", p.Name, firstNonEmpty(to.Server, to.Cluster))
	case !own && !destinationAllowed(p.Destinations, to, to.Namespace):
		return condition.Newf(condition.NotPermitted,
			"application destination server '%s' and namespace '%s' do not match any of the allowed destinations in project '%s'",
			firstNonEmpty(to.Server, to.Cluster), to.Namespace, p.Name)
	}
	return nil
}

// Permits checks one object: its kind against the project's lists and, when it
// is namespaced, its namespace against the destinations, as Admit does. A nil error
// permits.
func Permits(p app.Project, key object.Key, to app.Destination, at app.Cluster) error {
	if err := at.Holds(key.Namespace); err != nil {
		return condition.Because(condition.NotPermitted, err)
	}
	if key.Namespace == "" {
		if matchesKind(p.ClusterDeny, key) || !matchesKind(p.ClusterAllow, key) {
			return condition.Newf(condition.NotPermitted, "resource %s:%s is not permitted in project %s", key.Group, key.Kind, p.Name)
		}
		return nil
	}
	if matchesKind(p.ObjectDeny, key) || (p.ObjectAllow != nil && !matchesKind(p.ObjectAllow, key)) {
		return condition.Newf(condition.NotPermitted, "resource %s:%s is not permitted in project %s", key.Group, key.Kind, p.Name)
	}
	if own := at.Project != "" && at.Project == p.Name; !own && !destinationAllowed(p.Destinations, to, key.Namespace) {
		return condition.Newf(condition.NotPermitted, "namespace %s is not permitted in project '%s'", key.Namespace, p.Name)
	}
	return nil
}

// SignaturePolicy returns the first policy that is about a repository.
func SignaturePolicy(policies []signature.Policy, url string) (signature.Policy, bool) {
	i := slices.IndexFunc(policies, func(p signature.Policy) bool { return listed(p.Repos, url) })
	if i < 0 {
		return signature.Policy{}, false
	}
	return policies[i], true
}

// listed reports whether one of the patterns matches, and none that begins with "!".
func listed(patterns []string, url string) bool {
	found := false
	for _, pattern := range patterns {
		pattern, negative := strings.CutPrefix(pattern, "!")
		if matchesURL(pattern, url) {
			if negative {
				return false
			}
			found = true
		}
	}
	return found
}

// AdmitsSource reports whether a project permits a repository.
func AdmitsSource(p app.Project, url string) bool { return sourceAllowed(p.SourceRepos, url) }

// sourceAllowed: "!x" rejects what matches x at once and counts as allowing
// everything else; other patterns allow what they match.
func sourceAllowed(patterns []string, url string) bool {
	if climbs(url) {
		return false
	}
	allowed := false
	for _, pattern := range patterns {
		denied, negative := strings.CutPrefix(pattern, "!")
		switch {
		case negative && matchesURL(denied, url):
			return false
		case negative || matchesURL(pattern, url):
			allowed = true
		}
	}
	return allowed
}

// destinationAllowed reads the rules in order: a match permits, and a "!"
// pattern that is hit while the other half of the rule matches rejects at once.
func destinationAllowed(rules []app.DestinationRule, to app.Destination, namespace string) bool {
	allowed := false
	for _, rule := range rules {
		byServer := rule.Server != "" && negatable(rule.Server, to.Server)
		byName := rule.Name != "" && to.Cluster != "" && negatable(rule.Name, to.Cluster)
		cluster, inNamespace := byServer || byName, negatable(rule.Namespace, namespace)
		switch {
		case cluster && inNamespace:
			allowed = true
		case inNamespace && (vetoes(rule.Server, to.Server) || vetoes(rule.Name, to.Cluster)):
			return false
		case cluster && vetoes(rule.Namespace, namespace):
			return false
		}
	}
	return allowed
}

func negatable(pattern, value string) bool {
	if denied, negative := strings.CutPrefix(pattern, "!"); negative {
		return !globs(denied, value)
	}
	return globs(pattern, value)
}

func vetoes(pattern, value string) bool {
	denied, negative := strings.CutPrefix(pattern, "!")
	return negative && globs(denied, value)
}

func matchesKind(rules []app.KindRule, key object.Key) bool {
	for _, rule := range rules {
		if matched(rule.Group, key.Group) && matched(rule.Kind, key.Kind) && (rule.Name == "" || matched(rule.Name, key.Name)) {
			return true
		}
	}
	return false
}

// matched follows path.Match: "*" does not cross "/"; a broken pattern matches nothing.
func matched(pattern, value string) bool {
	ok, err := path.Match(pattern, value)
	return err == nil && ok
}

// globs matches with "*" for one segment and "**" for many when separators are
// given, and with "*" for anything when none are; a broken pattern matches nothing.
func globs(pattern, value string, separators ...rune) bool {
	compiled, err := glob.Compile(pattern, separators...)
	return err == nil && compiled.Match(value)
}

// matchesURL reports whether a pattern is for a repository, however its address is
// written: with a user, a port or a slash too many it is still the same one.
func matchesURL(pattern, url string) bool {
	if pattern == "*" {
		return true
	}
	pattern, url = plainURL(pattern), undotted(url)
	return globs(pattern, plainURL(url), '/') || globs(pattern, plainURL(source.NormalizeURL(url)), '/')
}

// climbs reports whether an address leads upwards on its way: where that ends is for
// the server to say, and for no pattern.
func climbs(url string) bool { return strings.Contains(undotted(url)+"/", "/../") }

// undotted writes dots as dots.
func undotted(url string) string {
	return strings.NewReplacer("%2e", ".", "%2E", ".").Replace(strings.TrimSpace(url))
}

// plainURL makes the spellings of one repository comparable.
func plainURL(url string) string {
	url = strings.ToLower(strings.TrimSpace(url))
	if user, path, scp := strings.Cut(url, ":"); scp && strings.Contains(user, "@") && !strings.HasPrefix(path, "//") {
		url = user + "/" + path
	}
	return strings.TrimSuffix(strings.TrimPrefix(url, "ssh://"), ".git")
}

func firstNonEmpty(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}
