package gate_test

import (
	"strings"
	"testing"

	"github.com/plumbline-dev/plumbline/internal/core/app"
	"github.com/plumbline-dev/plumbline/internal/core/condition"
	"github.com/plumbline-dev/plumbline/internal/core/gate"
	"github.com/plumbline-dev/plumbline/internal/core/object"
)

const here = "https://kubernetes.default.svc"

var anywhere = []app.DestinationRule{{Server: "*", Namespace: "*"}}

// admitted checks an error against a piece of its text; none means admitted.
func admitted(t *testing.T, reason string, err error, refused string) {
	t.Helper()
	switch {
	case refused == "" && err != nil:
		t.Errorf("%s: refused: %v", reason, err)
	case refused != "" && err == nil:
		t.Errorf("%s: admitted", reason)
	case refused != "" && !strings.Contains(err.Error(), refused):
		t.Errorf("%s: refused with %q, want %q in it", reason, err, refused)
	case refused != "" && condition.Of(err, condition.InvalidSpec).Reason != condition.NotPermitted:
		t.Errorf("%s: refused as %s", reason, condition.Of(err, condition.InvalidSpec).Reason)
	}
}

func TestSourceRepos(t *testing.T) {
	const no = "is not permitted in project 'team'"
	for name, test := range map[string]struct {
		reason  string
		repos   []string
		url     string
		refused string
	}{
		"none":             {"an empty list allows nothing", nil, "https://git.example/a", no},
		"star":             {"a bare star allows everything", []string{"*"}, "https://git.example/a/b/c", ""},
		"exact":            {"an exact entry allows its repository", []string{"https://git.example/org/a"}, "https://git.example/org/a", ""},
		"other":            {"and no other", []string{"https://git.example/org/a"}, "https://git.example/org/ab", no},
		"case":             {"case does not matter", []string{"https://Git.Example/Org/A"}, "https://git.example/org/a", ""},
		"suffix":           {".git does not matter", []string{"https://git.example/org/a.git"}, "https://git.example/org/a", ""},
		"suffix of url":    {".git does not matter on the other side", []string{"https://git.example/org/a"}, "https://git.example/org/a.git", ""},
		"scp":              {"the two spellings of ssh are one", []string{"ssh://git@git.example/org/a"}, "git@git.example:org/a.git", ""},
		"segment":          {"a star is one segment", []string{"https://git.example/org/*"}, "https://git.example/org/a", ""},
		"two segments":     {"and not two", []string{"https://git.example/org/*"}, "https://git.example/org/a/b", no},
		"many segments":    {"two stars are many", []string{"https://git.example/**"}, "https://git.example/org/a/b", ""},
		"no other host":    {"a star does not reach into the host", []string{"https://*/org/a"}, "https://git.example/evil/org/a", no},
		"denied":           {"a negated entry refuses what it names", []string{"!https://git.example/secret"}, "https://git.example/secret", no},
		"complement":       {"and allows everything else", []string{"!https://git.example/secret"}, "https://git.example/a", ""},
		"denied wins":      {"it wins over an entry before it", []string{"*", "!https://git.example/secret/**"}, "https://git.example/secret/a", no},
		"denied wins late": {"and over one after it", []string{"!https://git.example/secret/**", "*"}, "https://git.example/secret/a", no},
		"denied slash":     {"with a slash too many", []string{"!https://git.example/secret"}, "https://git.example/secret/", no},
		"denied user":      {"with a user", []string{"!https://git.example/secret"}, "https://me@git.example/secret", no},
		"denied port":      {"or with the port that it has anyway", []string{"!https://git.example/secret"}, "https://git.example:443/secret", no},
		"climbs":           {"what leads upwards is for no pattern", []string{"https://git.example/org/**"}, "https://git.example/org/../secret", no},
		"climbs in code":   {"in whatever spelling", []string{"https://git.example/org/**"}, "https://git.example/org/%2E%2e/secret", no},
		"climbs for all":   {"not even for the star", []string{"*"}, "https://git.example/org/a/..", no},
		"dots":             {"dots in names lead nowhere", []string{"https://git.example/org/*"}, "https://git.example/org/a..b", ""},
		"broken":           {"a broken pattern allows nothing", []string{"https://git.example/[a"}, "https://git.example/[a", no},
		"no secrets":       {"a password in the URL is not repeated", nil, "https://ada:hunter2@git.example/a", "repo https://git.example/a is"},
	} {
		t.Run(name, func(t *testing.T) {
			p := app.Project{Name: "team", SourceRepos: test.repos, Destinations: anywhere}
			err := gate.Admit(p, []app.Source{{URL: test.url}}, app.Destination{Server: here, Namespace: "shop"}, app.Cluster{})
			admitted(t, test.reason, err, test.refused)
			if err != nil && strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the error repeats a password: %v", err)
			}
		})
	}
}

func TestDestinations(t *testing.T) {
	const no = "do not match any of the allowed destinations in project 'team'"
	rules := func(list ...app.DestinationRule) []app.DestinationRule { return list }
	type rule = app.DestinationRule
	for name, test := range map[string]struct {
		reason  string
		rules   []app.DestinationRule
		to      app.Destination
		refused string
	}{
		"none":             {"an empty list allows nothing", nil, app.Destination{Server: here, Namespace: "shop"}, no},
		"exact":            {"server and namespace match", rules(rule{Server: here, Namespace: "shop"}), app.Destination{Server: here, Namespace: "shop"}, ""},
		"other namespace":  {"both have to match", rules(rule{Server: here, Namespace: "shop"}), app.Destination{Server: here, Namespace: "till"}, no},
		"other server":     {"both have to match", rules(rule{Server: "https://other", Namespace: "shop"}), app.Destination{Server: here, Namespace: "shop"}, no},
		"by name":          {"a name may match in place of the server", rules(rule{Name: "in-cluster", Namespace: "*"}), app.Destination{Server: here, Cluster: "in-cluster", Namespace: "shop"}, ""},
		"glob":             {"a star matches anything, slashes too", rules(rule{Server: "https://*", Namespace: "team-*"}), app.Destination{Server: "https://a/b", Namespace: "team-a"}, ""},
		"two halves":       {"halves of two entries do not add up", rules(rule{Server: here, Namespace: "a"}, rule{Server: "https://other", Namespace: "b"}), app.Destination{Server: here, Namespace: "b"}, no},
		"negated":          {"a negated namespace allows all others", rules(rule{Server: "*", Namespace: "!kube-system"}), app.Destination{Server: here, Namespace: "shop"}, ""},
		"vetoed":           {"and refuses its own", rules(rule{Server: "*", Namespace: "!kube-system"}), app.Destination{Server: here, Namespace: "kube-system"}, no},
		"veto after match": {"also when another entry allowed it", rules(rule{Server: "*", Namespace: "*"}, rule{Server: "*", Namespace: "!kube-*"}), app.Destination{Server: here, Namespace: "kube-system"}, no},
		"veto before":      {"in whichever order", rules(rule{Server: "*", Namespace: "!kube-*"}, rule{Server: "*", Namespace: "*"}), app.Destination{Server: here, Namespace: "kube-system"}, no},
		"veto elsewhere":   {"a veto for another server does not count", rules(rule{Server: "*", Namespace: "*"}, rule{Server: "https://other", Namespace: "!kube-*"}), app.Destination{Server: here, Namespace: "kube-system"}, ""},
		"vetoed server":    {"a negated server refuses", rules(rule{Server: "*", Namespace: "*"}, rule{Server: "!" + here, Namespace: "*"}), app.Destination{Server: here, Namespace: "shop"}, no},
		"no server veto":   {"only where the namespace matches", rules(rule{Server: "*", Namespace: "*"}, rule{Server: "!" + here, Namespace: "till"}), app.Destination{Server: here, Namespace: "shop"}, ""},
		"broken":           {"a broken pattern allows nothing", rules(rule{Server: "*", Namespace: "[a"}), app.Destination{Server: here, Namespace: "[a"}, no},
		"empty rule":       {"an entry without a server or a name matches none", rules(rule{Namespace: "*"}), app.Destination{Server: here, Namespace: "shop"}, no},
	} {
		t.Run(name, func(t *testing.T) {
			p := app.Project{Name: "team", SourceRepos: []string{"*"}, Destinations: test.rules}
			admitted(t, test.reason, gate.Admit(p, []app.Source{{URL: "https://git.example/a"}}, test.to, app.Cluster{}), test.refused)
		})
	}
}

func TestPermits(t *testing.T) {
	to := app.Destination{Server: here, Namespace: "shop"}
	type rule = app.KindRule
	deployment := object.Key{Group: "apps", Kind: "Deployment", Namespace: "shop", Name: "api"}
	role := object.Key{Group: "rbac.authorization.k8s.io", Kind: "ClusterRole", Name: "reader"}
	const noKind, noRole = "resource apps:Deployment is not permitted in project team", "resource rbac.authorization.k8s.io:ClusterRole is not permitted in project team"
	for name, test := range map[string]struct {
		reason  string
		p       app.Project
		key     object.Key
		refused string
	}{
		"namespaced, nil list":     {"without a list all namespaced kinds are allowed", app.Project{Destinations: anywhere}, deployment, ""},
		"namespaced, empty list":   {"an empty list allows none", app.Project{Destinations: anywhere, ObjectAllow: []rule{}}, deployment, noKind},
		"namespaced, listed":       {"a listed kind is allowed", app.Project{Destinations: anywhere, ObjectAllow: []rule{{Group: "apps", Kind: "*"}}}, deployment, ""},
		"namespaced, not listed":   {"another is not", app.Project{Destinations: anywhere, ObjectAllow: []rule{{Group: "", Kind: "*"}}}, deployment, noKind},
		"namespaced, denied":       {"a denied kind is refused although it is listed", app.Project{Destinations: anywhere, ObjectAllow: []rule{{Group: "*", Kind: "*"}}, ObjectDeny: []rule{{Group: "apps", Kind: "Deploy*"}}}, deployment, noKind},
		"namespaced, cluster deny": {"the lists of cluster-scoped kinds do not count", app.Project{Destinations: anywhere, ClusterDeny: []rule{{Group: "*", Kind: "*"}}}, deployment, ""},
		"kinds have a case":        {"kinds are compared exactly", app.Project{Destinations: anywhere, ObjectDeny: []rule{{Group: "apps", Kind: "deployment"}}}, deployment, ""},
		"other namespace":          {"an object may not leave the destinations", app.Project{Destinations: []app.DestinationRule{{Server: "*", Namespace: "till"}}}, deployment, "namespace shop is not permitted in project 'team'"},
		"cluster, nil list":        {"without a list no cluster-scoped kind is allowed", app.Project{Destinations: anywhere}, role, noRole},
		"cluster, listed":          {"a listed kind is allowed", app.Project{ClusterAllow: []rule{{Group: "*", Kind: "ClusterRole"}}}, role, ""},
		"cluster, denied":          {"a denied one is refused although it is listed", app.Project{ClusterAllow: []rule{{Group: "*", Kind: "*"}}, ClusterDeny: []rule{{Group: "rbac.*", Kind: "ClusterRole"}}}, role, noRole},
		"cluster, by name":         {"a list may name objects", app.Project{ClusterAllow: []rule{{Group: "*", Kind: "ClusterRole", Name: "read*"}}}, role, ""},
		"cluster, other name":      {"others of the kind are refused", app.Project{ClusterAllow: []rule{{Group: "*", Kind: "ClusterRole", Name: "write*"}}}, role, noRole},
		"cluster, destinations":    {"cluster-scoped objects have no destination to match", app.Project{ClusterAllow: []rule{{Group: "*", Kind: "*"}}, Destinations: nil}, role, ""},
		"broken":                   {"a broken pattern matches nothing", app.Project{ClusterAllow: []rule{{Group: "*", Kind: "[ClusterRole"}}}, role, noRole},
	} {
		t.Run(name, func(t *testing.T) {
			test.p.Name = "team"
			admitted(t, test.reason, gate.Permits(test.p, test.key, to, app.Cluster{}), test.refused)
		})
	}
}

// A cluster that is registered for a project is that project's alone, and needs no rule.
func TestClustersOfProjects(t *testing.T) {
	for name, test := range map[string]struct {
		project string // that the cluster is registered for
		only    bool
		rules   []app.DestinationRule
		refused string
	}{
		"anybody's":           {"", false, anywhere, ""},
		"its own":             {"team", false, nil, ""},
		"another's":           {"other", false, anywhere, "belongs to project 'other'"},
		"only own, its own":   {"team", true, nil, ""},
		"only own, anybody's": {"", true, anywhere, "permits only clusters that are registered for it"},
		"no rule":             {"", false, nil, "do not match any of the allowed destinations"},
	} {
		t.Run(name, func(t *testing.T) {
			p := app.Project{Name: "team", SourceRepos: []string{"*"}, Destinations: test.rules, OwnClustersOnly: test.only}
			at := app.Cluster{Server: "https://west", Project: test.project}
			to := app.Destination{Server: at.Server, Namespace: "shop"}
			admitted(t, name, gate.Admit(p, []app.Source{{URL: "https://git.example/a"}}, to, at), test.refused)
			if test.refused == "" {
				admitted(t, name, gate.Permits(p, key("ConfigMap", "a"), to, at), "")
			}
		})
	}
}
