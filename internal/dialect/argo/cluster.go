package argo

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/plumbline-dev/plumbline/internal/core/app"
)

// SecretTypeCluster is the value of SecretTypeLabel that registers a cluster.
const SecretTypeCluster = "cluster"

// clusterConfig is the JSON in the key config of a cluster Secret.
type clusterConfig struct {
	Username           string           `json:"username"`
	Password           string           `json:"password"`
	BearerToken        string           `json:"bearerToken"`
	TLS                clusterTLS       `json:"tlsClientConfig"`
	AWS                *json.RawMessage `json:"awsAuthConfig"`
	Exec               *json.RawMessage `json:"execProviderConfig"`
	ProxyURL           string           `json:"proxyUrl"`
	DisableCompression bool             `json:"disableCompression"`
}

type clusterTLS struct {
	Insecure   bool   `json:"insecure"`
	ServerName string `json:"serverName"`
	CAData     []byte `json:"caData"`
	CertData   []byte `json:"certData"`
	KeyData    []byte `json:"keyData"`
}

// DecodeClusters reads the Secrets of type cluster among those given, ordered by
// their names. One that cannot be used is there with its Problem, so that whoever
// names it is told.
func DecodeClusters(secrets []RepositorySecret) app.Clusters {
	var list app.Clusters
	for _, s := range secrets {
		if s.Type == SecretTypeCluster {
			list = append(list, decodeCluster(s))
		}
	}
	slices.SortFunc(list, func(a, b app.Cluster) int { return cmp.Or(strings.Compare(a.From, b.From)) })
	seen := map[string]string{}
	for i, c := range list {
		if first, twice := seen[c.Server]; twice {
			list[i].Problem = fmt.Sprintf("%s registers the same server", first)
			continue
		}
		seen[c.Server] = c.From
	}
	return list
}

func decodeCluster(s RepositorySecret) app.Cluster {
	c := app.Cluster{
		Name: string(s.Data["name"]), Server: strings.TrimRight(strings.TrimSpace(string(s.Data["server"])), "/"),
		Project: string(s.Data["project"]), From: fmt.Sprintf("Secret %q", s.Name),
	}
	if c.Name == "" {
		c.Name = c.Server
	}
	for ns := range strings.SplitSeq(string(s.Data["namespaces"]), ",") {
		if ns = strings.TrimSpace(ns); ns != "" && !slices.Contains(c.Namespaces, ns) {
			c.Namespaces = append(c.Namespaces, ns)
		}
	}
	c.Wide = len(c.Namespaces) > 0 && string(s.Data["clusterResources"]) == "true"
	access, err := accessOf(s)
	if err != nil {
		c.Problem = err.Error()
	}
	c.Access = access
	return c
}

// accessOf reads how a cluster is reached. Errors repeat nothing of the values.
func accessOf(s RepositorySecret) (app.Access, error) {
	server, err := url.Parse(strings.TrimSpace(string(s.Data["server"])))
	switch {
	case err != nil || server.Host == "" || (server.Scheme != "https" && server.Scheme != "http"):
		return app.Access{}, fmt.Errorf("server is no URL such as https://10.0.0.1:6443")
	case server.User != nil:
		return app.Access{}, fmt.Errorf("server contains credentials; they belong into config")
	}
	var config clusterConfig
	if text := s.Data["config"]; len(text) > 0 {
		if err := json.Unmarshal(text, &config); err != nil {
			return app.Access{}, fmt.Errorf("config is not the JSON that it should be (%s)", jsonFault(err))
		}
	}
	switch {
	case config.AWS != nil:
		return app.Access{}, fmt.Errorf("config.awsAuthConfig is not supported: use the token of a service account in bearerToken")
	case config.Exec != nil:
		return app.Access{}, fmt.Errorf("config.execProviderConfig is refused, since it runs a program: use the token of a service account in bearerToken")
	case config.TLS.Insecure && len(config.TLS.CAData) > 0:
		return app.Access{}, fmt.Errorf("config.tlsClientConfig: insecure and caData contradict each other")
	case (len(config.TLS.CertData) > 0) != (len(config.TLS.KeyData) > 0):
		return app.Access{}, fmt.Errorf("config.tlsClientConfig: certData and keyData are only good together")
	}
	return app.Access{
		BearerToken: config.BearerToken, Username: config.Username, Password: config.Password,
		ServerName: config.TLS.ServerName, CA: config.TLS.CAData, Cert: config.TLS.CertData, Key: config.TLS.KeyData,
		Insecure: config.TLS.Insecure, ProxyURL: config.ProxyURL, DisableCompression: config.DisableCompression,
	}, nil
}

// jsonFault says where JSON is broken without repeating any of it.
func jsonFault(err error) string {
	switch err := err.(type) { //nolint:errorlint // as the decoder returns them
	case *json.SyntaxError:
		return fmt.Sprintf("broken at byte %d", err.Offset)
	case *json.UnmarshalTypeError:
		return fmt.Sprintf("%s is no %s", err.Field, err.Type)
	}
	return "a value cannot be decoded"
}
