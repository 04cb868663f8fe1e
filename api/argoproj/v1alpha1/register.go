package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Group is the API group of all types in this package.
const Group = "argoproj.io"

// Kinds of this package, as in the field "kind".
const (
	ApplicationKind = "Application"
	AppProjectKind  = "AppProject"
)

// GroupVersion is the group and version that AddToScheme registers.
var GroupVersion = schema.GroupVersion{Group: Group, Version: "v1alpha1"}

var builder = runtime.NewSchemeBuilder(func(s *runtime.Scheme) error {
	s.AddKnownTypes(GroupVersion,
		&Application{}, &ApplicationList{},
		&AppProject{}, &AppProjectList{},
	)
	metav1.AddToGroupVersion(s, GroupVersion)
	return nil
})

// AddToScheme registers the types of this package with a scheme.
var AddToScheme = builder.AddToScheme
