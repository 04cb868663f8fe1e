// Package v1alpha1 holds the wire types of the API group argoproj.io as users
// write them: Application and AppProject.
//
// JSON and YAML of these objects go in and come out with every field kept; the
// package never interprets a field. Meaning, defaults and validation belong to
// the dialect that reads them.
//
// Fields whose empty value differs from an absent one are pointers or carry the
// omitzero option, so that a decoded object encodes to what was read.
//
// +kubebuilder:object:generate=true
// +groupName=argoproj.io
package v1alpha1

//go:generate go run sigs.k8s.io/controller-tools/cmd/controller-gen@v0.23.0 object paths=.
