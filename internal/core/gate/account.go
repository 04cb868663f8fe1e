package gate

import (
	"strings"

	"github.com/plumbline-dev/plumbline/internal/core/app"
	"github.com/plumbline-dev/plumbline/internal/core/condition"
)

// Account returns the user that everything of an application is written as: that of
// the first of the project's rules which matches the destination. Without rules it is
// empty, the engine itself; where there are rules and none matches, nothing may be
// written.
func Account(p app.Project, to app.Destination, namespace string) (string, error) {
	if len(p.Accounts) == 0 {
		return "", nil
	}
	for _, rule := range p.Accounts {
		if !globs(rule.Server, to.Server) || !globs(rule.Namespace, to.Namespace) {
			continue
		}
		in, name, given := strings.Cut(rule.Account, ":")
		if !given {
			in, name = firstNonEmpty(to.Namespace, namespace), rule.Account
		}
		if in == "" || name == "" || strings.ContainsAny(rule.Account, "!*[]{}/ ") || strings.Contains(name, ":") {
			return "", condition.Newf(condition.InvalidSpec,
				"project '%s': destinationServiceAccounts: %q is neither the name of a service account nor namespace:name", p.Name, rule.Account)
		}
		return "system:serviceaccount:" + in + ":" + name, nil
	}
	return "", condition.Newf(condition.NotPermitted,
		"project '%s' has no service account for destination server '%s' and namespace '%s' in destinationServiceAccounts", p.Name, to.Server, to.Namespace)
}
