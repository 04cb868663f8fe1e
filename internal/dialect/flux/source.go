package flux

import (
	"strings"
	"time"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	"github.com/fluxcd/pkg/apis/meta"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/plumbline-dev/plumbline/internal/core/app"
	"github.com/plumbline-dev/plumbline/internal/core/condition"
	"github.com/plumbline-dev/plumbline/internal/core/source"
)

// Repository is a GitRepository as the engine polls it.
type Repository struct {
	URL       string
	Secret    *app.SecretRef
	Ref       source.Ref
	Interval  time.Duration
	Timeout   time.Duration
	Suspended bool
	Request   string // token that asks for a fetch now
	Seen      string // the last token that was handled
	Problems  []condition.Problem
}

// DecodeRepository reads a GitRepository.
func DecodeRepository(g *sourcev1.GitRepository) Repository {
	spec := g.Spec
	out := Repository{
		URL: spec.URL, Interval: spec.Interval.Duration, Timeout: time.Minute,
		Suspended: spec.Suspend, Request: g.Annotations[requestKey], Seen: g.Status.LastHandledReconcileAt,
		Ref: source.Ref{Branch: "master"},
	}
	if r := spec.Reference; r != nil {
		out.Ref = source.Ref{Branch: r.Branch, Tag: r.Tag, SemVer: r.SemVer, Name: r.Name, Commit: r.Commit}
		if out.Ref == (source.Ref{}) {
			out.Ref.Branch = "master"
		}
	}
	if spec.Timeout != nil {
		out.Timeout = spec.Timeout.Duration
	}
	if spec.SecretRef != nil {
		out.Secret = &app.SecretRef{Namespace: g.Namespace, Name: spec.SecretRef.Name}
	}
	refuse := func(set bool, field string) {
		if set {
			out.Problems = append(out.Problems, condition.Problem{Reason: condition.NotSupported, Message: field + " is not supported by this version"})
		}
	}
	refuse(spec.Verification != nil, "spec.verify")
	refuse(spec.Provider != "" && spec.Provider != sourcev1.GitProviderGeneric, "spec.provider: "+spec.Provider)
	refuse(spec.ProxySecretRef != nil, "spec.proxySecretRef")
	refuse(len(spec.Include) > 0, "spec.include")
	refuse(spec.Ignore != nil, "spec.ignore")
	refuse(spec.RecurseSubmodules, "spec.recurseSubmodules")
	return out
}

// WithSource completes an application decoded from a Kustomization with the
// GitRepository that it names and the revision stored in that object's status.
func WithSource(a app.Application, g *sourcev1.GitRepository) (app.Application, source.Revision, error) {
	repo := DecodeRepository(g)
	from := a.Sources[0]
	from.URL, from.Secret, from.Ref = repo.URL, repo.Secret, repo.Ref
	a.Sources, a.Declared = []app.Source{from}, repo.URL
	if g.Status.Artifact == nil {
		return a, source.Revision{}, condition.Newf(condition.SourceFailed, "Source artifact not found, retrying")
	}
	return a, ParseRevision(g.Status.Artifact.Revision), nil
}

// FormatRevision writes a revision the way the wire format does:
// "main@sha1:<hex>", or "sha1:<hex>" when nothing was asked for by name.
func FormatRevision(r source.Revision) string {
	if r.ID == "" {
		return ""
	}
	if r.Name == "" {
		return "sha1:" + r.ID
	}
	return r.Name + "@sha1:" + r.ID
}

// ParseRevision reads what FormatRevision writes and the older "main/<hex>".
func ParseRevision(text string) source.Revision {
	if name, id, ok := strings.Cut(text, "@sha1:"); ok {
		return source.Revision{Name: name, ID: id}
	}
	if id, ok := strings.CutPrefix(text, "sha1:"); ok {
		return source.Revision{ID: id}
	}
	if i := strings.LastIndex(text, "/"); i >= 0 && len(text)-i-1 == 40 {
		return source.Revision{Name: text[:i], ID: text[i+1:]}
	}
	return source.Revision{ID: text}
}

func commitOf(text string) string { return ParseRevision(text).ID }

// Fetched is what a poll of a repository found.
type Fetched struct {
	Revision source.Revision // zero when Err is set and nothing was known before
	Err      error
	Tree     string // id of the revision's root tree
}

// ReportRepository writes the outcome of a poll into a copy of g.
func ReportRepository(g *sourcev1.GitRepository, f Fetched, now time.Time) *sourcev1.GitRepository {
	next := g.DeepCopy()
	st := &next.Status
	st.ObservedGeneration = g.Generation
	st.LastHandledReconcileAt = g.Annotations[requestKey]
	list := &conditionList{generation: g.Generation, now: now, list: st.Conditions}
	defer func() { st.Conditions = list.list }()
	if f.Err != nil {
		p := condition.Of(f.Err, condition.SourceFailed)
		reason := repositoryReason(p.Reason)
		if p.Reason == condition.InvalidSpec || p.Reason == condition.NotSupported {
			list.set(meta.StalledCondition, metav1.ConditionTrue, reason, p.Message)
			list.remove(meta.ReconcilingCondition)
		} else {
			list.set(meta.ReconcilingCondition, metav1.ConditionTrue, meta.ProgressingWithRetryReason, p.Message)
			list.remove(meta.StalledCondition)
		}
		list.set(sourcev1.FetchFailedCondition, metav1.ConditionTrue, reason, p.Message)
		list.set(meta.ReadyCondition, metav1.ConditionFalse, reason, p.Message)
		return next
	}
	revision := FormatRevision(f.Revision)
	if st.Artifact == nil || st.Artifact.Revision != revision {
		// There is no archive to download: readers share the object store. The
		// digest is Git's own of the files.
		st.Artifact = &meta.Artifact{
			Path:     "gitrepository/" + g.Namespace + "/" + g.Name + "/" + f.Revision.ID,
			Revision: revision, Digest: "sha1:" + f.Tree, LastUpdateTime: metav1.NewTime(now.Truncate(time.Second)),
		}
	}
	message := "stored artifact for revision '" + revision + "'"
	list.remove(sourcev1.FetchFailedCondition)
	list.remove(meta.ReconcilingCondition)
	list.remove(meta.StalledCondition)
	list.set(sourcev1.ArtifactInStorageCondition, metav1.ConditionTrue, meta.SucceededReason, message)
	list.set(meta.ReadyCondition, metav1.ConditionTrue, meta.SucceededReason, message)
	return next
}

func repositoryReason(r condition.Reason) string {
	switch r {
	case condition.InvalidSpec:
		return sourcev1.URLInvalidReason
	case condition.NotSupported:
		return meta.FeatureGateDisabledReason
	default:
		return sourcev1.GitOperationFailedReason
	}
}

// UsesSource reports whether k reads from the GitRepository namespace/name.
func UsesSource(k *kustomizev1.Kustomization, namespace, name string) bool {
	ref := k.Spec.SourceRef
	ns := ref.Namespace
	if ns == "" {
		ns = k.Namespace
	}
	return ref.Kind == sourcev1.GitRepositoryKind && ns == namespace && ref.Name == name
}

// DependsOn reports whether k waits for the Kustomization namespace/name.
func DependsOn(k *kustomizev1.Kustomization, namespace, name string) bool {
	for _, d := range k.Spec.DependsOn {
		ns := d.Namespace
		if ns == "" {
			ns = k.Namespace
		}
		if ns == namespace && d.Name == name {
			return true
		}
	}
	return false
}
