package main

import (
	"errors"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/plumbline-dev/plumbline/api/argoproj/v1alpha1"
	"github.com/plumbline-dev/plumbline/internal/dialect/argo"
	"github.com/plumbline-dev/plumbline/internal/front/cli"
)

// back makes a sync deliver again what the history has under a number; below 0,
// what was delivered before the last.
func back(a *v1alpha1.Application, id int64, sync *v1alpha1.SyncOperation) error {
	history := a.Status.History
	at := len(history) - 2
	if id >= 0 {
		at = slices.IndexFunc(history, func(h v1alpha1.RevisionHistory) bool { return h.ID == id })
	}
	switch {
	case len(history) == 0:
		return errors.New("nothing was delivered yet")
	case at < 0 && id < 0:
		return errors.New("nothing was delivered before the present revision")
	case at < 0:
		return fmt.Errorf("history has no number %d: it begins with %d and ends with %d", id, history[0].ID, history[len(history)-1].ID)
	}
	if sp := a.Spec.SyncPolicy; sp != nil && sp.Automated != nil && (sp.Automated.Enabled == nil || *sp.Automated.Enabled) {
		return errors.New("is synced automatically, and would go forward again at once: switch spec.syncPolicy.automated off first, or revert the commit")
	}
	h := history[at]
	sync.Revision, sync.Revisions, sync.Sources = h.Revision, h.Revisions, h.Sources
	if len(h.Sources) == 0 {
		sync.Source = &h.Source
	}
	return nil
}

func (argoDialect) History(obj *unstructured.Unstructured) ([]cli.Deployment, error) {
	a := &v1alpha1.Application{}
	if _, err := decode(obj, a); err != nil {
		return nil, err
	}
	list := []cli.Deployment{}
	for _, h := range a.Status.History {
		d := cli.Deployment{ID: h.ID, At: h.DeployedAt.Time, Revision: argo.RevisionOf(h.Revision, h.Revisions), By: h.InitiatedBy.Username}
		if h.InitiatedBy.Automated {
			d.By = "automated"
		}
		for _, src := range argo.SourcesOf(h.Source, h.Sources) {
			d.From = append(d.From, cli.DeploymentFrom(src.RepoURL, src.Path))
		}
		list = append(list, d)
	}
	return list, nil
}

func (fluxDialect) History(*unstructured.Unstructured) ([]cli.Deployment, error) {
	return nil, errors.New("no history is kept of a Kustomization: see the log of its repository")
}
