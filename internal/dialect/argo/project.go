package argo

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/plumbline-dev/plumbline/api/argoproj/v1alpha1"
	"github.com/plumbline-dev/plumbline/internal/core/app"
	"github.com/plumbline-dev/plumbline/internal/core/signature"
)

// DecodeProject reads an AppProject.
func DecodeProject(p *v1alpha1.AppProject) app.Project {
	out := app.Project{Name: p.Name, SourceRepos: p.Spec.SourceRepos, Namespaces: p.Spec.SourceNamespaces, PruneLimit: app.AnnotatedPruneLimit(p.Annotations)}
	out.OwnClustersOnly = p.Spec.PermitOnlyProjectScopedClusters
	for _, d := range p.Spec.Destinations {
		out.Destinations = append(out.Destinations, app.DestinationRule{Server: d.Server, Name: d.Name, Namespace: d.Namespace})
	}
	for _, k := range p.Spec.ClusterResourceWhitelist {
		out.ClusterAllow = append(out.ClusterAllow, app.KindRule(k))
	}
	for _, k := range p.Spec.ClusterResourceBlacklist {
		out.ClusterDeny = append(out.ClusterDeny, app.KindRule(k))
	}
	for _, w := range p.Spec.SyncWindows {
		out.Windows = append(out.Windows, app.Window{
			Kind: w.Kind, Schedule: w.Schedule, Duration: w.Duration, TimeZone: w.TimeZone,
			Applications: w.Applications, Namespaces: w.Namespaces, Clusters: w.Clusters, All: w.AndOperator,
			Manual: w.ManualSync, Overrun: w.SyncOverrun,
		})
	}
	for _, a := range p.Spec.DestinationServiceAccounts {
		out.Accounts = append(out.Accounts, app.AccountRule{Server: a.Server, Namespace: a.Namespace, Account: a.DefaultServiceAccount})
	}
	if o := p.Spec.OrphanedResources; o != nil && isTrue(o.Warn) { // or else there is nobody to tell
		out.Orphans = &app.OrphanRule{}
		for _, k := range o.Ignore {
			out.Orphans.Ignore = append(out.Orphans.Ignore, app.KindRule(k))
		}
	}
	out.Signatures = signatures(p.Spec)
	for _, policy := range out.Signatures {
		if err := policy.Check(); err != nil { // nothing is taken for signed by mistake
			out.Unsupported = append(out.Unsupported, "the signatures that it asks for: "+err.Error())
		}
	}
	if p.Spec.NamespaceResourceWhitelist != nil {
		out.ObjectAllow = []app.KindRule{}
	}
	for _, k := range p.Spec.NamespaceResourceWhitelist {
		out.ObjectAllow = append(out.ObjectAllow, app.KindRule{Group: k.Group, Kind: k.Kind})
	}
	for _, k := range p.Spec.NamespaceResourceBlacklist {
		out.ObjectDeny = append(out.ObjectDeny, app.KindRule{Group: k.Group, Kind: k.Kind})
	}
	return out
}

// signatures returns what a project wants to be signed. Its list of keys is an older
// way to write it, and does not count beside the newer one.
func signatures(spec v1alpha1.AppProjectSpec) []signature.Policy {
	if spec.SourceIntegrity == nil {
		var keys []string
		for _, key := range spec.SignatureKeys {
			keys = append(keys, key.KeyID)
		}
		if len(keys) == 0 {
			return nil
		}
		return []signature.Policy{{Repos: []string{"*"}, Mode: signature.Head, Keys: keys}}
	}
	var list []signature.Policy
	if spec.SourceIntegrity.Git == nil {
		return nil
	}
	for _, p := range spec.SourceIntegrity.Git.Policies {
		policy := signature.Policy{}
		for _, repo := range p.Repos {
			policy.Repos = append(policy.Repos, repo.URL)
		}
		if p.GPG != nil {
			policy.Mode, policy.Keys = signature.Mode(p.GPG.Mode), p.GPG.Keys
		}
		list = append(list, policy)
	}
	return list
}

// DefaultProject is the project that every installation has: it allows everything.
func DefaultProject(namespace string) *v1alpha1.AppProject {
	return &v1alpha1.AppProject{
		TypeMeta:   metav1.TypeMeta{APIVersion: v1alpha1.GroupVersion.String(), Kind: v1alpha1.AppProjectKind},
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "default"},
		Spec: v1alpha1.AppProjectSpec{
			SourceRepos:              []string{"*"},
			Destinations:             []v1alpha1.Destination{{Server: "*", Namespace: "*"}},
			ClusterResourceWhitelist: []v1alpha1.ClusterResource{{Group: "*", Kind: "*"}},
		},
	}
}
