package app

import (
	"net/url"

	"golang.org/x/net/http/httpproxy"

	"github.com/plumbline-dev/plumbline/internal/core/githubapp"
)

// Credentials open a remote repository. The zero value opens a public one.
type Credentials struct {
	Username, Password string
	BearerToken        string
	SSHPrivateKey      []byte
	SSHPassphrase      string
	KnownHosts         []byte
	CABundle           []byte
	ClientCert         []byte
	ClientKey          []byte
	GitHubApp          *githubapp.App // whose tokens are the password; nil: none
	Proxy              string         // URL through which the server is reached; empty: as the environment says
	NoProxy            string         // hosts that Proxy is not for, as in the variable NO_PROXY
	AnyHostKey         bool           // whoever answers on SSH is taken for the server, as users may ask for
	SkipTLSVerify      bool           // as users may ask for in a repository Secret
	PlainHTTP          bool           // a registry is spoken to without TLS
	PassCredentials    bool           // to hosts other than the repository's, too
}

// ProxyFor returns the proxy through which an address is reached; nil: none but what
// the environment says. Addresses of this machine are reached without one.
func (c Credentials) ProxyFor(address *url.URL) (*url.URL, error) {
	if c.Proxy == "" {
		return nil, nil
	}
	config := httpproxy.Config{HTTPProxy: c.Proxy, HTTPSProxy: c.Proxy, NoProxy: c.NoProxy}
	return config.ProxyFunc()(address)
}
