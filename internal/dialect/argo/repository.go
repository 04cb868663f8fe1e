package argo

import (
	"strings"

	"github.com/plumbline-dev/plumbline/internal/core/app"
	"github.com/plumbline-dev/plumbline/internal/core/condition"
	"github.com/plumbline-dev/plumbline/internal/core/source"
)

// SecretTypeLabel tells repository Secrets from others.
const SecretTypeLabel = "argocd.argoproj.io/secret-type"

// RepositorySecret is a Secret that registers a repository or a template of
// credentials for a URL prefix.
type RepositorySecret struct {
	Name string
	Type string // value of SecretTypeLabel
	Data map[string][]byte
}

// Credentials finds those for a URL: of the repository itself, or of the
// longest matching prefix. Public repositories need none. knownHosts are used
// for SSH.
func Credentials(url string, secrets []RepositorySecret, knownHosts []byte) (app.Credentials, error) {
	var best *RepositorySecret
	longest := -1
	for i := range secrets {
		s := &secrets[i]
		registered := string(s.Data["url"])
		switch s.Type {
		case "repository":
			if source.NormalizeURL(registered) == source.NormalizeURL(url) && hasCredentials(*s) {
				return credentialsOf(*s, knownHosts)
			}
		case "repo-creds":
			if registered != "" && strings.HasPrefix(url, registered) && len(registered) > longest {
				best, longest = s, len(registered)
			}
		}
	}
	if best == nil {
		return app.Credentials{KnownHosts: knownHosts}, nil
	}
	return credentialsOf(*best, knownHosts)
}

func hasCredentials(s RepositorySecret) bool {
	for _, key := range []string{"username", "password", "bearerToken", "sshPrivateKey", "tlsClientCertData", "insecure", "githubAppID", "enableOCI", "insecureOCIForceHttp"} {
		if len(s.Data[key]) > 0 {
			return true
		}
	}
	return false
}

func credentialsOf(s RepositorySecret, knownHosts []byte) (app.Credentials, error) {
	if len(s.Data["githubAppID"]) > 0 {
		return app.Credentials{}, condition.Newf(condition.NotSupported, "repository Secret %q: GitHub App credentials are not supported by this version; use a token as password", s.Name)
	}
	if string(s.Data["insecureIgnoreHostKey"]) == "true" {
		return app.Credentials{}, condition.Newf(condition.NotSupported, "repository Secret %q: insecureIgnoreHostKey is refused; add the host to argocd-ssh-known-hosts-cm", s.Name)
	}
	return app.Credentials{
		Username: string(s.Data["username"]), Password: string(s.Data["password"]), BearerToken: string(s.Data["bearerToken"]),
		SSHPrivateKey: s.Data["sshPrivateKey"], KnownHosts: knownHosts,
		ClientCert: s.Data["tlsClientCertData"], ClientKey: s.Data["tlsClientCertKey"],
		SkipTLSVerify: string(s.Data["insecure"]) == "true",
		OCI:           string(s.Data["enableOCI"]) == "true" || string(s.Data["type"]) == "oci",
		PlainHTTP:     string(s.Data["insecureOCIForceHttp"]) == "true",
	}, nil
}
