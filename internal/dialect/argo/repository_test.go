package argo_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plumbline-dev/plumbline/internal/core/app"
	"github.com/plumbline-dev/plumbline/internal/core/condition"
	"github.com/plumbline-dev/plumbline/internal/core/githubapp"
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
		"registry":       {"a registry is the same with and without its scheme", "oci://reg.example:5000/charts", []argo.RepositorySecret{secret("repository", "reg.example:5000/charts", "password", "oci")}, "oci"},
		"registry chart": {"in either place", "reg.example:5000/charts", []argo.RepositorySecret{secret("repository", "oci://reg.example:5000/charts", "password", "oci")}, "oci"},
		"registry host":  {"and by its prefix", "reg.example:5000/charts", []argo.RepositorySecret{secret("repo-creds", "oci://reg.example:5000", "password", "oci")}, "oci"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := argo.Credentials(test.url, test.secrets, argo.Trust{KnownHosts: []byte("hosts")})
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
		"sshPrivateKey", "k", "tlsClientCertData", "c", "tlsClientCertKey", "ck", "insecure", "true", "insecureIgnoreHostKey", "true", "proxy", "http://proxy.example", "noProxy", "*.corp")}, argo.Trust{Certificates: map[string]string{"git.example": "ca", "other": "x"}})
	want := app.Credentials{
		Username: "u", Password: "p", BearerToken: "t", SSHPrivateKey: []byte("k"),
		ClientCert: []byte("c"), ClientKey: []byte("ck"), SkipTLSVerify: true, CABundle: []byte("ca"),
		AnyHostKey: true, Proxy: "http://proxy.example", NoProxy: "*.corp",
	}
	if d := cmp.Diff(want, got); d != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, d)
	}
	for field, reason := range map[string]condition.Reason{"githubAppID": condition.InvalidSpec, "proxy": condition.InvalidSpec} {
		_, err := argo.Credentials(url, []argo.RepositorySecret{secret("repository", url, "password", "hunter2", field, "hunter2")}, argo.Trust{})
		if err == nil || condition.Of(err, "").Reason != reason || !strings.Contains(err.Error(), `"repo"`) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", field, err)
		}
	}
}

// A GitHub App is read with all that belongs to it, and what is wrong with it said
// without its key.
func TestGitHubApp(t *testing.T) {
	const url = "https://github.example.com/acme/shop"
	key, err := rsa.GenerateKey(rand.Reader, 1024) //nolint:gosec // for a test
	if err != nil {
		t.Fatal(err)
	}
	text := string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}))
	good := []string{"githubAppID", "7", "githubAppInstallationID", "9", "githubAppPrivateKey", text, "githubAppEnterpriseBaseUrl", "https://github.example.com/api/v3/"}
	got, err := argo.Credentials(url, []argo.RepositorySecret{secret("repo-creds", "https://github.example.com/acme", good...)}, argo.Trust{})
	want := app.Credentials{GitHubApp: &githubapp.App{ID: 7, Installation: 9, Key: []byte(text), API: "https://github.example.com/api/v3/"}}
	if d := cmp.Diff(want, got); d != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, d)
	}
	for want, change := range map[string][2]string{
		"githubAppID is no number": {"githubAppID", "seven"}, "githubAppInstallationID is no number": {"githubAppInstallationID", "x"},
		"githubAppPrivateKey is not in PEM form": {"githubAppPrivateKey", "hunter2"}, "githubAppEnterpriseBaseUrl is no URL": {"githubAppEnterpriseBaseUrl", "github"},
		"is no RSA key": {"githubAppPrivateKey", "-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----"},
	} {
		s := secret("repository", url, append(good, change[:]...)...)
		_, err := argo.Credentials(url, []argo.RepositorySecret{s}, argo.Trust{})
		if err == nil || condition.Of(err, "").Reason != condition.InvalidSpec || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

// What a registration says of the server counts, whoever has the credentials.
func TestInherited(t *testing.T) {
	const url = "reg.example/charts"
	got, err := argo.Credentials(url, []argo.RepositorySecret{secret("repository", url, "enableOCI", "true", "insecureOCIForceHttp", "true"), secret("repo-creds", "reg.example", "username", "u", "password", "p")}, argo.Trust{})
	if d := cmp.Diff(app.Credentials{Username: "u", Password: "p", PlainHTTP: true}, got); d != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, d)
	}
}

func TestTrust(t *testing.T) {
	trust := argo.Trust{Certificates: map[string]string{"reg.example": "ca", "reg.example:5000": "with port", "::1": "six"}}
	for address, want := range map[string]string{
		"https://reg.example/charts": "ca", "reg.example/charts": "ca", "oci://reg.example:5000/x": "with port", "https://[::1]:8443/x": "six",
		"https://other.example": "", "git@reg.example:acme/shop.git": "", "%": "",
	} {
		got, err := argo.Credentials(address, nil, trust)
		if err != nil || string(got.CABundle) != want {
			t.Errorf("%s: %q %v", address, got.CABundle, err)
		}
	}
}

func TestNamed(t *testing.T) {
	secrets := []argo.RepositorySecret{
		secret("repository", "https://charts.example", "name", "team"), secret("repository", "reg.example/charts", "name", "oci", "enableOCI", "true"), secret("repo-creds", "https://x", "name", "creds"),
	}
	for name, want := range map[string]string{"team": "https://charts.example", "oci": "oci://reg.example/charts", "creds": "", "": ""} {
		if got, ok := argo.Named(name, secrets); got != want || ok != (want != "") {
			t.Errorf("%s: %q %t", name, got, ok)
		}
	}
}
