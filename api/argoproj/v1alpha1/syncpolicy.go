package v1alpha1

// SyncPolicy says when and how an Application is synced.
type SyncPolicy struct {
	// Automated turns automatic sync on; absent means by hand.
	Automated *AutomatedSync `json:"automated,omitempty"`

	// SyncOptions are entries of the form Key=value.
	SyncOptions []string `json:"syncOptions,omitempty"`

	// Retry says how often and how soon a failed sync is repeated. Absent means
	// five times for an automatic sync and never for a manual one.
	Retry *Retry `json:"retry,omitempty"`

	// ManagedNamespaceMetadata is set on the namespace that
	// CreateNamespace=true makes.
	ManagedNamespaceMetadata *NamespaceMetadata `json:"managedNamespaceMetadata,omitempty"`
}

// AutomatedSync tunes automatic sync.
type AutomatedSync struct {
	// Prune deletes objects that the sources no longer contain.
	Prune *bool `json:"prune,omitempty"`

	// SelfHeal reverts changes made to the cluster by hand.
	SelfHeal *bool `json:"selfHeal,omitempty"`

	// AllowEmpty permits pruning when nothing would be left.
	AllowEmpty *bool `json:"allowEmpty,omitempty"`

	// Enabled is true unless set to false.
	Enabled *bool `json:"enabled,omitempty"`
}

// Retry says how often and how soon a failed operation is repeated.
type Retry struct {
	// Limit is the number of retries: 0 is none, negative is without limit.
	Limit int64 `json:"limit,omitempty"`

	// Backoff is the wait between attempts.
	Backoff *Backoff `json:"backoff,omitempty"`

	// Refresh resolves the newest revision again on every retry.
	Refresh bool `json:"refresh,omitempty"`
}

// Backoff is a wait that grows: duration times factor to the power of the
// number of retries, at most maxDuration.
type Backoff struct {
	// Duration is a duration or a number of seconds; empty means 5s.
	Duration string `json:"duration,omitempty"`

	// Factor multiplies the wait after each attempt; absent means 2.
	Factor *int64 `json:"factor,omitempty"`

	// MaxDuration caps the wait; empty means 3m, 0 or less is without cap.
	MaxDuration string `json:"maxDuration,omitempty"`
}

// NamespaceMetadata is the metadata of a namespace the controller manages.
type NamespaceMetadata struct {
	Labels      map[string]string `json:"labels,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
}
