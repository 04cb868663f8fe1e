package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// AppProject limits what its Applications may deploy, from where and to where.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:path=appprojects,shortName=appproj;appprojs
type AppProject struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`

	// Spec is what the project allows.
	Spec AppProjectSpec `json:"spec"`

	// Status keeps the tokens that were issued.
	// +kubebuilder:pruning:PreserveUnknownFields
	Status AppProjectStatus `json:"status,omitzero"`
}

// AppProjectList is a list of AppProjects.
//
// +kubebuilder:object:root=true
type AppProjectList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata"`
	Items           []AppProject `json:"items"`
}

// AppProjectSpec is what a project allows.
type AppProjectSpec struct {
	// SourceRepos are globs on repository addresses; "!" negates.
	SourceRepos []string `json:"sourceRepos,omitempty"`

	// Destinations are the clusters and namespaces allowed; "!" negates.
	Destinations []Destination `json:"destinations,omitempty"`

	// Description is for people.
	// +kubebuilder:validation:MaxLength=255
	Description string `json:"description,omitempty"`

	// Roles grant users and tokens access to the project's Applications.
	Roles []ProjectRole `json:"roles,omitempty"`

	// ClusterResourceWhitelist lists cluster-scoped kinds allowed; with no entry
	// none is.
	ClusterResourceWhitelist []ClusterResource `json:"clusterResourceWhitelist,omitzero"`

	// NamespaceResourceBlacklist lists namespaced kinds denied; it wins.
	NamespaceResourceBlacklist []GroupKind `json:"namespaceResourceBlacklist,omitzero"`

	// OrphanedResources reports objects that no Application owns.
	OrphanedResources *OrphanedResources `json:"orphanedResources,omitempty"`

	// SyncWindows are times when syncs may or may not run.
	SyncWindows []SyncWindow `json:"syncWindows,omitempty"`

	// NamespaceResourceWhitelist lists namespaced kinds allowed. Absent allows
	// all, an empty list allows none.
	NamespaceResourceWhitelist []GroupKind `json:"namespaceResourceWhitelist,omitzero"`

	// SignatureKeys are the keys commits must be signed with; superseded by
	// sourceIntegrity.
	SignatureKeys []SignatureKey `json:"signatureKeys,omitempty"`

	// ClusterResourceBlacklist lists cluster-scoped kinds denied; it wins.
	ClusterResourceBlacklist []ClusterResource `json:"clusterResourceBlacklist,omitzero"`

	// SourceNamespaces are globs on the namespaces that Applications of this
	// project may live in.
	SourceNamespaces []string `json:"sourceNamespaces,omitempty"`

	// PermitOnlyProjectScopedClusters allows only clusters registered for this
	// project.
	PermitOnlyProjectScopedClusters bool `json:"permitOnlyProjectScopedClusters,omitempty"`

	// DestinationServiceAccounts are the accounts to act as, by destination.
	DestinationServiceAccounts []DestinationServiceAccount `json:"destinationServiceAccounts,omitempty"`

	// SourceIntegrity says which sources must be signed, and by whom.
	SourceIntegrity *SourceIntegrity `json:"sourceIntegrity,omitempty"`
}

// GroupKind is a glob on an API group and one on a kind.
type GroupKind struct {
	Group string `json:"group"`
	Kind  string `json:"kind"`
}

// ClusterResource is a glob on an API group, one on a kind and one on a name.
type ClusterResource struct {
	Group string `json:"group"`
	Kind  string `json:"kind"`

	// Name is a glob; empty means any.
	Name string `json:"name,omitempty"`
}

// ProjectRole grants access to the project's Applications.
type ProjectRole struct {
	Name        string `json:"name"`
	Description string `json:"description,omitempty"`

	// Policies are policy lines such as
	// "p, proj:shop:deployer, applications, sync, shop/*, allow".
	Policies []string `json:"policies,omitempty"`

	// JWTTokens are the tokens that were issued for the role.
	JWTTokens []JWTToken `json:"jwtTokens,omitempty"`

	// Groups are login groups that hold the role.
	Groups []string `json:"groups,omitempty"`
}

// JWTToken identifies an issued token; times are seconds since 1970.
type JWTToken struct {
	IssuedAt  int64  `json:"iat"`
	ExpiresAt int64  `json:"exp,omitempty"`
	ID        string `json:"id,omitempty"`
}

// OrphanedResources reports objects that no Application owns.
type OrphanedResources struct {
	// Warn raises a condition; absent means false.
	Warn *bool `json:"warn,omitempty"`

	// Ignore lists objects that are expected.
	Ignore []OrphanedResourceKey `json:"ignore,omitempty"`
}

// OrphanedResourceKey selects objects by globs.
type OrphanedResourceKey struct {
	Group string `json:"group,omitempty"`
	Kind  string `json:"kind,omitempty"`
	Name  string `json:"name,omitempty"`
}

// SyncWindow kinds.
const (
	SyncWindowAllow = "allow"
	SyncWindowDeny  = "deny"
)

// SyncWindow is a repeating time in which syncs may or may not run.
type SyncWindow struct {
	// Kind is allow or deny.
	Kind string `json:"kind,omitempty"`

	// Schedule is a cron expression of five fields: when the window opens.
	Schedule string `json:"schedule,omitempty"`

	// Duration is how long it stays open, such as 1h30m.
	Duration string `json:"duration,omitempty"`

	// Applications are globs on names.
	Applications []string `json:"applications,omitempty"`

	// Namespaces are globs on destination namespaces.
	Namespaces []string `json:"namespaces,omitempty"`

	// Clusters are globs on destination clusters.
	Clusters []string `json:"clusters,omitempty"`

	// ManualSync lets people sync while the window blocks.
	ManualSync bool `json:"manualSync,omitempty"`

	// TimeZone is an IANA name; empty means UTC.
	TimeZone string `json:"timeZone,omitempty"`

	// AndOperator wants all lists to match instead of any.
	AndOperator bool `json:"andOperator,omitempty"`

	// Description is for people.
	Description string `json:"description,omitempty"`

	// SyncOverrun lets a running sync finish when the window begins to block.
	SyncOverrun bool `json:"syncOverrun,omitempty"`
}

// SignatureKey is a key that commits must be signed with.
type SignatureKey struct {
	KeyID string `json:"keyID"`
}

// DestinationServiceAccount is the account to act as at a destination.
type DestinationServiceAccount struct {
	// Server is a glob on the cluster's address.
	Server string `json:"server"`

	// Namespace is a glob on the destination namespace.
	Namespace string `json:"namespace,omitempty"`

	// DefaultServiceAccount is name or namespace:name.
	DefaultServiceAccount string `json:"defaultServiceAccount"`
}

// SourceIntegrity says which sources must be signed.
type SourceIntegrity struct {
	Git *SourceIntegrityGit `json:"git"`
}

// SourceIntegrityGit lists policies; the first whose repositories match applies.
type SourceIntegrityGit struct {
	Policies []SourceIntegrityPolicy `json:"policies"`
}

// SourceIntegrityPolicy is what is asked of some repositories.
type SourceIntegrityPolicy struct {
	Repos []SourceIntegrityRepo `json:"repos"`
	GPG   *SourceIntegrityGPG   `json:"gpg"`
}

// SourceIntegrityRepo is a glob on repository addresses; "!" negates.
type SourceIntegrityRepo struct {
	URL string `json:"url"`
}

// SourceIntegrityGPG says what must be signed, and by which keys.
type SourceIntegrityGPG struct {
	// Mode is none, head or strict.
	Mode string `json:"mode"`

	// Keys are the identities of trusted keys.
	Keys []string `json:"keys"`
}

// AppProjectStatus keeps the tokens that were issued.
type AppProjectStatus struct {
	JWTTokensByRole map[string]JWTTokens `json:"jwtTokensByRole,omitempty"`
}

// JWTTokens is a list of issued tokens.
type JWTTokens struct {
	Items []JWTToken `json:"items,omitempty"`
}
