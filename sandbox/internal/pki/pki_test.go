package pki_test

import (
	"bytes"
	"net"
	"os"
	"strings"
	"testing"

	"github.com/plumbline-dev/plumbline/sandbox/internal/pki"
)

func TestFindsAgain(t *testing.T) {
	dir := t.TempDir()
	issue := func() (ca, leaf *pki.Pair) {
		t.Helper()
		ca, err := pki.Authority(dir, "ca")
		if err != nil {
			t.Fatal(err)
		}
		leaf, err = ca.Issue(dir, "leaf", pki.Subject{Name: "leaf", IPs: []net.IP{net.IPv4(127, 0, 0, 1)}})
		if err != nil {
			t.Fatal(err)
		}
		return ca, leaf
	}
	ca, leaf := issue()
	ca2, leaf2 := issue()
	if !bytes.Equal(ca.CertPEM, ca2.CertPEM) || !bytes.Equal(leaf.KeyPEM, leaf2.KeyPEM) {
		t.Error("Authority and certificate outlive a run.")
	}
	for _, file := range []string{ca.CertFile, ca.KeyFile} {
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
	}
	if _, leaf3 := issue(); bytes.Equal(leaf.CertPEM, leaf3.CertPEM) {
		t.Error("A certificate of another authority is not reused.")
	}
}

func TestBrokenFile(t *testing.T) {
	dir := t.TempDir()
	ca, err := pki.Authority(dir, "ca")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(ca.CertFile, []byte("nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := pki.Authority(dir, "ca"); err == nil || !strings.Contains(err.Error(), "not in PEM form; delete "+ca.CertFile) {
		t.Errorf("A broken file is named with the way out: got %v", err)
	}
}
