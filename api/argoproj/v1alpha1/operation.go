package v1alpha1

// Operation is a request for one sync.
type Operation struct {
	// Sync is what to sync.
	Sync *SyncOperation `json:"sync,omitempty"`

	// InitiatedBy is who asked.
	InitiatedBy OperationInitiator `json:"initiatedBy,omitzero"`

	// Info is why, as free text shown in the history.
	Info []Info `json:"info,omitempty"`

	// Retry overrides the retries of the sync policy.
	Retry Retry `json:"retry,omitzero"`
}

// SyncOperation says what to sync and how.
type SyncOperation struct {
	// Revision is a concrete revision; empty resolves the target revision now.
	Revision string `json:"revision,omitempty"`

	// Prune deletes objects that the sources no longer contain.
	Prune bool `json:"prune,omitempty"`

	// DryRun changes nothing.
	DryRun bool `json:"dryRun,omitempty"`

	// SyncStrategy chooses between syncing with and without hooks.
	SyncStrategy *SyncStrategy `json:"syncStrategy,omitempty"`

	// Resources limits the sync to these objects.
	Resources []SyncResource `json:"resources,omitempty"`

	// Source overrides the source of the spec, as a rollback does.
	Source *Source `json:"source,omitempty"`

	// Manifests are JSON objects to use instead of rendering.
	Manifests []string `json:"manifests,omitempty"`

	// SyncOptions are the options of this sync.
	SyncOptions []string `json:"syncOptions,omitempty"`

	// Sources overrides the sources of the spec.
	Sources []Source `json:"sources,omitempty"`

	// Revisions are concrete revisions in the order of the sources.
	Revisions []string `json:"revisions,omitempty"`

	// AutoHealAttemptsCount counts attempts to revert drift.
	AutoHealAttemptsCount int64 `json:"autoHealAttemptsCount,omitempty"`
}

// SyncStrategy chooses between syncing with hooks, which is the default, and
// applying without.
type SyncStrategy struct {
	Apply *SyncStrategyApply `json:"apply,omitempty"`
	Hook  *SyncStrategyHook  `json:"hook,omitempty"`
}

// SyncStrategyApply applies without hooks.
type SyncStrategyApply struct {
	// Force deletes and creates again what cannot be updated.
	Force bool `json:"force,omitempty"`
}

// SyncStrategyHook applies with hooks.
type SyncStrategyHook struct {
	// Force deletes and creates again what cannot be updated.
	SyncStrategyApply `json:",inline"`
}

// SyncResource selects one object of a selective sync.
type SyncResource struct {
	Group     string `json:"group,omitempty"`
	Kind      string `json:"kind"`
	Name      string `json:"name"`
	Namespace string `json:"namespace,omitempty"`
}

// OperationInitiator is who asked for an operation.
type OperationInitiator struct {
	Username string `json:"username,omitempty"`

	// Automated is true for the controller itself.
	Automated bool `json:"automated,omitempty"`
}
