package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// ApplicationStatus is what the controller observed last.
type ApplicationStatus struct {
	// Resources are the managed objects.
	Resources []ResourceStatus `json:"resources,omitempty"`

	// Sync compares the sources with the cluster.
	Sync SyncStatus `json:"sync,omitzero"`

	// Health is the worst health of the managed objects.
	Health HealthStatus `json:"health,omitzero"`

	// History lists successful syncs, oldest first.
	History []RevisionHistory `json:"history,omitempty"`

	// Conditions are errors, warnings and information about the Application.
	Conditions []ApplicationCondition `json:"conditions,omitempty"`

	// ReconciledAt is the time of the last complete comparison.
	ReconciledAt *metav1.Time `json:"reconciledAt,omitempty"`

	// OperationState is the operation that runs or ran last.
	OperationState *OperationState `json:"operationState,omitempty"`

	// ObservedAt is kept for old clients.
	ObservedAt *metav1.Time `json:"observedAt,omitempty"`

	// SourceType is the tool that rendered the source.
	SourceType SourceType `json:"sourceType,omitempty"`

	// Summary is gathered from the live objects.
	Summary ApplicationSummary `json:"summary,omitzero"`

	// ResourceHealthSource says where the health of each object is kept;
	// "appTree" means not in status.resources.
	ResourceHealthSource ResourceHealthSource `json:"resourceHealthSource,omitempty"`

	// SourceTypes are the tools in the order of the sources.
	SourceTypes []SourceType `json:"sourceTypes,omitempty"`

	// ControllerNamespace is the namespace of the controller in charge.
	ControllerNamespace string `json:"controllerNamespace,omitempty"`

	// SourceHydrator is the state of rendering to a branch.
	SourceHydrator HydratorStatus `json:"sourceHydrator,omitzero"`
}

// SourceType is the tool that renders a source.
type SourceType string

// The tools that render a source.
const (
	SourceTypeHelm      SourceType = "Helm"
	SourceTypeKustomize SourceType = "Kustomize"
	SourceTypeDirectory SourceType = "Directory"
	SourceTypePlugin    SourceType = "Plugin"
)

// ResourceHealthSource says where the health of each object is kept.
type ResourceHealthSource string

// ResourceHealthSourceAppTree means that status.resources carries no health.
const ResourceHealthSourceAppTree ResourceHealthSource = "appTree"

// SyncCode says whether the cluster agrees with the sources.
type SyncCode string

// The results of a comparison.
const (
	SyncCodeSynced    SyncCode = "Synced"
	SyncCodeOutOfSync SyncCode = "OutOfSync"
	SyncCodeUnknown   SyncCode = "Unknown"
)

// SyncStatus is the result of the last comparison.
type SyncStatus struct {
	Status SyncCode `json:"status"`

	// ComparedTo holds the inputs of the comparison.
	ComparedTo ComparedTo `json:"comparedTo,omitzero"`

	// Revision is what the target revision resolved to.
	Revision string `json:"revision,omitempty"`

	// Revisions are the same in the order of the sources.
	Revisions []string `json:"revisions,omitempty"`
}

// ComparedTo holds the inputs of a comparison.
type ComparedTo struct {
	Source            Source             `json:"source,omitzero"`
	Destination       Destination        `json:"destination"`
	Sources           []Source           `json:"sources,omitempty"`
	IgnoreDifferences []IgnoreDifference `json:"ignoreDifferences,omitempty"`
}

// HealthCode is the health of an object or an Application.
type HealthCode string

// The codes of health, best first.
const (
	HealthCodeHealthy     HealthCode = "Healthy"
	HealthCodeSuspended   HealthCode = "Suspended"
	HealthCodeProgressing HealthCode = "Progressing"
	HealthCodeMissing     HealthCode = "Missing"
	HealthCodeDegraded    HealthCode = "Degraded"
	HealthCodeUnknown     HealthCode = "Unknown"
)

// HealthStatus is a health code, why, and since when.
type HealthStatus struct {
	Status             HealthCode   `json:"status,omitempty"`
	Message            string       `json:"message,omitempty"`
	LastTransitionTime *metav1.Time `json:"lastTransitionTime,omitempty"`
}

// ResourceStatus is the state of one managed object.
type ResourceStatus struct {
	Group           string        `json:"group,omitempty"`
	Version         string        `json:"version,omitempty"`
	Kind            string        `json:"kind,omitempty"`
	Namespace       string        `json:"namespace,omitempty"`
	Name            string        `json:"name,omitempty"`
	Status          SyncCode      `json:"status,omitempty"`
	Health          *HealthStatus `json:"health,omitempty"`
	Hook            bool          `json:"hook,omitempty"`
	RequiresPruning bool          `json:"requiresPruning,omitempty"`
	SyncWave        int64         `json:"syncWave,omitempty"`

	// RequiresDeletionConfirmation is true while the object waits for a
	// person to approve its deletion.
	RequiresDeletionConfirmation bool `json:"requiresDeletionConfirmation,omitempty"`
}

// RevisionHistory is one successful sync.
type RevisionHistory struct {
	Revision        string             `json:"revision,omitempty"`
	DeployedAt      metav1.Time        `json:"deployedAt"`
	ID              int64              `json:"id"`
	Source          Source             `json:"source,omitzero"`
	DeployStartedAt *metav1.Time       `json:"deployStartedAt,omitempty"`
	Sources         []Source           `json:"sources,omitempty"`
	Revisions       []string           `json:"revisions,omitempty"`
	InitiatedBy     OperationInitiator `json:"initiatedBy,omitzero"`
}

// ConditionType names a condition; the suffix Error or Warning is its severity.
type ConditionType string

// The conditions of an Application.
const (
	ConditionInvalidSpecError        ConditionType = "InvalidSpecError"
	ConditionComparisonError         ConditionType = "ComparisonError"
	ConditionSyncError               ConditionType = "SyncError"
	ConditionDeletionError           ConditionType = "DeletionError"
	ConditionUnknownError            ConditionType = "UnknownError"
	ConditionSharedResourceWarning   ConditionType = "SharedResourceWarning"
	ConditionRepeatedResourceWarning ConditionType = "RepeatedResourceWarning"
	ConditionExcludedResourceWarning ConditionType = "ExcludedResourceWarning"
	ConditionOrphanedResourceWarning ConditionType = "OrphanedResourceWarning"
)

// ApplicationCondition is an error, a warning or information.
type ApplicationCondition struct {
	Type               ConditionType `json:"type"`
	Message            string        `json:"message"`
	LastTransitionTime *metav1.Time  `json:"lastTransitionTime,omitempty"`
}

// ApplicationSummary is gathered from the live objects.
type ApplicationSummary struct {
	ExternalURLs []string `json:"externalURLs,omitempty"`
	Images       []string `json:"images,omitempty"`

	// IsAppOfApps is true when an Application is among the managed objects.
	IsAppOfApps bool `json:"isAppOfApps,omitempty"`
}
