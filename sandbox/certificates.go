package main

import (
	"net"

	"github.com/plumbline-dev/plumbline/sandbox/internal/pki"
	"github.com/plumbline-dev/plumbline/sandbox/internal/statedir"
)

// certificates are all keys of one sandbox.
type certificates struct {
	ca, serving, admin, internal *pki.Pair
	git                          *pki.Pair
	gitCA                        string // path of the authority that signed git
	signingKey                   string
}

// issue returns the certificates kept in d and makes the missing ones.
func issue(d *statedir.Dir) (certificates, error) {
	var c certificates
	dir := d.Path("pki")
	var err error
	if c.ca, err = pki.Authority(dir, "cluster-ca"); err != nil {
		return c, err
	}
	local := pki.Subject{DNS: []string{"localhost"}, IPs: []net.IP{net.IPv4(127, 0, 0, 1)}}
	api := local
	api.Name = "kube-apiserver"
	api.DNS = append([]string{"kubernetes", "kubernetes.default", "kubernetes.default.svc"}, local.DNS...)
	api.IPs = append([]net.IP{net.IPv4(10, 96, 0, 1)}, local.IPs...)
	if c.serving, err = c.ca.Issue(dir, "apiserver", api); err != nil {
		return c, err
	}
	masters := []string{"system:masters"}
	if c.admin, err = c.ca.Issue(dir, "admin", pki.Subject{Name: "admin", Groups: masters}); err != nil {
		return c, err
	}
	if c.internal, err = c.ca.Issue(dir, "internal", pki.Subject{Name: "system:kube-controller-manager", Groups: masters}); err != nil {
		return c, err
	}
	if c.signingKey, err = pki.SigningKey(dir); err != nil {
		return c, err
	}
	gitCA, err := pki.Authority(dir, "git-ca")
	if err != nil {
		return c, err
	}
	local.Name = "git server"
	if c.git, err = gitCA.Issue(dir, "git", local); err != nil {
		return c, err
	}
	c.gitCA = d.Path("git-ca.crt")
	return c, statedir.WriteFile(c.gitCA, gitCA.CertPEM)
}
