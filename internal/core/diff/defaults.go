package diff

import "k8s.io/apimachinery/pkg/runtime/schema"

// keeps marks a field whose live value the server carries over when an apply
// leaves it out.
var keeps any = &struct{ name string }{"keeps"}

// serverDefault returns what the server stores at a field that is left out.
func serverDefault(_ schema.GroupVersionKind, d difference) (any, bool) {
	if d.byServer != nil {
		return d.byServer, true
	}
	return nil, false
}
