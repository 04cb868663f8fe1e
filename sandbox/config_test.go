package main

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseRefuses(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	cases := map[string]struct{ reason, args, want string }{
		"NoData":        {"A folder is needed.", "--kubeconfig k", "--data: "},
		"NoKubeconfig":  {"A file is needed.", "--data d", "--kubeconfig: "},
		"Argument":      {"Stray words are a mistake.", "--data d --kubeconfig k up", `argument "up"`},
		"Port":          {"Ports have a range.", "--data d --kubeconfig k --api-port 70000", "--api-port: 70000"},
		"Nodes":         {"A typing error must not make a million nodes.", "--data d --kubeconfig k --nodes 1000000", "--nodes: 1000000"},
		"Controllers":   {"Only two sets exist.", "--data d --kubeconfig k --controllers some", `"some" is neither`},
		"UserForm":      {"Every user has an equals sign.", "--data d --kubeconfig k --users alice", `"alice" is not of the form`},
		"UserPath":      {"A user's name becomes part of a file name.", "--data d --kubeconfig k --users ../x=", `"../x=" is not of the form`},
		"UserTwice":     {"Two tokens for one name would be ambiguous.", "--data d --kubeconfig k --users a=,a=g", `"a" is named twice`},
		"GitUserAlone":  {"A user without a password would lock or open everything.", "--data d --kubeconfig k --git-root g --git-user u", "only valid together"},
		"PasswordEmpty": {"An empty password protects nothing.", "--data d --kubeconfig k --git-root g --git-user u --git-password-file " + empty, "is empty"},
		"HookWithout":   {"Without repositories nothing is pushed.", "--data d --kubeconfig k --push-hook http://127.0.0.1:1", "--git-root: "},
		"HookURL":       {"Events travel over HTTP.", "--data d --kubeconfig k --git-root g --push-hook ftp://x", `"ftp://x" is not`},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := parse(strings.Fields(tc.args), io.Discard)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%s: want an error with %q, got %v", tc.reason, tc.want, err)
			}
		})
	}
}

func TestParseUsers(t *testing.T) {
	c, err := parse(strings.Fields("--data d --kubeconfig k --users alice=devs+ops,bob="), io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	want := []user{{name: "alice", groups: []string{"devs", "ops"}}, {name: "bob"}}
	if diff := cmp.Diff(want, c.users, cmp.AllowUnexported(user{})); diff != "" {
		t.Errorf("Groups are joined by plus signs: -want, +got:\n%s", diff)
	}
}
