package argo

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/plumbline-dev/plumbline/internal/core/app"
	"github.com/plumbline-dev/plumbline/internal/core/condition"
	"github.com/plumbline-dev/plumbline/internal/core/githubapp"
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

// Trust is what an installation knows of servers.
type Trust struct {
	KnownHosts   []byte            // host keys of SSH servers
	Certificates map[string]string // certificate authorities in PEM form, by host
}

// authority returns the certificate authorities of the server that a URL names.
func (t Trust) authority(address string) []byte {
	if !strings.Contains(address, "://") {
		address = registryScheme + address
	}
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return nil
	}
	for _, name := range []string{u.Host, u.Hostname()} { // with its port, should somebody write that
		if text := t.Certificates[name]; text != "" {
			return []byte(text)
		}
	}
	return nil
}

const registryScheme = "oci://"

// Credentials finds those for a URL: of the repository itself, or of the longest
// matching prefix. Public repositories need none. What a repository's own Secret says
// besides counts as well when the prefix has the credentials. A registry is the same
// with and without its scheme.
func Credentials(address string, secrets []RepositorySecret, trust Trust) (app.Credentials, error) {
	var own, best *RepositorySecret
	longest := -1
	bare := strings.TrimPrefix(address, registryScheme)
	for i := range secrets {
		s := &secrets[i]
		registered := strings.TrimPrefix(string(s.Data["url"]), registryScheme)
		switch s.Type {
		case "repository":
			if source.NormalizeURL(registered) == source.NormalizeURL(bare) && (own == nil || hasCredentials(*s)) {
				own = s
			}
		case "repo-creds":
			if registered != "" && strings.HasPrefix(bare, registered) && len(registered) > longest {
				best, longest = s, len(registered)
			}
		}
	}
	out := app.Credentials{KnownHosts: trust.KnownHosts, CABundle: trust.authority(address)}
	if own != nil {
		if err := own.settings(&out); err != nil {
			return app.Credentials{}, err
		}
		if hasCredentials(*own) {
			best = own
		}
	}
	if best == nil {
		return out, nil
	}
	return best.credentials(out)
}

// Named returns the address of the repository that is registered under a name, as
// charts refer to it in their dependencies.
func Named(name string, secrets []RepositorySecret) (string, bool) {
	for _, s := range secrets {
		if s.Type == "repository" && name != "" && string(s.Data["name"]) == name && len(s.Data["url"]) > 0 {
			address := string(s.Data["url"])
			if string(s.Data["enableOCI"]) == "true" && !strings.Contains(address, "://") {
				address = registryScheme + address
			}
			return address, true
		}
	}
	return "", false
}

func hasCredentials(s RepositorySecret) bool {
	for _, key := range []string{"username", "password", "bearerToken", "sshPrivateKey", "tlsClientCertData", "insecure", "githubAppID"} {
		if len(s.Data[key]) > 0 {
			return true
		}
	}
	return false
}

// settings adds what a Secret says of how a server is spoken to.
func (s RepositorySecret) settings(out *app.Credentials) error {
	out.AnyHostKey = out.AnyHostKey || string(s.Data["insecureIgnoreHostKey"]) == "true"
	if proxy := string(s.Data["proxy"]); proxy != "" {
		u, err := url.Parse(proxy)
		if err != nil || u.Host == "" || !slices.Contains([]string{"http", "https", "socks5"}, u.Scheme) {
			return condition.Newf(condition.InvalidSpec, "repository Secret %q: proxy is no URL such as http://proxy.example:3128", s.Name)
		}
		out.Proxy, out.NoProxy = proxy, string(s.Data["noProxy"])
	}
	out.SkipTLSVerify = out.SkipTLSVerify || string(s.Data["insecure"]) == "true"
	out.PlainHTTP = out.PlainHTTP || string(s.Data["insecureOCIForceHttp"]) == "true"
	return nil
}

func (s RepositorySecret) credentials(out app.Credentials) (app.Credentials, error) {
	if err := s.settings(&out); err != nil {
		return app.Credentials{}, err
	}
	if len(s.Data["githubAppID"]) > 0 {
		known, err := s.githubApp()
		if err != nil {
			return app.Credentials{}, condition.Newf(condition.InvalidSpec, "repository Secret %q: %w", s.Name, err)
		}
		out.GitHubApp = known
	}
	out.Username, out.Password, out.BearerToken = string(s.Data["username"]), string(s.Data["password"]), string(s.Data["bearerToken"])
	out.SSHPrivateKey = s.Data["sshPrivateKey"]
	out.ClientCert, out.ClientKey = s.Data["tlsClientCertData"], s.Data["tlsClientCertKey"]
	return out, nil
}

func (s RepositorySecret) githubApp() (*githubapp.App, error) {
	number := func(key string) (int64, error) {
		text := strings.TrimSpace(string(s.Data[key]))
		if text == "" {
			return 0, nil
		}
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil || n < 0 {
			return 0, fmt.Errorf("%s is no number", key)
		}
		return n, nil
	}
	out := &githubapp.App{Key: s.Data["githubAppPrivateKey"], API: string(s.Data["githubAppEnterpriseBaseUrl"])}
	var err error
	if out.ID, err = number("githubAppID"); err == nil {
		out.Installation, err = number("githubAppInstallationID")
	}
	if err == nil {
		err = out.Check()
	}
	return out, err
}
