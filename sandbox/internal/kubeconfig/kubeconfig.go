// Package kubeconfig writes the files with which clients reach a sandbox. An
// address, an authority and one identity go in; a file with mode 0600 comes
// out. It never merges into an existing file.
package kubeconfig

import (
	"fmt"

	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"

	"github.com/plumbline-dev/plumbline/sandbox/internal/statedir"
)

const cluster = "sandbox"

// Target is the API server a file points at.
type Target struct {
	Server string // https://host:port
	CAPEM  []byte
}

// Identity is how the user of a file proves who it is: by a client certificate
// or by a token.
type Identity struct {
	Name            string
	CertPEM, KeyPEM []byte
	Token           string
}

// Write replaces the file at path by one context for id at t, atomically.
func Write(path string, t Target, id Identity) error {
	cfg := api.NewConfig()
	cfg.Clusters[cluster] = &api.Cluster{Server: t.Server, CertificateAuthorityData: t.CAPEM}
	cfg.AuthInfos[id.Name] = &api.AuthInfo{
		ClientCertificateData: id.CertPEM,
		ClientKeyData:         id.KeyPEM,
		Token:                 id.Token,
	}
	cfg.Contexts[cluster] = &api.Context{Cluster: cluster, AuthInfo: id.Name}
	cfg.CurrentContext = cluster
	raw, err := clientcmd.Write(*cfg)
	if err != nil {
		return fmt.Errorf("kubeconfig of %q: %w", id.Name, err)
	}
	if err := statedir.WriteFile(path, raw); err != nil {
		return fmt.Errorf("kubeconfig of %q: %w", id.Name, err)
	}
	return nil
}
