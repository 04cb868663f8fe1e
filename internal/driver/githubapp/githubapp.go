// Package githubapp gets tokens of GitHub Apps, and keeps them for as long as they hold.
package githubapp

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/plumbline-dev/plumbline/internal/core/app"
	"github.com/plumbline-dev/plumbline/internal/core/githubapp"
)

// Tokens are those of all apps. The zero value is ready to use; it is safe for
// concurrent use.
type Tokens struct {
	mu    sync.Mutex
	known map[string]*entry // by app and, where that decides, repository
}

type entry struct {
	mu    sync.Mutex
	token githubapp.Token
}

const (
	patience    = 30 * time.Second // with GitHub
	answerLimit = 1 << 20          // bytes
	keep        = 1000             // tokens
)

// Get returns a token that opens a repository, with credentials whose app is set. It
// asks GitHub about once an hour.
func (t *Tokens) Get(ctx context.Context, repository string, c app.Credentials) (githubapp.Token, error) {
	key := c.GitHubApp.Identity()
	if c.GitHubApp.Installation == 0 {
		key += " for " + repository
	}
	t.mu.Lock()
	if t.known == nil || len(t.known) > keep {
		t.known = map[string]*entry{}
	}
	e := t.known[key]
	if e == nil {
		e = &entry{}
		t.known[key] = e
	}
	t.mu.Unlock()
	e.mu.Lock()
	defer e.mu.Unlock()
	now := time.Now()
	if e.token.Fresh(now) {
		return e.token, nil
	}
	token, err := fetch(ctx, repository, c, now)
	if err != nil {
		return githubapp.Token{}, fmt.Errorf("token of GitHub App %d: %w", c.GitHubApp.ID, err)
	}
	e.token = token
	return token, nil
}

func fetch(ctx context.Context, repository string, c app.Credentials, now time.Time) (githubapp.Token, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	client, err := clientOf(c)
	if err != nil {
		return githubapp.Token{}, err
	}
	defer client.CloseIdleConnections()
	proof, err := c.GitHubApp.Assertion(now)
	if err != nil {
		return githubapp.Token{}, err
	}
	installation := c.GitHubApp.Installation
	if installation == 0 {
		address, err := c.GitHubApp.InstallationURL(repository)
		if err != nil {
			return githubapp.Token{}, err
		}
		answer, err := ask(ctx, client, http.MethodGet, address, proof, "to say where the app is installed")
		if err != nil {
			return githubapp.Token{}, err
		}
		if installation, err = githubapp.ReadInstallation(answer); err != nil {
			return githubapp.Token{}, err
		}
	}
	answer, err := ask(ctx, client, http.MethodPost, c.GitHubApp.TokenURL(installation), proof, fmt.Sprintf("a token of installation %d", installation))
	if err != nil {
		return githubapp.Token{}, err
	}
	return githubapp.ReadToken(answer)
}

func clientOf(c app.Credentials) (*http.Client, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: c.SkipTLSVerify} //nolint:gosec // only where a user says so
	if len(c.CABundle) > 0 {
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(c.CABundle) {
			return nil, errors.New("the CA bundle for this host holds no certificate")
		}
	}
	proxy := http.ProxyFromEnvironment
	if c.Proxy != "" {
		proxy = func(r *http.Request) (*url.URL, error) { return c.ProxyFor(r.URL) }
	}
	refuse := func(*http.Request, []*http.Request) error { return errors.New("GitHub's API leads elsewhere") } // the proof goes nowhere else
	return &http.Client{CheckRedirect: refuse, Transport: &http.Transport{
		Proxy: proxy, TLSClientConfig: config, DialContext: (&net.Dialer{Timeout: 15 * time.Second}).DialContext,
	}}, nil
}

func ask(ctx context.Context, client *http.Client, method, address, proof, what string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, address, nil)
	if err != nil {
		return nil, errors.New("GitHub's address is no URL")
	}
	req.Header.Set("Authorization", "Bearer "+proof)
	req.Header.Set("Accept", "application/vnd.github+json")
	req.Header.Set("X-GitHub-Api-Version", "2022-11-28")
	req.Header.Set("User-Agent", "plumbline")
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, answerLimit))
	switch {
	case err != nil:
		return nil, err
	case resp.StatusCode/100 != 2:
		return nil, githubapp.Refused(resp.StatusCode, answer, what)
	}
	return answer, nil
}
