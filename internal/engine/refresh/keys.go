package refresh

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/plumbline-dev/plumbline/internal/core/app"
	"github.com/plumbline-dev/plumbline/internal/core/condition"
	"github.com/plumbline-dev/plumbline/internal/dialect/argo"
	"github.com/plumbline-dev/plumbline/internal/dialect/flux"
)

// ConfigMaps of Argo CD installations.
const (
	knownHostsMap   = "argocd-ssh-known-hosts-cm" // host keys of SSH servers
	certificatesMap = "argocd-tls-certs-cm"       // certificate authorities by host
)

// Secrets looks credentials up in the cluster that the engine runs in.
type Secrets struct {
	Reader    client.Reader // of the API server itself: credentials are asked for rarely and must be fresh
	Namespace string        // where repository Secrets live
}

// Credentials implements Keys.
func (s Secrets) Credentials(ctx context.Context, url string, ref *app.SecretRef) (app.Credentials, error) {
	if ref != nil {
		return s.named(ctx, *ref)
	}
	secrets, err := s.registered(ctx)
	if err != nil {
		return app.Credentials{}, err
	}
	var trust argo.Trust
	hosts, err := s.configMap(ctx, knownHostsMap)
	if err == nil {
		trust.KnownHosts = []byte(hosts["ssh_known_hosts"])
		trust.Certificates, err = s.configMap(ctx, certificatesMap)
	}
	if err != nil {
		return app.Credentials{}, err
	}
	return argo.Credentials(url, secrets, trust)
}

// Named implements Keys.
func (s Secrets) Named(ctx context.Context, name string) (string, error) {
	secrets, err := s.registered(ctx)
	if err != nil {
		return "", err
	}
	address, found := argo.Named(name, secrets)
	if !found {
		return "", condition.Newf(condition.SourceFailed, "no repository is registered under the name %q: add it to the Secret of one in %s, or give the URL in Chart.yaml", name, s.Namespace)
	}
	return address, nil
}

// registered lists the Secrets of repositories.
func (s Secrets) registered(ctx context.Context) ([]argo.RepositorySecret, error) {
	list := &corev1.SecretList{}
	err := s.Reader.List(ctx, list, client.InNamespace(s.Namespace), client.HasLabels{argo.SecretTypeLabel})
	if err != nil {
		return nil, condition.Newf(condition.SourceFailed, "repository Secrets in %s: %w", s.Namespace, err)
	}
	secrets := make([]argo.RepositorySecret, len(list.Items))
	for i, item := range list.Items {
		secrets[i] = argo.RepositorySecret{Name: item.Name, Type: item.Labels[argo.SecretTypeLabel], Data: item.Data}
	}
	return secrets, nil
}

// configMap returns the data of a ConfigMap, and nothing if there is none.
func (s Secrets) configMap(ctx context.Context, name string) (map[string]string, error) {
	m := &corev1.ConfigMap{}
	key := client.ObjectKey{Namespace: s.Namespace, Name: name}
	if err := client.IgnoreNotFound(s.Reader.Get(ctx, key, m)); err != nil {
		return nil, condition.Newf(condition.SourceFailed, "ConfigMap %s: %w", name, err)
	}
	return m.Data, nil
}

func (s Secrets) named(ctx context.Context, ref app.SecretRef) (app.Credentials, error) {
	secret := &corev1.Secret{}
	if err := s.Reader.Get(ctx, client.ObjectKey{Namespace: ref.Namespace, Name: ref.Name}, secret); err != nil {
		return app.Credentials{}, condition.Because(condition.SourceFailed, fmt.Errorf("credentials: %w", err))
	}
	return flux.Credentials(ref, secret.Data)
}
