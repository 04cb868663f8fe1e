// Package pki makes the keys and certificates of one sandbox and finds them
// again after a restart. A folder goes in; authorities and key pairs come out.
// It never reuses a certificate that has expired or that another authority
// signed.
package pki

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/plumbline-dev/plumbline/sandbox/internal/statedir"
)

const (
	validity = 10 * 365 * 24 * time.Hour
	renewal  = 30 * 24 * time.Hour // a certificate with less than this left is made anew
)

// Pair is a certificate with its key, in PEM and on disk.
type Pair struct {
	CertFile, KeyFile string
	CertPEM, KeyPEM   []byte

	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// Subject says whom a certificate names and what it may be used for. A subject
// with hosts is a server, one without is a client.
type Subject struct {
	Name   string   // common name; the user name of a client
	Groups []string // organizations; the groups of a client
	DNS    []string
	IPs    []net.IP
}

// Authority returns the certificate authority called name in dir and creates it
// when it is missing or about to expire.
func Authority(dir, name string) (*Pair, error) {
	tmpl := &x509.Certificate{
		Subject:               pkix.Name{CommonName: "plumbline sandbox " + name},
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		BasicConstraintsValid: true,
		IsCA:                  true,
	}
	return obtain(dir, name, nil, tmpl)
}

// Issue returns the key pair called name in dir, signed by ca, and creates it
// when it is missing, about to expire or signed by another authority.
func (ca *Pair) Issue(dir, name string, s Subject) (*Pair, error) {
	tmpl := &x509.Certificate{
		Subject:     pkix.Name{CommonName: s.Name, Organization: s.Groups},
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		DNSNames:    s.DNS,
		IPAddresses: s.IPs,
	}
	if len(s.DNS)+len(s.IPs) > 0 {
		tmpl.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	}
	return obtain(dir, name, ca, tmpl)
}

func obtain(dir, name string, ca *Pair, tmpl *x509.Certificate) (*Pair, error) {
	p := &Pair{CertFile: filepath.Join(dir, name+".crt"), KeyFile: filepath.Join(dir, name+".key")}
	err := p.load()
	if err == nil && p.usable(ca) {
		return p, nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("certificate %s: %w; delete %s and %s to make them anew", name, err, p.CertFile, p.KeyFile)
	}
	if err := p.create(ca, tmpl); err != nil {
		return nil, fmt.Errorf("certificate %s: %w", name, err)
	}
	return p, nil
}

func (p *Pair) load() error {
	var err error
	if p.CertPEM, err = os.ReadFile(p.CertFile); err != nil {
		return err
	}
	if p.KeyPEM, err = os.ReadFile(p.KeyFile); err != nil {
		return err
	}
	cert, _ := pem.Decode(p.CertPEM)
	key, _ := pem.Decode(p.KeyPEM)
	if cert == nil || key == nil {
		return errors.New("not in PEM form")
	}
	if p.cert, err = x509.ParseCertificate(cert.Bytes); err != nil {
		return err
	}
	p.key, err = x509.ParseECPrivateKey(key.Bytes)
	return err
}

func (p *Pair) usable(ca *Pair) bool {
	if time.Until(p.cert.NotAfter) < renewal {
		return false
	}
	return ca == nil || p.cert.CheckSignatureFrom(ca.cert) == nil
}

func (p *Pair) create(ca *Pair, tmpl *x509.Certificate) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return err
	}
	now := time.Now()
	tmpl.SerialNumber, tmpl.NotBefore, tmpl.NotAfter = serial, now.Add(-5*time.Minute), now.Add(validity)
	parent, signer := tmpl, key
	if ca != nil {
		parent, signer = ca.cert, ca.key
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, parent, key.Public(), signer)
	if err != nil {
		return err
	}
	if p.cert, err = x509.ParseCertificate(der); err != nil {
		return err
	}
	p.key = key
	p.CertPEM = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	if p.KeyPEM, err = encodeKey(key); err != nil {
		return err
	}
	return errors.Join(statedir.WriteFile(p.KeyFile, p.KeyPEM), statedir.WriteFile(p.CertFile, p.CertPEM))
}

// SigningKey returns the path of the private key that signs service account
// tokens and creates the key the first time. The key never changes afterwards,
// so tokens stay valid over restarts.
func SigningKey(dir string) (string, error) {
	path := filepath.Join(dir, "service-accounts.key")
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", fmt.Errorf("service account key: %w", err)
	}
	raw, err := encodeKey(key)
	if err != nil {
		return "", fmt.Errorf("service account key: %w", err)
	}
	if err := statedir.WriteFile(path, raw); err != nil {
		return "", fmt.Errorf("service account key: %w", err)
	}
	return path, nil
}

func encodeKey(key *ecdsa.PrivateKey) ([]byte, error) {
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}), nil
}
