package assess

import (
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/plumbline-dev/plumbline/internal/core/object"
	"github.com/plumbline-dev/plumbline/internal/core/plan"
)

// Scopes tells kinds that live in namespaces (true) from those that do not.
type Scopes map[schema.GroupKind]bool

// Namespaced says what is known of a key's kind; kinds unknown everywhere are
// taken to live in namespaces, as kubectl does.
func (s Scopes) Namespaced(key object.Key) bool {
	namespaced, known := s[key.GroupKind()]
	return namespaced || !known
}

// ScopesOf finds the scope of every kind: from a CustomResourceDefinition among
// the objects, from ask where that knows, else from the list of built-in kinds.
func ScopesOf(objects []*unstructured.Unstructured, ask func(schema.GroupVersionKind) (namespaced, known bool)) Scopes {
	s := Scopes{}
	for _, obj := range objects {
		if gk, namespaced, ok := Defines(obj); ok {
			s[gk] = namespaced
		}
	}
	for _, obj := range objects {
		gvk := obj.GroupVersionKind()
		if _, done := s[gvk.GroupKind()]; done {
			continue
		}
		namespaced, known := ask(gvk)
		if !known {
			namespaced = !clusterKinds[gvk.GroupKind()]
		}
		s[gvk.GroupKind()] = namespaced
	}
	return s
}

// Defines reads the kind and scope that a CustomResourceDefinition declares;
// ok is false for every other object.
func Defines(obj *unstructured.Unstructured) (gk schema.GroupKind, namespaced, ok bool) {
	if !plan.IsCRD(object.KeyOf(obj)) {
		return schema.GroupKind{}, false, false
	}
	group, _, _ := unstructured.NestedString(obj.Object, "spec", "group")
	kind, _, _ := unstructured.NestedString(obj.Object, "spec", "names", "kind")
	scope, _, _ := unstructured.NestedString(obj.Object, "spec", "scope")
	return schema.GroupKind{Group: group, Kind: kind}, scope == "Namespaced", group != "" && kind != ""
}

// clusterKinds are the built-in kinds that live in no namespace.
var clusterKinds = kindSet(`
	ComponentStatus Namespace Node PersistentVolume
	MutatingAdmissionPolicy.admissionregistration.k8s.io MutatingAdmissionPolicyBinding.admissionregistration.k8s.io
	MutatingWebhookConfiguration.admissionregistration.k8s.io ValidatingAdmissionPolicy.admissionregistration.k8s.io
	ValidatingAdmissionPolicyBinding.admissionregistration.k8s.io ValidatingWebhookConfiguration.admissionregistration.k8s.io
	CustomResourceDefinition.apiextensions.k8s.io APIService.apiregistration.k8s.io
	SelfSubjectReview.authentication.k8s.io TokenReview.authentication.k8s.io
	SelfSubjectAccessReview.authorization.k8s.io SelfSubjectRulesReview.authorization.k8s.io SubjectAccessReview.authorization.k8s.io
	CertificateSigningRequest.certificates.k8s.io ClusterTrustBundle.certificates.k8s.io
	FlowSchema.flowcontrol.apiserver.k8s.io PriorityLevelConfiguration.flowcontrol.apiserver.k8s.io
	StorageVersion.internal.apiserver.k8s.io
	IngressClass.networking.k8s.io IPAddress.networking.k8s.io ServiceCIDR.networking.k8s.io
	RuntimeClass.node.k8s.io PodSecurityPolicy.policy
	ClusterRole.rbac.authorization.k8s.io ClusterRoleBinding.rbac.authorization.k8s.io
	DeviceClass.resource.k8s.io DeviceTaintRule.resource.k8s.io ResourceSlice.resource.k8s.io
	PriorityClass.scheduling.k8s.io
	CSIDriver.storage.k8s.io CSINode.storage.k8s.io StorageClass.storage.k8s.io VolumeAttachment.storage.k8s.io
	VolumeAttributesClass.storage.k8s.io StorageVersionMigration.storagemigration.k8s.io
	GatewayClass.gateway.networking.k8s.io VolumeSnapshotClass.snapshot.storage.k8s.io VolumeSnapshotContent.snapshot.storage.k8s.io
	ClusterIssuer.cert-manager.io ClusterSecretStore.external-secrets.io ClusterExternalSecret.external-secrets.io`)

func kindSet(kinds string) map[schema.GroupKind]bool {
	set := map[schema.GroupKind]bool{}
	for _, text := range strings.Fields(kinds) {
		set[schema.ParseGroupKind(text)] = true
	}
	return set
}
