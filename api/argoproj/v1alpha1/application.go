package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// Application deploys the manifests of one or more sources to one destination.
//
// Spec, status and operation are one object: there is no status subresource, so
// every writer goes through the main resource.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:path=applications,shortName=app;apps
// +kubebuilder:printcolumn:name="Sync Status",type=string,JSONPath=`.status.sync.status`
// +kubebuilder:printcolumn:name="Health Status",type=string,JSONPath=`.status.health.status`
// +kubebuilder:printcolumn:name="Revision",type=string,JSONPath=`.status.sync.revision`,priority=10
// +kubebuilder:printcolumn:name="Project",type=string,JSONPath=`.spec.project`,priority=10
type Application struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`

	// Spec is what the user wants.
	Spec ApplicationSpec `json:"spec"`

	// Status is what the controller observed last.
	// +kubebuilder:pruning:PreserveUnknownFields
	Status ApplicationStatus `json:"status,omitzero"`

	// Operation asks for one sync; the controller removes it when it is done.
	// +kubebuilder:pruning:PreserveUnknownFields
	Operation *Operation `json:"operation,omitempty"`
}

// ApplicationList is a list of Applications.
//
// +kubebuilder:object:root=true
type ApplicationList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata"`
	Items           []Application `json:"items"`
}

// ApplicationSpec is the desired state of an Application.
type ApplicationSpec struct {
	// Source is where the manifests live; ignored when sources has an entry or
	// sourceHydrator is set.
	Source *Source `json:"source,omitempty"`

	// Destination is the cluster and namespace to deploy to.
	Destination Destination `json:"destination"`

	// Project names the AppProject; empty means "default".
	Project string `json:"project"`

	// SyncPolicy says when and how to sync; absent means by hand.
	SyncPolicy *SyncPolicy `json:"syncPolicy,omitempty"`

	// IgnoreDifferences lists fields that do not count as drift.
	IgnoreDifferences []IgnoreDifference `json:"ignoreDifferences,omitempty"`

	// Info is free text shown in the user interface.
	Info []Info `json:"info,omitempty"`

	// RevisionHistoryLimit is the number of kept status.history entries; absent
	// means 10, 0 keeps none.
	RevisionHistoryLimit *int64 `json:"revisionHistoryLimit,omitempty"`

	// Sources are combined in order; a non-empty list wins over source.
	Sources []Source `json:"sources,omitempty"`

	// SourceHydrator renders to a branch and syncs from there; wins over source
	// and sources.
	SourceHydrator *SourceHydrator `json:"sourceHydrator,omitempty"`
}

// Destination is a cluster, by address or by name but not both, and the default
// namespace within it.
type Destination struct {
	// Server is the address of the cluster's API.
	Server string `json:"server,omitempty"`

	// Namespace is given to namespaced objects that name none.
	Namespace string `json:"namespace,omitempty"`

	// Name is the cluster's registered name.
	Name string `json:"name,omitempty"`
}

// IgnoreDifference selects objects and the fields of them that may differ.
type IgnoreDifference struct {
	// Group is a glob on the API group.
	Group string `json:"group,omitempty"`

	// Kind is a glob on the kind.
	Kind string `json:"kind"`

	// Name is exact; empty means any.
	Name string `json:"name,omitempty"`

	// Namespace is exact; empty means any.
	Namespace string `json:"namespace,omitempty"`

	// JSONPointers are RFC 6901 paths to ignore.
	JSONPointers []string `json:"jsonPointers,omitempty"`

	// JQPathExpressions are jq paths to ignore.
	JQPathExpressions []string `json:"jqPathExpressions,omitempty"`

	// ManagedFieldsManagers are field managers whose fields are ignored.
	ManagedFieldsManagers []string `json:"managedFieldsManagers,omitempty"`
}

// Info is a free name and value.
type Info struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}
