package gitremote_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plumbline-dev/plumbline/internal/core/gitremote"
)

const certificate = "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n"

func TestFiles(t *testing.T) {
	tests := map[string]struct {
		address gitremote.Address
		ssh     gitremote.SSH
		files   map[string]string // beside the configuration
		config  []string          // lines among others
		err     string
	}{
		"https": {
			address: gitremote.Address{Scheme: "https", Auth: gitremote.Auth{
				Username: "me", Password: "pw", CABundle: []byte(certificate), TLS: gitremote.TLSSkipVerify, Proxy: `http://p"q`,
			}},
			files: map[string]string{"ca.pem": certificate},
			config: []string{
				"\textraHeader = \"Authorization: Basic bWU6cHc=\"", "\tsslVerify = \"false\"", `	proxy = "http://p\"q"`,
				`	sslCAInfo = "/run/ca.pem"`, "\tfollowRedirects = false",
			},
		},
		"token": {
			address: gitremote.Address{Scheme: "https", Auth: gitremote.Auth{BearerToken: "t0k"}},
			config:  []string{"\textraHeader = \"Authorization: Bearer t0k\""},
		},
		"ssh": {
			address: gitremote.Address{Scheme: "ssh", Auth: gitremote.Auth{KnownHosts: []byte("h ssh-ed25519 AA\r\n")}},
			ssh:     gitremote.SSH{Program: "/o'dd/ssh", Key: []byte("key")},
			files:   map[string]string{"identity": "key", "known_hosts": "h ssh-ed25519 AA\n\n"},
			config:  []string{"\tvariant = ssh"},
		},
		"ssh to anyone": {
			address: gitremote.Address{Scheme: "ssh", Auth: gitremote.Auth{KnownHosts: []byte("h ssh-ed25519 AA"), HostKeys: gitremote.HostKeysAny}},
			ssh:     gitremote.SSH{Program: "/bin/ssh", Key: []byte("key")},
			files:   map[string]string{"identity": "key"},
			config:  []string{"\tvariant = ssh"},
		},
		"file": {address: gitremote.Address{Scheme: "file"}, config: []string{"[safe]", "\tdirectory = *"}},
		"certificate": {
			address: gitremote.Address{Scheme: "https", Auth: gitremote.Auth{ClientCert: []byte("x")}},
			err:     "the client certificate is not in PEM form",
		},
		"proxy": {
			address: gitremote.Address{Scheme: "https", Auth: gitremote.Auth{Proxy: "http://p\nq"}},
			err:     "the proxy's address has control characters",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			files, err := tt.address.Files("/run", tt.ssh)
			if err != nil || tt.err != "" {
				if err == nil || err.Error() != tt.err {
					t.Errorf("%v, want %s", err, tt.err)
				}
				return
			}
			got, config := map[string]string{}, ""
			for _, f := range files {
				if f.Name == gitremote.ConfigName {
					config = string(f.Data)
					continue
				}
				got[f.Name] = string(f.Data)
			}
			if tt.files == nil {
				tt.files = map[string]string{}
			}
			if diff := cmp.Diff(tt.files, got); diff != "" {
				t.Error(diff)
			}
			for _, line := range tt.config {
				if !strings.Contains("\n"+config, "\n"+line+"\n") {
					t.Errorf("no line %q in\n%s", line, config)
				}
			}
		})
	}
}

// A key's path and the program are quoted for the shell that git starts, and the
// whole again for git's configuration.
func TestSSHCommandIsQuoted(t *testing.T) {
	files, err := gitremote.Address{Scheme: "ssh"}.Files("/run", gitremote.SSH{Program: `/o'dd "dir"/ssh`})
	if err != nil {
		t.Fatal(err)
	}
	config := string(files[len(files)-1].Data)
	if want := `	sshCommand = "'/o'\\''dd \"dir\"/ssh' -F /dev/null -i '/run/identity' `; !strings.Contains(config, want) {
		t.Errorf("no %s in\n%s", want, config)
	}
}

func TestClassify(t *testing.T) {
	tests := map[string]struct {
		output string
		want   string
		kind   gitremote.FailureKind
	}{
		"auth": {
			"remote: Counting objects: 1\rfatal: Authentication failed for 'https://me:hunter2@h/'\n",
			`git repository "https://h/x": access denied: Authentication failed for 'https://h/' (check the repository's credentials)`, gitremote.FailedAuth,
		},
		"secret repeated": {
			"remote: token s3cr3t-token is not valid: access denied\n",
			`git repository "https://h/x": access denied: token … is not valid: access denied (check the repository's credentials)`, gitremote.FailedAuth,
		},
		"proxy's password": {
			"fatal: could not connect to proxy http://me:pr0xyp4ss@proxy:3128\n",
			`git repository "https://h/x": connection lost: could not connect to proxy http://proxy:3128`, gitremote.FailedNetwork,
		},
		"decisive line first": {
			"error: something happened\nfatal: could not resolve host: h\n",
			`git repository "https://h/x": connection lost: could not resolve host: h`, gitremote.FailedNetwork,
		},
		"unknown": {"fatal: the moon is full\n", `git repository "https://h/x": unusable answer: the moon is full`, gitremote.FailedProtocol},
		"silence": {"", `git repository "https://h/x": connection lost: git ended without a word: <nil>`, gitremote.FailedNetwork},
	}
	remote := gitremote.Remote{URL: "https://me:hunter2@h/x"}
	address := gitremote.Address{Auth: gitremote.Auth{BearerToken: "s3cr3t-token", Proxy: "http://me:pr0xyp4ss@proxy:3128"}}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got := gitremote.Classify(remote, address, tt.output, nil)
			if got.Error() != tt.want || got.Kind != tt.kind {
				t.Errorf("%s, %s, want %s", got.Kind, got, tt.want)
			}
		})
	}
}

func TestSameServer(t *testing.T) {
	for _, tt := range []struct {
		from, to string
		want     bool
	}{
		{"https://h/a", "https://h/b", true},
		{"https://h/a", "https://H:443/b", true},
		{"http://h/a", "https://h/a", true},
		{"http://h:8080/a", "https://h/a", false},
		{"https://h/a", "http://h/a", false},
		{"https://h/a", "https://h:8443/a", false},
		{"https://h/a", "https://other/a", false},
	} {
		if got := gitremote.SameServer(parse(t, tt.from), parse(t, tt.to)); got != tt.want {
			t.Errorf("%s to %s: %v", tt.from, tt.to, got)
		}
	}
}

func TestIdentity(t *testing.T) {
	one := gitremote.Remote{URL: "https://h/a", Auth: gitremote.Auth{Username: "ab", Password: "c"}}
	two := gitremote.Remote{URL: "https://h/a", Auth: gitremote.Auth{Username: "a", Password: "bc"}}
	if one.Identity([]byte("s")) == two.Identity([]byte("s")) || one.Identity([]byte("s")) == one.Identity([]byte("t")) {
		t.Error("different credentials, or secrets, have the same identity")
	}
	if one.Identity([]byte("s")) != one.Identity([]byte("s")) {
		t.Error("the same credentials have two identities")
	}
}

func parse(t *testing.T, s string) *url.URL {
	t.Helper()
	u, err := url.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return u
}
