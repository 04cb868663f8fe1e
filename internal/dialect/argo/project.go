package argo

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/plumbline-dev/plumbline/api/argoproj/v1alpha1"
	"github.com/plumbline-dev/plumbline/internal/core/app"
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
	out.Unsupported = unsupportedRules(p.Spec)
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

// unsupportedRules lists the rules of a project that hold deliveries back and
// that this version does not know how to keep. Ignoring them would apply what
// the project forbids.
func unsupportedRules(spec v1alpha1.AppProjectSpec) []string {
	var list []string
	add := func(set bool, field string) {
		if set {
			list = append(list, "spec."+field)
		}
	}
	add(len(spec.SignatureKeys) > 0, "signatureKeys")
	add(spec.SourceIntegrity != nil, "sourceIntegrity")
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
