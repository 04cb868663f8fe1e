package gate_test

import (
	"strings"
	"testing"

	"github.com/plumbline-dev/plumbline/internal/core/app"
	"github.com/plumbline-dev/plumbline/internal/core/gate"
)

func TestAccount(t *testing.T) {
	to := app.Destination{Server: "https://west", Namespace: "shop"}
	rule := func(server, namespace, account string) app.AccountRule {
		return app.AccountRule{Server: server, Namespace: namespace, Account: account}
	}
	for name, test := range map[string]struct {
		rules     []app.AccountRule
		namespace string // of the destination
		want, err string
	}{
		"no rules":         {nil, "shop", "", ""},
		"in the namespace": {[]app.AccountRule{rule("*", "shop", "deployer")}, "shop", "system:serviceaccount:shop:deployer", ""},
		"in another":       {[]app.AccountRule{rule("https://*", "*", "ops:deployer")}, "shop", "system:serviceaccount:ops:deployer", ""},
		"the first":        {[]app.AccountRule{rule("https://east", "*", "a"), rule("*", "sh*", "b"), rule("*", "*", "c")}, "shop", "system:serviceaccount:shop:b", ""},
		"no namespace":     {[]app.AccountRule{rule("*", "*", "deployer")}, "", "system:serviceaccount:argocd:deployer", ""},
		"none matches":     {[]app.AccountRule{rule("https://east", "*", "a")}, "shop", "", "has no service account for destination server 'https://west' and namespace 'shop'"},
		"a glob":           {[]app.AccountRule{rule("*", "*", "ops:*")}, "shop", "", "is neither the name of a service account"},
		"a negation":       {[]app.AccountRule{rule("*", "*", "!deployer")}, "shop", "", "is neither"},
		"empty":            {[]app.AccountRule{rule("*", "*", "")}, "shop", "", "is neither"},
		"a user":           {[]app.AccountRule{rule("*", "*", "system:serviceaccount:a:b")}, "shop", "", "is neither"},
	} {
		to.Namespace = test.namespace
		got, err := gate.Account(app.Project{Name: "team", Accounts: test.rules}, to, "argocd")
		if got != test.want || (err == nil) != (test.err == "") || err != nil && !strings.Contains(err.Error(), test.err) {
			t.Errorf("%s: %q, %v, want %q %s", name, got, err, test.want, test.err)
		}
	}
}
