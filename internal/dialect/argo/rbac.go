package argo

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/plumbline-dev/plumbline/api/argoproj/v1alpha1"
	"github.com/plumbline-dev/plumbline/internal/core/rbac"
)

// AccessName is the ConfigMap that says who may do what.
const AccessName = "argocd-rbac-cm"

// DecodeAccess reads the data of that ConfigMap and the roles of projects. The error
// joins what cannot be read; the policy has the rest.
func DecodeAccess(data map[string]string, projects []v1alpha1.AppProject) (rbac.Policy, error) {
	policy := rbac.Policy{Default: data["policy.default"]}
	var faults []error
	fault := func(where string, err error) {
		if err != nil {
			for line := range strings.SplitSeq(err.Error(), "\n") {
				faults = append(faults, fmt.Errorf("%s: %s", where, line))
			}
		}
	}
	switch mode := data["policy.matchMode"]; mode {
	case "", "glob":
	case "regex":
		policy.Regex = true
	default:
		fault(AccessName, fmt.Errorf("policy.matchMode: %q is neither glob nor regex", mode))
	}
	for _, key := range slices.Sorted(maps.Keys(data)) {
		if key != "policy.csv" && !(strings.HasPrefix(key, "policy.") && strings.HasSuffix(key, ".csv")) {
			continue
		}
		rules, bindings, err := rbac.Parse(data[key])
		fault(AccessName+": "+key, err)
		policy = policy.With(rules, bindings)
	}
	for _, p := range projects {
		for _, r := range p.Spec.Roles {
			rules, bindings, err := rbac.ProjectRole{Project: p.Name, Name: r.Name, Policies: r.Policies, Groups: r.Groups}.Parse()
			fault(fmt.Sprintf("project %s: role %s", p.Name, r.Name), err)
			policy = policy.With(rules, bindings)
		}
	}
	return policy, errors.Join(faults...)
}
