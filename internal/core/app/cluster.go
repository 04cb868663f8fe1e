package app

import (
	"fmt"
	"slices"
	"strings"
)

// Cluster is a destination that somebody registered, and how it is reached.
type Cluster struct {
	Name    string
	Server  string // URL of the API server, without a slash at its end
	Project string // the only one whose applications may use it; empty: any
	From    string // what registers it, for messages

	Namespaces []string // the only ones that may be used; empty: all
	Wide       bool     // besides them, what lives in no namespace
	Access     Access
	Problem    string // why it cannot be used as registered; empty: it can
}

// Holds says why what lives in a namespace, or in none, cannot be delivered to the
// cluster; nil: it can.
func (c Cluster) Holds(namespace string) error {
	switch {
	case len(c.Namespaces) == 0, namespace == "" && c.Wide, slices.Contains(c.Namespaces, namespace):
		return nil
	case namespace == "":
		return fmt.Errorf("cluster %q is registered for the namespaces %s alone, and it lives in none: set clusterResources in %s to \"true\" if its account may", c.Server, strings.Join(c.Namespaces, ", "), c.From)
	}
	return fmt.Errorf("namespace %s is none of those that cluster %q is registered for: %s", namespace, c.Server, strings.Join(c.Namespaces, ", "))
}

// Access is how an API server is reached and what it is shown. It is never logged.
type Access struct {
	BearerToken        string
	Username, Password string
	ServerName         string // in the server's certificate; empty: that of the URL
	CA                 []byte // PEM; empty: the system's
	Cert, Key          []byte // PEM
	Insecure           bool   // the server's certificate is not checked
	ProxyURL           string // empty: what the environment says
	DisableCompression bool
}

// String leaves secrets out.
func (a Access) String() string { return "access to a cluster" }

// GoString is String.
func (a Access) GoString() string { return a.String() }

// Clusters are those that are registered.
type Clusters []Cluster

// At returns the cluster with an address.
func (l Clusters) At(server string) (Cluster, bool) {
	i := slices.IndexFunc(l, func(c Cluster) bool { return c.Server == strings.TrimRight(server, "/") })
	if i < 0 {
		return Cluster{}, false
	}
	return l[i], true
}

// Resolve completes a destination that names its cluster with the address, and says
// which cluster it is. home is the address that stands for the engine's own, which
// needs no registration.
func (l Clusters) Resolve(to Destination, home string) (Destination, Cluster, error) {
	if to.Server == "" {
		var servers []string
		for _, c := range l {
			if c.Name == to.Cluster {
				servers = append(servers, c.Server)
			}
		}
		switch len(servers) {
		case 0:
			return to, Cluster{}, fmt.Errorf("unable to find destination server: there are no clusters with this name: %s%s", to.Cluster, l.offer())
		case 1:
			to.Server = servers[0]
		default:
			return to, Cluster{}, fmt.Errorf("unable to find destination server: there are %d clusters with the same name: %s; give spec.destination.server", len(servers), strings.Join(servers, ", "))
		}
	}
	c, known := l.At(to.Server)
	switch {
	case known && c.Problem != "":
		return to, c, fmt.Errorf("cluster %q: %s: %s", to.Server, c.From, c.Problem)
	case known || to.Server == home:
		return to, c, nil
	}
	return to, c, fmt.Errorf("cluster %q is not known%s", to.Server, l.offer())
}

// offer says which clusters there are.
func (l Clusters) offer() string {
	const shown = 5
	if len(l) == 0 {
		return "; none is registered but the one that this engine runs in"
	}
	var names []string
	for _, c := range l[:min(len(l), shown)] {
		names = append(names, fmt.Sprintf("%s (%s)", c.Name, c.Server))
	}
	more := ""
	if len(l) > shown {
		more = fmt.Sprintf(" and %d more", len(l)-shown)
	}
	return "; registered are " + strings.Join(names, ", ") + more
}
