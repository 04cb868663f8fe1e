package packagestore

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/plumbline-dev/plumbline/internal/core/app"
	"github.com/plumbline-dev/plumbline/internal/core/chart"
)

// ways keeps a transport for each way of doing TLS, so that connections are used
// again.
type ways struct {
	mu    sync.Mutex
	known map[wayKey]*http.Transport
}

// wayKey is what decides whether two requests may share connections.
type wayKey struct {
	ca, cert, key  string
	skip           bool
	proxy, noProxy string
}

const maxWays = 64

// to returns how to reach the server that credentials are for, and others to which it
// redirects or points.
func (w *ways) to(server *url.URL, c app.Credentials) (*way, error) {
	own, err := w.transport(wayKey{string(c.CABundle), string(c.ClientCert), string(c.ClientKey), c.SkipTLSVerify, c.Proxy, c.NoProxy})
	if err != nil {
		return nil, err
	}
	others, err := w.transport(wayKey{ca: string(c.CABundle), proxy: c.Proxy, noProxy: c.NoProxy}) // an authority is no secret
	if err != nil {
		return nil, err
	}
	return &way{server: server, own: own, others: others}, nil
}

// way shows a client certificate, and what is in header, to one server alone, and trusts
// no other server without looking at its certificate. The requests that it gets have none of that, so that no
// redirect can take it along.
type way struct {
	server      *url.URL
	header      string // Authorization; empty: none
	own, others http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (w *way) RoundTrip(r *http.Request) (*http.Response, error) {
	if !chart.SameServer(w.server, r.URL) {
		return w.others.RoundTrip(r)
	}
	if w.header != "" {
		r = r.Clone(r.Context())
		r.Header.Set("Authorization", w.header)
	}
	return w.own.RoundTrip(r)
}

const maxRedirects = 5

// follow lets redirects be followed that do not leave encryption behind.
func follow(next *http.Request, via []*http.Request) error {
	switch {
	case len(via) > maxRedirects:
		return fmt.Errorf("more than %d redirects", maxRedirects)
	case via[0].URL.Scheme == "https" && next.URL.Scheme != "https":
		return fmt.Errorf("a redirect leads to %s, without encryption", next.URL.Host)
	}
	next.Header.Del("Referer") // the address may have a token in it
	return nil
}

func (w *ways) transport(key wayKey) (*http.Transport, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if t := w.known[key]; t != nil {
		return t, nil
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: key.skip} //nolint:gosec // only where a user says so
	if key.ca != "" {
		pool, err := x509.SystemCertPool()
		if err != nil {
			pool = x509.NewCertPool()
		}
		if !pool.AppendCertsFromPEM([]byte(key.ca)) {
			return nil, errors.New("the CA bundle for this host holds no certificate")
		}
		config.RootCAs = pool
	}
	if key.cert != "" || key.key != "" {
		cert, err := tls.X509KeyPair([]byte(key.cert), []byte(key.key))
		if err != nil {
			return nil, errors.New("client certificate and key do not fit")
		}
		config.Certificates = []tls.Certificate{cert}
	}
	proxy := http.ProxyFromEnvironment
	if key.proxy != "" {
		proxy = func(r *http.Request) (*url.URL, error) {
			return app.Credentials{Proxy: key.proxy, NoProxy: key.noProxy}.ProxyFor(r.URL)
		}
	}
	if len(w.known) >= maxWays {
		w.forget()
	}
	t := &http.Transport{
		TLSClientConfig: config, Proxy: proxy, ForceAttemptHTTP2: true,
		DialContext:         (&net.Dialer{Timeout: 15 * time.Second}).DialContext,
		TLSHandshakeTimeout: 15 * time.Second, ResponseHeaderTimeout: 30 * time.Second, IdleConnTimeout: time.Minute,
		MaxResponseHeaderBytes: 64 << 10,
	}
	w.known[key] = t
	return t, nil
}

// forget drops all transports; requests under way end by themselves. mu is held.
func (w *ways) forget() {
	for key, t := range w.known {
		t.CloseIdleConnections()
		delete(w.known, key)
	}
}
