package packagestore_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/plumbline-dev/plumbline/internal/core/app"
	"github.com/plumbline-dev/plumbline/internal/driver/packagestore"
)

// visitor is what a server noticed of one request.
type visitor struct {
	path, authorization string
	certificate         bool
}

// watched starts a server that notes who comes.
func watched(t *testing.T, start func(*httptest.Server), handle http.HandlerFunc) (*httptest.Server, func() []visitor) {
	t.Helper()
	var mu sync.Mutex
	var seen []visitor
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		seen = append(seen, visitor{r.URL.Path, r.Header.Get("Authorization"), r.TLS != nil && len(r.TLS.PeerCertificates) > 0})
		mu.Unlock()
		handle(w, r)
	}))
	start(s)
	t.Cleanup(s.Close)
	return s, func() []visitor {
		mu.Lock()
		defer mu.Unlock()
		list := seen
		seen = nil
		return list
	}
}

const oneVersion = "entries:\n  web:\n  - version: 1.0.0\n    urls: [web-1.0.0.tgz]\n"

// A redirect takes no credentials along to another server, and another port is one: Go
// itself would send them there.
func TestRedirects(t *testing.T) {
	elsewhere, theirs := watched(t, (*httptest.Server).Start, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, oneVersion) })
	s, ours := watched(t, (*httptest.Server).Start, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/away/index.yaml":
			http.Redirect(w, r, elsewhere.URL+"/there", http.StatusFound)
		case "/here/index.yaml":
			http.Redirect(w, r, "/moved", http.StatusMovedPermanently)
		case "/round/index.yaml":
			http.Redirect(w, r, r.URL.Path, http.StatusFound)
		default:
			_, _ = io.WriteString(w, oneVersion)
		}
	})
	known := app.Credentials{Username: "ann", Password: "hunter2"}
	at := func(path string) packagestore.Remote {
		return packagestore.Remote{URL: s.URL + path, Credentials: known}
	}
	store := open(t, packagestore.Options{})
	want(t, "redirected to another server", "1.0.0", find(t, store, at("/away"), "web", "*"))
	if seen := theirs(); len(seen) != 1 || seen[0].authorization != "" {
		t.Errorf("the other server was shown %+v", seen)
	}
	ours()
	want(t, "redirected on the same server", "1.0.0", find(t, store, at("/here"), "web", "*"))
	if seen := ours(); len(seen) != 2 || seen[1].path != "/moved" || seen[1].authorization == "" {
		t.Errorf("the same server was shown %+v", seen)
	}
	want(t, "redirected for ever", "redirects", find(t, store, at("/round"), "web", "*"))
}

// identity makes a certificate for a client, and what trusts it.
func identity(t *testing.T) (cert, key []byte, trust *x509.CertPool) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "ann"}, NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	cert = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	trust = x509.NewCertPool()
	trust.AppendCertsFromPEM(cert)
	return cert, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw}), trust
}

// A client certificate, and the leave not to look at the server's, are for one server,
// and nothing goes on without encryption that began with it.
func TestTLS(t *testing.T) {
	cert, key, trust := identity(t)
	begin := func(s *httptest.Server) {
		s.TLS = &tls.Config{ClientAuth: tls.VerifyClientCertIfGiven, ClientCAs: trust}
		s.StartTLS()
	}
	other, theirs := watched(t, begin, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(pack("web/", "x")) })
	plain, bare := watched(t, (*httptest.Server).Start, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, oneVersion) })
	s, ours := watched(t, begin, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/other/index.yaml":
			_, _ = io.WriteString(w, strings.ReplaceAll(oneVersion, "web-1.0.0.tgz", other.URL+"/web-1.0.0.tgz"))
		case "/plain/index.yaml":
			http.Redirect(w, r, plain.URL, http.StatusFound)
		case "/undigested/index.yaml":
			_, _ = io.WriteString(w, strings.ReplaceAll(oneVersion, "web-1.0.0.tgz", plain.URL+"/web-1.0.0.tgz"))
		default:
			_, _ = io.WriteString(w, oneVersion)
		}
	})
	authority := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	at := func(path string, c app.Credentials) packagestore.Remote {
		return packagestore.Remote{URL: s.URL + path, Credentials: c}
	}
	store := open(t, packagestore.Options{})
	want(t, "an unknown authority", "certificate", find(t, store, at("", app.Credentials{}), "web", "*"))
	full := app.Credentials{CABundle: authority, ClientCert: cert, ClientKey: key}
	ours()
	want(t, "a client certificate", "1.0.0", find(t, store, at("", full), "web", "*"))
	if seen := ours(); len(seen) != 1 || !seen[0].certificate {
		t.Errorf("the repository was shown %+v", seen)
	}
	lax := app.Credentials{SkipTLSVerify: true, ClientCert: cert, ClientKey: key}
	want(t, "an archive elsewhere", "certificate", values(t, store, at("/other", lax), "web", "1.0.0"))
	if seen := theirs(); len(seen) > 0 {
		t.Errorf("the other server was shown %+v", seen)
	}
	want(t, "a redirect without encryption", "without encryption", find(t, store, at("/plain", lax), "web", "*"))
	want(t, "an archive without encryption or digest", "without encryption", values(t, store, at("/undigested", lax), "web", "1.0.0"))
	if seen := bare(); len(seen) > 0 {
		t.Errorf("the server without encryption was shown %+v", seen)
	}
}
