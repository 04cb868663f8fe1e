package scenario

import (
	"context"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// application NAME [field=value...] creates an automated Application in argocd
// that deploys the path NAME of $URL into the story's namespace; fields are laid
// over that, below spec.source unless they begin with spec or metadata.
func (s *story) application(c *call) error {
	if err := c.want(1, 20, "application NAME [field=value...]"); err != nil {
		return err
	}
	t, err := s.target("applications", c.args[0])
	if err != nil {
		return err
	}
	obj := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "argoproj.io/v1alpha1", "kind": "Application",
		"metadata": map[string]any{"name": t.name, "namespace": t.namespace},
		"spec": map[string]any{
			"project":     "default",
			"source":      map[string]any{"repoURL": s.env["URL"], "targetRevision": "main", "path": c.args[0]},
			"destination": map[string]any{"server": "https://kubernetes.default.svc", "namespace": s.ns},
			"syncPolicy": map[string]any{
				"automated":   map[string]any{"prune": true, "selfHeal": true},
				"syncOptions": []any{"CreateNamespace=true"},
			},
		},
	}}
	if err := lay(obj.Object, below("spec.source.", c.args[1:])); err != nil {
		return err
	}
	return s.put(t, obj)
}

// below puts a prefix in front of paths that begin with neither spec nor metadata.
func below(prefix string, pairs []string) []string {
	var list []string
	for _, pair := range pairs {
		if !strings.HasPrefix(pair, "spec.") && !strings.HasPrefix(pair, "metadata.") {
			pair = prefix + pair
		}
		list = append(list, pair)
	}
	return list
}

// kustomization NAME [field=value...] creates a Kustomization in the story's
// namespace that deploys the path NAME of $URL there, and the GitRepository
// "repo" when there is none yet; fields lie below spec.
func (s *story) kustomization(c *call) error {
	if err := c.want(1, 20, "kustomization NAME [field=value...]"); err != nil {
		return err
	}
	w, err := s.in()
	if err != nil {
		return err
	}
	repo, err := s.target("gitrepositories", "repo")
	if err != nil {
		return err
	}
	if _, err := w.at(repo.served, repo.namespace).Get(context.Background(), repo.name, metav1.GetOptions{}); apierrors.IsNotFound(err) {
		err = s.put(repo, &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "GitRepository",
			"metadata": map[string]any{"name": repo.name, "namespace": repo.namespace},
			"spec":     map[string]any{"url": s.env["URL"], "interval": "3s", "ref": map[string]any{"branch": "main"}},
		}})
		if err != nil {
			return err
		}
	}
	t, err := s.target("kustomizations", c.args[0])
	if err != nil {
		return err
	}
	obj := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization",
		"metadata": map[string]any{"name": t.name, "namespace": t.namespace},
		"spec": map[string]any{
			"interval": "5m", "retryInterval": "3s", "prune": true, "path": "./" + c.args[0], "targetNamespace": s.ns,
			"sourceRef": map[string]any{"kind": "GitRepository", "name": repo.name},
		},
	}}
	if err := lay(obj.Object, below("spec.", c.args[1:])); err != nil {
		return err
	}
	return s.put(t, obj)
}
