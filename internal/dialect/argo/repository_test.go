package argo_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plumbline-dev/plumbline/internal/core/app"
	"github.com/plumbline-dev/plumbline/internal/core/condition"
	"github.com/plumbline-dev/plumbline/internal/dialect/argo"
)

func secret(kind, url string, more ...string) argo.RepositorySecret {
	s := argo.RepositorySecret{Name: "repo", Type: kind, Data: map[string][]byte{"url": []byte(url)}}
	for i := 0; i < len(more); i += 2 {
		s.Data[more[i]] = []byte(more[i+1])
	}
	return s
}

func TestCredentials(t *testing.T) {
	const url = "https://git.example/acme/shop.git"
	prefix := secret("repo-creds", "https://git.example/", "password", "short")
	longer := secret("repo-creds", "https://git.example/acme", "password", "long")
	exact := secret("repository", "https://git.example/acme/shop", "password", "exact")
	bare := secret("repository", url)
	for name, test := range map[string]struct {
		reason  string
		url     string
		secrets []argo.RepositorySecret
		want    string // password
	}{
		"none":           {"a public repository needs none", url, nil, ""},
		"exact":          {"the repository's own win over prefixes", url, []argo.RepositorySecret{longer, exact, prefix}, "exact"},
		"spelling":       {"however the address is written", "HTTPS://git.example:443/acme/shop/", []argo.RepositorySecret{exact}, "exact"},
		"longest prefix": {"the longest prefix wins", url, []argo.RepositorySecret{longer, prefix}, "long"},
		"in any order":   {"in whichever order", url, []argo.RepositorySecret{prefix, longer}, "long"},
		"bare":           {"a registration without credentials leaves it to the prefixes", url, []argo.RepositorySecret{bare, prefix}, "short"},
		"another":        {"those of another repository are not used", "https://git.example/acme/till", []argo.RepositorySecret{exact}, ""},
		"another host":   {"nor those of another host", "https://evil.example/?https://git.example/acme", []argo.RepositorySecret{longer, prefix}, ""},
		"empty prefix":   {"an empty prefix opens nothing", url, []argo.RepositorySecret{secret("repo-creds", "", "password", "all")}, ""},
		"another type":   {"other Secrets are none", url, []argo.RepositorySecret{secret("cluster", url, "password", "cluster"), secret("repository-write", url, "password", "write")}, ""},
		"ssh":            {"the two spellings of ssh are one", "git@git.example:acme/shop.git", []argo.RepositorySecret{secret("repository", "ssh://git@git.example/acme/shop", "password", "ssh")}, "ssh"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := argo.Credentials(test.url, test.secrets, []byte("hosts"))
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(app.Credentials{Password: test.want, KnownHosts: []byte("hosts")}, got); d != "" {
				t.Errorf("%s (-want +got):\n%s", test.reason, d)
			}
		})
	}
}

func TestCredentialFields(t *testing.T) {
	const url = "https://git.example/a"
	got, err := argo.Credentials(url, []argo.RepositorySecret{secret("repository", url, "username", "u", "password", "p", "bearerToken", "t",
		"sshPrivateKey", "k", "tlsClientCertData", "c", "tlsClientCertKey", "ck", "insecure", "true")}, nil)
	want := app.Credentials{
		Username: "u", Password: "p", BearerToken: "t", SSHPrivateKey: []byte("k"),
		ClientCert: []byte("c"), ClientKey: []byte("ck"), SkipTLSVerify: true,
	}
	if d := cmp.Diff(want, got); d != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, d)
	}
	for field, value := range map[string]string{"githubAppID": "7", "insecureIgnoreHostKey": "true"} {
		_, err := argo.Credentials(url, []argo.RepositorySecret{secret("repository", url, "password", "hunter2", field, value)}, nil)
		if err == nil || condition.Of(err, "").Reason != condition.NotSupported || !strings.Contains(err.Error(), `"repo"`) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", field, err)
		}
	}
}
