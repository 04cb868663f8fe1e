package rbac

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParse(t *testing.T) {
	rules, bindings, err := Parse(`
# the team
p, role:ops, applications, sync, shop/*, allow
p,role:ops,applications,delete,"shop/a,b",deny

g, ann, role:ops
p, role:ops, applications, sync, shop/*, maybe
g, ann
x, y
`)
	wantRules := []Rule{{"role:ops", "applications", "sync", "shop/*", false}, {"role:ops", "applications", "delete", "shop/a,b", true}}
	if d := cmp.Diff(wantRules, rules); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]Binding{{"ann", "role:ops"}}, bindings); d != "" {
		t.Error(d)
	}
	if err == nil || strings.Count(err.Error(), "\n") != 2 || !strings.Contains(err.Error(), `line 7: "p, role:ops, applications, sync, shop/*, maybe" is neither`) {
		t.Errorf("%v", err)
	}
}

func TestAsk(t *testing.T) {
	rules, bindings, err := Parse(`
p, role:ops, applications, *, shop/*, allow
p, role:ops, applications, delete, shop/prod-*, deny
p, role:lead, projects, update, shop, allow
p, eve, applications, get, */*, deny
p, ann, logs, get, [broken, allow
g, role:lead, role:ops
g, my-org:leads, role:lead
g, round, about
g, about, round
`)
	if err != nil {
		t.Fatal(err)
	}
	policy := Policy{Rules: rules, Bindings: bindings}
	reading := policy
	reading.Default = ReadOnly
	regex := Policy{Regex: true, Rules: []Rule{{Subject: "ann", Resource: "applications", Action: "sync|get", Object: `shop/[a-z]+`}}}
	for name, test := range map[string]struct {
		policy   Policy
		subjects string
		question string
		want     bool
		rule     string
		role     string
	}{
		"by a role":       {policy, "ann role:ops", "applications sync shop/web", true, "p, role:ops, applications, *, shop/*, allow", ""},
		"denied":          {policy, "role:ops", "applications delete shop/prod-web", false, "p, role:ops, applications, delete, shop/prod-*, deny", ""},
		"by a group":      {policy, "ann my-org:leads", "projects update shop", true, "p, role:lead, projects, update, shop, allow", "role:lead"},
		"by a group, far": {policy, "ann my-org:leads", "applications sync shop/web", true, "p, role:ops, applications, *, shop/*, allow", "role:ops"},
		"nobody":          {policy, "bob", "applications get shop/web", false, "", ""},
		"default":         {reading, "bob", "applications get shop/web", true, "p, role:readonly, *, get, *, allow", "role:readonly"},
		"default first":   {reading, "eve", "applications get shop/web", true, "p, role:readonly, *, get, *, allow", "role:readonly"},
		"without default": {policy, "eve", "applications get shop/web", false, "p, eve, applications, get, */*, deny", ""},
		"more than it":    {reading, "bob", "applications sync shop/web", false, "", ""},
		"admin":           {policy, "admin", "clusters delete https://x", true, "p, role:admin, *, *, *, allow", "role:admin"},
		"another project": {policy, "role:ops", "applications sync bank/web", false, "", ""},
		"broken pattern":  {policy, "ann", "logs get [broken", false, "", ""},
		"in a circle":     {policy, "round", "logs get x", false, "", ""},
		"regex":           {regex, "ann", "applications sync shop/web", true, "p, ann, applications, sync|get, shop/[a-z]+, allow", ""},
		"regex, within":   {regex, "ann", "applications sync shop/web2", true, "p, ann, applications, sync|get, shop/[a-z]+, allow", ""},
		"regex, not":      {regex, "ann", "applications delete shop/web", false, "", ""},
	} {
		words := strings.Fields(test.question)
		got := test.policy.Ask(Question{Subjects: strings.Fields(test.subjects), Resource: words[0], Action: words[1], Object: words[2]})
		rule := ""
		if got.Rule != (Rule{}) {
			rule = got.Rule.String()
		}
		if got.Allowed != test.want || rule != test.rule || got.Role != test.role {
			t.Errorf("%s: %t by %q of %q", name, got.Allowed, rule, got.Role)
		}
	}
}

// A project's role reaches nothing beyond the project.
func TestProjectRole(t *testing.T) {
	role := ProjectRole{Project: "shop", Name: "ci", Groups: []string{"my-org:ci"}, Policies: []string{
		"p, proj:shop:ci, applications, sync, shop/*, allow",
		"p, proj:shop:ci, applications, sync, bank/*, allow",
		"p, proj:shop:ci, applications, sync, *, allow",
		"p, proj:bank:ci, applications, sync, shop/*, allow",
		"p, proj:shop:ci, accounts, update, shop/x, allow",
		"g, eve, proj:shop:ci",
		"p, proj:shop:ci, applications, sync",
	}}
	rules, bindings, err := role.Parse()
	want := []Rule{{"proj:shop:ci", "projects", "get", "shop", false}, {"proj:shop:ci", "applications", "sync", "shop/*", false}}
	if d := cmp.Diff(want, rules); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]Binding{{"my-org:ci", "proj:shop:ci"}}, bindings); d != "" {
		t.Error(d)
	}
	if err == nil || strings.Count(err.Error(), "\n") != 5 || !strings.Contains(err.Error(), `reaches beyond project "shop"`) {
		t.Errorf("%v", err)
	}
	if v := (Policy{}).With(rules, bindings).Ask(Question{Subjects: []string{"my-org:ci"}, Resource: "applications", Action: "sync", Object: "shop/web"}); !v.Allowed {
		t.Error("the group has not what the role has")
	}
}

func FuzzParse(f *testing.F) {
	f.Add("p, role:ops, applications, sync, shop/*, allow\ng, a, b\n\"")
	f.Fuzz(func(_ *testing.T, text string) {
		rules, bindings, _ := Parse(text)
		(Policy{Rules: rules, Bindings: bindings}).Ask(Question{Subjects: []string{"a"}, Resource: "x", Action: "y", Object: text})
	})
}
