package argo

import (
	"github.com/plumbline-dev/plumbline/api/argoproj/v1alpha1"
	"github.com/plumbline-dev/plumbline/internal/core/app"
	"github.com/plumbline-dev/plumbline/internal/core/render"
	"github.com/plumbline-dev/plumbline/internal/core/source"
)

// buildEnv is what a source may refer to as $NAME or ${NAME}.
type buildEnv struct {
	instance  string // name of the application
	namespace string // of the destination
	project   string
	written   v1alpha1.Source
	revision  source.Revision

	pinned bool // the revision was asked for
}

func (s Settings) buildEnv(a app.Application, written v1alpha1.Source, revision source.Revision) *buildEnv {
	return &buildEnv{instance: s.instance(a.ID), namespace: a.Target.Namespace, project: a.Project, written: written, revision: revision}
}

// buildVariables are all that there are.
var buildVariables = []string{
	"ARGOCD_APP_NAME", "ARGOCD_APP_NAMESPACE", "ARGOCD_APP_PROJECT_NAME", "ARGOCD_APP_REVISION", "ARGOCD_APP_REVISION_SHORT",
	"ARGOCD_APP_REVISION_SHORT_8", "ARGOCD_APP_SOURCE_REPO_URL", "ARGOCD_APP_SOURCE_PATH", "ARGOCD_APP_SOURCE_TARGET_REVISION",
}

// value returns that of a variable; one that there is not is empty.
func (e *buildEnv) value(name string) string {
	short := func(n int) string { return e.revision.ID[:min(n, len(e.revision.ID))] }
	switch name {
	case "ARGOCD_APP_NAME":
		return e.instance
	case "ARGOCD_APP_NAMESPACE":
		return e.namespace
	case "ARGOCD_APP_PROJECT_NAME":
		return e.project
	case "ARGOCD_APP_SOURCE_REPO_URL":
		return e.written.RepoURL
	case "ARGOCD_APP_SOURCE_PATH":
		return e.written.Path
	case "ARGOCD_APP_SOURCE_TARGET_REVISION":
		return e.written.TargetRevision
	case "ARGOCD_APP_REVISION":
		e.pinned = true
		return e.revision.ID
	case "ARGOCD_APP_REVISION_SHORT":
		e.pinned = true
		return short(7)
	case "ARGOCD_APP_REVISION_SHORT_8":
		e.pinned = true
		return short(8)
	}
	return ""
}

// expand replaces the variables in text by their values.
func (e *buildEnv) expand(text string) string { return render.Expand(text, e.value) }

// expandAll is expand of each value.
func (e *buildEnv) expandAll(texts map[string]string) map[string]string {
	if texts == nil {
		return nil
	}
	out := make(map[string]string, len(texts))
	for key, text := range texts {
		out[key] = e.expand(text)
	}
	return out
}
