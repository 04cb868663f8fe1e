package gitremote_test

import (
	"errors"
	"io/fs"
	"strings"
	"testing"

	"github.com/plumbline-dev/plumbline/internal/core/gitremote"
)

func TestURLsThatAreRefused(t *testing.T) {
	key := []byte("k")
	good := gitremote.Auth{SSHPrivateKey: key, KnownHosts: []byte("h")}
	tests := map[string]struct {
		url  string
		auth gitremote.Auth
		want string
	}{
		"empty":           {"", good, `git repository "": the URL is empty`},
		"option":          {"--upload-pack=touch /tmp/x", good, `git repository "--upload-pack=touch%20/tmp/x": the URL starts with a dash`},
		"helper":          {"ext::sh -c touch% /tmp/x", good, ""},
		"helper 2":        {"fd::17/foo", good, ""},
		"file":            {"file:///etc", good, `git repository "file:///etc": local repositories are not fetched from`},
		"path":            {"/etc", good, `git repository "/etc": is neither a URL nor git@host:path`},
		"relative":        {"../x", good, ""},
		"git":             {"git://h/x", good, `git repository "git://h/x": scheme "git" is not supported: use https, ssh or http`},
		"ftp":             {"ftp://h/x", good, ""},
		"newline":         {"https://h/x\nhost=evil", good, `git repository "https://h/xhost=evil": the URL has control characters`},
		"encoded newline": {"https://h/x%0ahost=evil", good, ""},
		"host option":     {"ssh://-oProxyCommand=touch/x", good, ""},
		"user option":     {"ssh://-oProxyCommand=x@h/x", good, ""},
		"path option":     {"ssh://h/-x", good, ""},
		"shell":           {"ssh://git@h/a'; id #", good, ""},
		"shell host":      {"ssh://git@h;id/a", good, ""},
		"scp option":      {"-oProxyCommand=x:a", good, ""},
		"scp host option": {"git@-oProxyCommand=x:a", good, ""},
		"no host":         {"https:///x", good, ""},
		"no path":         {"ssh://git@h/", good, ""},
		"bad port":        {"https://h:99999/x", good, ""},
		"fragment":        {"https://h/x#main", good, ""},
		"long":            {"https://h/" + strings.Repeat("x", 3000), good, ""},
		"known hosts":     {"ssh://git@h/x", gitremote.Auth{SSHPrivateKey: key}, `git repository "ssh://git@h/x": the credentials have no known_hosts: add the server's key, as "ssh-keyscan h" prints it`},
		"scp known hosts": {"git@h:x/y", gitremote.Auth{SSHPrivateKey: key}, `git repository "git@h:x/y": the credentials have no known_hosts: add the server's key, as "ssh-keyscan h" prints it`},
		"no key":          {"ssh://git@h/x", gitremote.Auth{KnownHosts: []byte("x")}, `git repository "ssh://git@h/x": the credentials have no SSH private key`},
		"two secrets":     {"https://h/x", gitremote.Auth{Password: "p4ssw0rd", BearerToken: "t0k3n"}, `git repository "https://h/x": has both a password and a bearer token: give one of them`},
		"line break":      {"https://h/x", gitremote.Auth{Password: "p4ssw0rd\n"}, `git repository "https://h/x": the credentials have control characters: look for a line break at the end of the secret`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := gitremote.Check(gitremote.Remote{URL: tt.url, Auth: tt.auth}, gitremote.FileRefused)
			var refused *gitremote.URLError
			if !errors.As(err, &refused) || tt.want != "" && err.Error() != tt.want {
				t.Errorf("%v, want %s", err, tt.want)
			}
		})
	}
}

func TestAddressesThatAreAccepted(t *testing.T) {
	good := gitremote.Auth{SSHPrivateKey: []byte("k"), KnownHosts: []byte("h")}
	for in, want := range map[string]string{
		"git@github.com:org/repo.git":      "ssh://git@github.com/org/repo.git",
		"github.com:org/repo":              "ssh://git@github.com/org/repo",
		"ssh://github.com/org/repo":        "ssh://git@github.com/org/repo",
		"ssh://me:pw@github.com:2222/a/b":  "ssh://me@github.com:2222/a/b",
		"me@[2001:db8::1]:a/b":             "ssh://me@[2001:db8::1]/a/b",
		"https://me:pw@h/a.git":            "https://h/a.git",
		"HTTP://h:8080/a%20b":              "http://h:8080/a%20b",
		"https://h/_git/project?version=1": "https://h/_git/project?version=1",
	} {
		got, err := gitremote.Check(gitremote.Remote{URL: in, Auth: good}, gitremote.FileRefused)
		if err != nil || got.URL != want {
			t.Errorf("%s: %q, %v, want %q", in, got.URL, err, want)
		}
	}
}

func FuzzRemoteURL(f *testing.F) {
	for _, seed := range []string{"https://me:pw@h/a", "git@h:a/b", "ssh://git@h:22/a", "ext::sh", "--x", "git@[::1]:a"} {
		f.Add(seed)
	}
	auth := gitremote.Auth{SSHPrivateKey: []byte("k"), KnownHosts: []byte("h")}
	f.Fuzz(func(t *testing.T, url string) {
		a, err := gitremote.Check(gitremote.Remote{URL: url, Auth: auth}, gitremote.FileRefused)
		if err != nil {
			if strings.ContainsAny(err.Error(), "\n\r") {
				t.Errorf("%q", err)
			}
			return
		}
		for _, scheme := range []string{"https://", "http://", "ssh://"} {
			if rest, ok := strings.CutPrefix(a.URL, scheme); ok {
				_, host, hasUser := strings.Cut(rest, "@")
				if strings.HasPrefix(rest, "-") || hasUser && strings.HasPrefix(host, "-") || scheme != "ssh://" && strings.Contains(strings.Split(rest, "/")[0], "@") {
					t.Errorf("%q becomes %q", url, a.URL)
				}
				return
			}
		}
		t.Errorf("%q becomes %q", url, a.URL)
	})
}

func FuzzClassify(f *testing.F) {
	f.Add("remote: Counting objects: 1\rremote: Counting objects: 2\nfatal: Authentication failed for 'https://me:hunter2hunter2@h/'\n")
	f.Fuzz(func(t *testing.T, output string) {
		err := gitremote.Classify(gitremote.Remote{URL: "https://h"}, gitremote.Address{Auth: gitremote.Auth{Password: "hunter2hunter2"}}, output, fs.ErrInvalid)
		if text := err.Error(); strings.ContainsAny(text, "\n\r") || strings.Contains(text, "hunter2hunter2") || len(text) > 1000 {
			t.Errorf("%q", text)
		}
	})
}
