package app

// Project is a tenancy boundary: which sources, destinations and kinds an
// application may use. Patterns are globs; the gate package gives them meaning.
type Project struct {
	Name         string
	SourceRepos  []string
	Destinations []DestinationRule
	ClusterAllow []KindRule // cluster-scoped kinds; empty: none
	ClusterDeny  []KindRule // wins over ClusterAllow
	ObjectAllow  []KindRule // namespaced kinds; nil: all, empty: none
	ObjectDeny   []KindRule // wins over ObjectAllow
	Namespaces   []string   // further namespaces whose applications may use the project
	PruneLimit   PruneLimit // of applications that set none
	Unsupported  []string   // rules that this version cannot keep: nothing of the project runs
}

// DestinationRule permits (or with "!" patterns denies) destinations.
type DestinationRule struct {
	Server, Name, Namespace string
}

// KindRule matches kinds, and with Name single objects.
type KindRule struct {
	Group, Kind, Name string
}
