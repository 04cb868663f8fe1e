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

	"github.com/plumbline-dev/plumbline/internal/core/gitremote"
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
func advertised(ctx context.Context, a gitremote.Address) (string, error) {
	way, err := transport(a)
	if err != nil {
		return "", err
	}
	defer way.CloseIdleConnections()
	start, err := url.Parse(strings.TrimRight(a.URL, "/") + gitSuffix)
	if err != nil {
		return "", err
	}
	query := start.Query()
	query.Set("service", "git-upload-pack")
	start.RawQuery = query.Encode()
	client := http.Client{Transport: way, CheckRedirect: func(next *http.Request, via []*http.Request) error {
		last := via[len(via)-1].URL
		if len(via) > maxRedirects {
			return fmt.Errorf("more than %d redirects", maxRedirects)
		}
		if !gitremote.SameServer(last, next.URL) {
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
	if header := a.Auth.Header(); header != "" {
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

func transport(a gitremote.Address) (*http.Transport, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: a.Auth.TLS == gitremote.TLSSkipVerify} //nolint:gosec // only where a user says so
	if len(a.Auth.CABundle) > 0 {
		config.RootCAs = x509.NewCertPool()
		config.RootCAs.AppendCertsFromPEM(a.Auth.CABundle)
	}
	if len(a.Auth.ClientCert) > 0 {
		cert, err := tls.X509KeyPair(a.Auth.ClientCert, a.Auth.ClientKey)
		if err != nil {
			return nil, errors.New("client certificate and key do not fit")
		}
		config.Certificates = []tls.Certificate{cert}
	}
	proxy := http.ProxyFromEnvironment
	if a.Auth.Proxy != "" {
		u, err := url.Parse(a.Auth.Proxy)
		if err != nil {
			return nil, errors.New("the proxy's address is not a URL")
		}
		proxy = http.ProxyURL(u)
	}
	return &http.Transport{TLSClientConfig: config, Proxy: proxy}, nil
}
