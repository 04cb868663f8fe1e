package gitstore

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// Git itself follows no redirects here, because it would send the credentials
// along to wherever a server points. Servers do redirect, though: to a
// repository's new name, to its ".git" form, from http to https. Once git reports
// a redirect, advertised finds out where it leads; git is then given that address.

const (
	gitSuffix      = "/info/refs"
	gitContentType = "application/x-git-upload-pack-advertisement"
	maxRedirects   = 5
)

var errElsewhere = errors.New("redirect leaves the host")

// advertised asks for a repository's references, as git does first, and returns
// the address that answered: another one than a's if there were redirects, but
// always on the same host. It fails if what answers is no Git server.
func advertised(ctx context.Context, a address) (string, error) {
	transport, err := a.transport()
	if err != nil {
		return "", err
	}
	defer transport.CloseIdleConnections()
	start, err := url.Parse(strings.TrimRight(a.text, "/") + gitSuffix)
	if err != nil {
		return "", err
	}
	query := start.Query()
	query.Set("service", "git-upload-pack")
	start.RawQuery = query.Encode()
	client := http.Client{Transport: transport, CheckRedirect: func(next *http.Request, via []*http.Request) error {
		last := via[len(via)-1].URL
		if len(via) > maxRedirects {
			return fmt.Errorf("more than %d redirects", maxRedirects)
		}
		if !sameServer(last, next.URL) {
			return fmt.Errorf("%w: it leads to %s://%s: use that address if it is the right one", errElsewhere, next.URL.Scheme, next.URL.Host)
		}
		return nil
	}}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, start.String(), nil)
	if err != nil {
		return "", err
	}
	request.Header.Set("Git-Protocol", "version=2")
	request.Header.Set("User-Agent", "git/plumbline")
	if header := a.auth.header(); header != "" {
		request.Header.Set("Authorization", header)
	}
	answer, err := client.Do(request)
	if err != nil {
		if inner := (*url.Error)(nil); errors.As(err, &inner) {
			err = inner.Err // the address would repeat itself
		}
		return "", err
	}
	answer.Body.Close()
	final := *answer.Request.URL
	if answer.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s://%s%s: returned error: %s", final.Scheme, final.Host, final.Path, answer.Status)
	}
	base, ok := strings.CutSuffix(final.Path, gitSuffix)
	if got, _, _ := strings.Cut(answer.Header.Get("Content-Type"), ";"); !ok || got != gitContentType {
		return "", fmt.Errorf("%s://%s%s not valid: is this a git repository? it sent %q", final.Scheme, final.Host, final.Path, got)
	}
	final.Path, final.RawPath, final.RawQuery, final.User = base, "", "", nil
	return final.String(), nil
}

// sameServer reports whether credentials for from may go to to: the same host and
// port, or the same host's encrypted side.
func sameServer(from, to *url.URL) bool {
	if !strings.EqualFold(from.Hostname(), to.Hostname()) {
		return false
	}
	if strings.EqualFold(from.Scheme, to.Scheme) {
		return port(from) == port(to)
	}
	return from.Scheme == "http" && to.Scheme == "https" && port(from) == "80" && port(to) == "443"
}

func port(u *url.URL) string {
	switch {
	case u.Port() != "":
		return u.Port()
	case u.Scheme == "https":
		return "443"
	}
	return "80"
}

func (a address) transport() (*http.Transport, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: a.auth.TLS == TLSSkipVerify} //nolint:gosec // only where a user says so
	if len(a.auth.CABundle) > 0 {
		config.RootCAs = x509.NewCertPool()
		config.RootCAs.AppendCertsFromPEM(a.auth.CABundle)
	}
	if len(a.auth.ClientCert) > 0 {
		cert, err := tls.X509KeyPair(a.auth.ClientCert, a.auth.ClientKey)
		if err != nil {
			return nil, errors.New("client certificate and key do not fit")
		}
		config.Certificates = []tls.Certificate{cert}
	}
	proxy := http.ProxyFromEnvironment
	if a.auth.Proxy != "" {
		u, err := url.Parse(a.auth.Proxy)
		if err != nil {
			return nil, errors.New("the proxy's address is not a URL")
		}
		proxy = http.ProxyURL(u)
	}
	return &http.Transport{TLSClientConfig: config, Proxy: proxy}, nil
}
