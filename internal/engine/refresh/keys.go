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

// knownHostsMap holds the SSH host keys of Argo CD installations.
const knownHostsMap = "argocd-ssh-known-hosts-cm"

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
	list := &corev1.SecretList{}
	err := s.Reader.List(ctx, list, client.InNamespace(s.Namespace), client.HasLabels{argo.SecretTypeLabel})
	if err != nil {
		return app.Credentials{}, condition.Newf(condition.SourceFailed, "repository Secrets in %s: %w", s.Namespace, err)
	}
	secrets := make([]argo.RepositorySecret, len(list.Items))
	for i, item := range list.Items {
		secrets[i] = argo.RepositorySecret{Name: item.Name, Type: item.Labels[argo.SecretTypeLabel], Data: item.Data}
	}
	hosts := &corev1.ConfigMap{}
	key := client.ObjectKey{Namespace: s.Namespace, Name: knownHostsMap}
	if err := client.IgnoreNotFound(s.Reader.Get(ctx, key, hosts)); err != nil {
		return app.Credentials{}, condition.Newf(condition.SourceFailed, "known hosts: %w", err)
	}
	return argo.Credentials(url, secrets, []byte(hosts.Data["ssh_known_hosts"]))
}

func (s Secrets) named(ctx context.Context, ref app.SecretRef) (app.Credentials, error) {
	secret := &corev1.Secret{}
	if err := s.Reader.Get(ctx, client.ObjectKey{Namespace: ref.Namespace, Name: ref.Name}, secret); err != nil {
		return app.Credentials{}, condition.Because(condition.SourceFailed, fmt.Errorf("credentials: %w", err))
	}
	return flux.Credentials(ref, secret.Data)
}
