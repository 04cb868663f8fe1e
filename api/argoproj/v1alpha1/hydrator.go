package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// SourceHydrator renders one source to a branch and syncs from that branch.
type SourceHydrator struct {
	// DrySource is where the templates live.
	DrySource DrySource `json:"drySource"`

	// SyncSource is where the rendered manifests go and what is synced.
	SyncSource SyncSource `json:"syncSource"`

	// HydrateTo pushes to another branch first; something else promotes it.
	HydrateTo *HydrateTo `json:"hydrateTo,omitempty"`
}

// DrySource is where the templates of a SourceHydrator live.
type DrySource struct {
	RepoURL        string           `json:"repoURL"`
	TargetRevision string           `json:"targetRevision"`
	Path           string           `json:"path"`
	Helm           *HelmSource      `json:"helm,omitempty"`
	Kustomize      *KustomizeSource `json:"kustomize,omitempty"`
	Directory      *DirectorySource `json:"directory,omitempty"`
	Plugin         *PluginSource    `json:"plugin,omitempty"`
}

// SyncSource is where the rendered manifests of a SourceHydrator go.
type SyncSource struct {
	// RepoURL defaults to the repository of the dry source.
	RepoURL string `json:"repoURL,omitempty"`

	// TargetBranch holds the rendered manifests.
	TargetBranch string `json:"targetBranch"`

	// Path is a directory below the root of the branch.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:Pattern=`^.{2,}|[^./]$`
	Path string `json:"path"`
}

// HydrateTo is a staging branch.
type HydrateTo struct {
	TargetBranch string `json:"targetBranch"`
}

// HydratorStatus is what became of the last renderings to a branch.
type HydratorStatus struct {
	LastSuccessfulOperation *HydrateResult    `json:"lastSuccessfulOperation,omitempty"`
	CurrentOperation        *HydrateOperation `json:"currentOperation,omitempty"`

	// LastComparedDryRevision is the dry revision that was looked at last.
	LastComparedDryRevision string `json:"lastComparedDryRevision,omitempty"`
}

// HydratePhase is the stage of a rendering to a branch.
type HydratePhase string

// The stages of a rendering to a branch.
const (
	HydratePhaseHydrating HydratePhase = "Hydrating"
	HydratePhaseHydrated  HydratePhase = "Hydrated"
	HydratePhaseFailed    HydratePhase = "Failed"
)

// HydrateOperation is a rendering to a branch that runs or ran last.
type HydrateOperation struct {
	StartedAt      metav1.Time    `json:"startedAt,omitzero"`
	FinishedAt     *metav1.Time   `json:"finishedAt,omitempty"`
	Phase          HydratePhase   `json:"phase"`
	Message        string         `json:"message"`
	DrySHA         string         `json:"drySHA,omitempty"`
	HydratedSHA    string         `json:"hydratedSHA,omitempty"`
	SourceHydrator SourceHydrator `json:"sourceHydrator,omitzero"`
}

// HydrateResult is a rendering to a branch that succeeded.
type HydrateResult struct {
	DrySHA         string         `json:"drySHA,omitempty"`
	HydratedSHA    string         `json:"hydratedSHA,omitempty"`
	SourceHydrator SourceHydrator `json:"sourceHydrator,omitzero"`
}
