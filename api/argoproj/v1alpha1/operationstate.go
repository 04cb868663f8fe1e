package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// OperationPhase is the stage of an operation.
type OperationPhase string

// The stages of an operation.
const (
	OperationRunning     OperationPhase = "Running"
	OperationTerminating OperationPhase = "Terminating"
	OperationSucceeded   OperationPhase = "Succeeded"
	OperationFailed      OperationPhase = "Failed" // an object or a hook failed
	OperationError       OperationPhase = "Error"  // the operation could not run
)

// OperationState is an operation that runs or ran last.
type OperationState struct {
	// Operation is the request.
	Operation Operation `json:"operation"`

	Phase   OperationPhase `json:"phase"`
	Message string         `json:"message,omitempty"`

	// SyncResult is what happened to each object.
	SyncResult *SyncResult `json:"syncResult,omitempty"`

	StartedAt metav1.Time `json:"startedAt"`

	// FinishedAt is the end of the operation or, while it is Running, of the
	// last attempt.
	FinishedAt *metav1.Time `json:"finishedAt,omitempty"`

	// RetryCount is the number of retries so far.
	RetryCount int64 `json:"retryCount,omitempty"`
}

// SyncResult is what a sync did.
type SyncResult struct {
	Resources []ResourceResult `json:"resources,omitempty"`
	Revision  string           `json:"revision"`
	Source    Source           `json:"source,omitzero"`
	Sources   []Source         `json:"sources,omitempty"`
	Revisions []string         `json:"revisions,omitempty"`

	// ManagedNamespaceMetadata is what was set on the namespace.
	ManagedNamespaceMetadata *NamespaceMetadata `json:"managedNamespaceMetadata,omitempty"`
}

// ResultCode is what a sync did to an object.
type ResultCode string

// What a sync can do to an object.
const (
	ResultSynced       ResultCode = "Synced"
	ResultSyncFailed   ResultCode = "SyncFailed"
	ResultPruned       ResultCode = "Pruned"
	ResultPruneSkipped ResultCode = "PruneSkipped"
)

// HookType is when a hook runs.
type HookType string

// When a hook runs.
const (
	HookPreSync    HookType = "PreSync"
	HookSync       HookType = "Sync"
	HookPostSync   HookType = "PostSync"
	HookSkip       HookType = "Skip"
	HookSyncFail   HookType = "SyncFail"
	HookPreDelete  HookType = "PreDelete"
	HookPostDelete HookType = "PostDelete"
)

// SyncPhase is the phase of a sync that an object belongs to.
type SyncPhase string

// The phases of a sync.
const (
	SyncPhasePreSync  SyncPhase = "PreSync"
	SyncPhaseSync     SyncPhase = "Sync"
	SyncPhasePostSync SyncPhase = "PostSync"
	SyncPhaseSyncFail SyncPhase = "SyncFail"
)

// ResourceResult is what a sync did to one object.
type ResourceResult struct {
	Group     string     `json:"group"`
	Version   string     `json:"version"`
	Kind      string     `json:"kind"`
	Namespace string     `json:"namespace"`
	Name      string     `json:"name"`
	Status    ResultCode `json:"status,omitempty"`
	Message   string     `json:"message,omitempty"`

	// HookType is set for hooks.
	HookType HookType `json:"hookType,omitempty"`

	// HookPhase is the stage of a hook; for other objects the stage of the
	// operation when the object was applied.
	HookPhase OperationPhase `json:"hookPhase,omitempty"`

	// SyncPhase is the phase in which the object was applied.
	SyncPhase SyncPhase `json:"syncPhase,omitempty"`

	// Images are the container images of the object.
	Images []string `json:"images,omitempty"`
}
