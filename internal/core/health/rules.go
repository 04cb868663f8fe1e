package health

import (
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// A rule judges one kind.
type rule struct {
	versions []string // API versions the rule understands; empty means any
	assess   func(*unstructured.Unstructured) Status
}

// rules holds one entry per kind; a kind without one is judged by its standard
// conditions.
var rules = map[schema.GroupKind]rule{
	{Group: "apps", Kind: "Deployment"}:  {[]string{"v1"}, deployment},
	{Group: "apps", Kind: "StatefulSet"}: {[]string{"v1"}, statefulSet},
	{Group: "apps", Kind: "DaemonSet"}:   {[]string{"v1"}, daemonSet},
	{Group: "apps", Kind: "ReplicaSet"}:  {[]string{"v1"}, replicaSet},
	{Group: "batch", Kind: "Job"}:        {[]string{"v1"}, job},
	{Group: "batch", Kind: "CronJob"}:    {nil, cronJob},

	{Kind: "Namespace"}:             {[]string{"v1"}, namespace},
	{Kind: "PersistentVolumeClaim"}: {[]string{"v1"}, persistentVolumeClaim},
	{Kind: "Pod"}:                   {[]string{"v1"}, pod},
	{Kind: "Service"}:               {[]string{"v1"}, service},

	{Group: "apiextensions.k8s.io", Kind: "CustomResourceDefinition"}: {nil, customResourceDefinition},
	{Group: "apiregistration.k8s.io", Kind: "APIService"}:             {[]string{"v1", "v1beta1"}, apiService},
	{Group: "autoscaling", Kind: "HorizontalPodAutoscaler"}:           {[]string{"v1", "v2", "v2beta2", "v2beta1"}, horizontalPodAutoscaler},
	{Group: "extensions", Kind: "Ingress"}:                            {nil, ingress},
	{Group: "networking.k8s.io", Kind: "Ingress"}:                     {nil, ingress},
	{Group: "policy", Kind: "PodDisruptionBudget"}:                    {nil, podDisruptionBudget},

	{Group: "argoproj.io", Kind: "Application"}:    {nil, application},
	{Group: "argoproj.io", Kind: "ApplicationSet"}: {nil, applicationSet},
	{Group: "argoproj.io", Kind: "Rollout"}:        {nil, rollout},
	{Group: "argoproj.io", Kind: "Workflow"}:       {nil, workflow},

	{Group: "helm.toolkit.fluxcd.io", Kind: "HelmRelease"}:            {nil, toolkit},
	{Group: "image.toolkit.fluxcd.io", Kind: "ImagePolicy"}:           {nil, toolkit},
	{Group: "image.toolkit.fluxcd.io", Kind: "ImageRepository"}:       {nil, toolkit},
	{Group: "image.toolkit.fluxcd.io", Kind: "ImageUpdateAutomation"}: {nil, toolkit},
	{Group: "kustomize.toolkit.fluxcd.io", Kind: "Kustomization"}:     {nil, toolkit},
	{Group: "notification.toolkit.fluxcd.io", Kind: "Receiver"}:       {nil, toolkit},
	{Group: "source.toolkit.fluxcd.io", Kind: "Bucket"}:               {nil, toolkit},
	{Group: "source.toolkit.fluxcd.io", Kind: "GitRepository"}:        {nil, toolkit},
	{Group: "source.toolkit.fluxcd.io", Kind: "HelmChart"}:            {nil, toolkit},
	{Group: "source.toolkit.fluxcd.io", Kind: "HelmRepository"}:       {nil, toolkit},
	{Group: "source.toolkit.fluxcd.io", Kind: "OCIRepository"}:        {nil, toolkit},
	{Group: "bitnami.com", Kind: "SealedSecret"}:                      {nil, sealedSecret},
	{Group: "cert-manager.io", Kind: "Certificate"}:                   {nil, certificate},
	{Group: "cert-manager.io", Kind: "ClusterIssuer"}:                 {nil, verdictByReady},
	{Group: "cert-manager.io", Kind: "Issuer"}:                        {nil, verdictByReady},
	{Group: "external-secrets.io", Kind: "ClusterExternalSecret"}:     {nil, verdictByReady},
	{Group: "external-secrets.io", Kind: "ClusterSecretStore"}:        {nil, verdictByReady},
	{Group: "external-secrets.io", Kind: "ExternalSecret"}:            {nil, verdictByReady},
	{Group: "external-secrets.io", Kind: "PushSecret"}:                {nil, verdictByReady},
	{Group: "external-secrets.io", Kind: "SecretStore"}:               {nil, verdictByReady},
}

func groupKind(obj *unstructured.Unstructured) schema.GroupKind {
	gv, err := schema.ParseGroupVersion(text(obj.Object, "apiVersion"))
	if err != nil {
		return schema.GroupKind{}
	}
	return schema.GroupKind{Group: gv.Group, Kind: text(obj.Object, "kind")}
}

func version(obj *unstructured.Unstructured) string {
	gv, err := schema.ParseGroupVersion(text(obj.Object, "apiVersion"))
	if err != nil {
		return ""
	}
	return gv.Version
}
