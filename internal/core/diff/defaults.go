package diff

import (
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"
	smd "sigs.k8s.io/structured-merge-diff/v6/schema"
)

// slot is where a value sits: the field's type, and the object it is a field of.
type slot struct {
	field    smd.StructField
	owner    string         // type of the object, such as core.v1.Container; empty if it has no name
	name     string         // of the field
	siblings map[string]any // the object as it would be stored
	declared bool           // the schema names the field; other fields never have defaults
	whole    bool           // inside a list or map that is applied as a whole
}

// keeps marks a field whose live value the server carries over when an apply
// leaves it out.
var keeps any = &struct{ name string }{"keeps"}

// serverDefault returns what the server stores at s when nothing is given.
// Custom resources get the defaults of their schema. In the schemas of the kinds
// the server brings, empty defaults mean nothing, and most real ones are missing:
// those are in the table below.
func serverDefault(gvk schema.GroupVersionKind, s slot) (any, bool) {
	key := s.owner + "." + s.name
	if def, ok := defaults[key]; ok {
		return def, true
	}
	if derive, ok := derivedDefaults[key]; ok {
		return derive(s.siblings)
	}
	def := s.field.Default
	if def == nil || native(gvk.Group) && empty(def) {
		return nil, false
	}
	if _, object := def.(map[string]any); object {
		return nil, false // its fields have defaults of their own
	}
	return def, true
}

// native reports whether the server stores the kinds of group through Go types,
// with defaults that no schema tells.
func native(group string) bool {
	return !strings.Contains(group, ".") || strings.HasSuffix(group, ".k8s.io")
}

// typeOf shortens io.k8s.api.core.v1.Container to core.v1.Container.
func typeOf(ref smd.TypeRef) string {
	if ref.NamedType == nil {
		return ""
	}
	return strings.TrimPrefix(*ref.NamedType, "io.k8s.api.")
}

// defaults are the values that the server gives to optional fields of its own
// kinds, the same for every object.
var defaults = map[string]any{
	"apps.v1.DaemonSetSpec.revisionHistoryLimit":     int64(10),
	"apps.v1.DaemonSetUpdateStrategy.type":           "RollingUpdate",
	"apps.v1.DeploymentSpec.progressDeadlineSeconds": int64(600),
	"apps.v1.DeploymentSpec.replicas":                int64(1),
	"apps.v1.DeploymentSpec.revisionHistoryLimit":    int64(10),
	"apps.v1.DeploymentStrategy.type":                "RollingUpdate",
	"apps.v1.ReplicaSetSpec.replicas":                int64(1),
	"apps.v1.RollingUpdateDaemonSet.maxSurge":        int64(0),
	"apps.v1.RollingUpdateDaemonSet.maxUnavailable":  int64(1),
	"apps.v1.RollingUpdateDeployment.maxSurge":       "25%",
	"apps.v1.RollingUpdateDeployment.maxUnavailable": "25%",
	"apps.v1.StatefulSetSpec.podManagementPolicy":    "OrderedReady",
	"apps.v1.StatefulSetSpec.replicas":               int64(1),
	"apps.v1.StatefulSetSpec.revisionHistoryLimit":   int64(10),
	"apps.v1.StatefulSetUpdateStrategy.type":         "RollingUpdate",

	"apps.v1.RollingUpdateStatefulSetStrategy.partition":                  int64(0),
	"apps.v1.StatefulSetPersistentVolumeClaimRetentionPolicy.whenDeleted": "Retain",
	"apps.v1.StatefulSetPersistentVolumeClaimRetentionPolicy.whenScaled":  "Retain",

	"admissionregistration.v1.MutatingWebhook.failurePolicy":             "Fail",
	"admissionregistration.v1.MutatingWebhook.matchPolicy":               "Equivalent",
	"admissionregistration.v1.MutatingWebhook.namespaceSelector":         map[string]any{},
	"admissionregistration.v1.MutatingWebhook.objectSelector":            map[string]any{},
	"admissionregistration.v1.MutatingWebhook.reinvocationPolicy":        "Never",
	"admissionregistration.v1.MutatingWebhook.timeoutSeconds":            int64(10),
	"admissionregistration.v1.RuleWithOperations.scope":                  "*",
	"admissionregistration.v1.ServiceReference.port":                     int64(443),
	"admissionregistration.v1.ValidatingWebhook.failurePolicy":           "Fail",
	"admissionregistration.v1.ValidatingWebhook.matchPolicy":             "Equivalent",
	"admissionregistration.v1.ValidatingWebhook.namespaceSelector":       map[string]any{},
	"admissionregistration.v1.ValidatingWebhook.objectSelector":          map[string]any{},
	"admissionregistration.v1.ValidatingWebhook.timeoutSeconds":          int64(10),
	"autoscaling.v1.HorizontalPodAutoscalerSpec.minReplicas":             int64(1),
	"autoscaling.v2.HorizontalPodAutoscalerSpec.minReplicas":             int64(1),
	"batch.v1.CronJobSpec.concurrencyPolicy":                             "Allow",
	"batch.v1.CronJobSpec.failedJobsHistoryLimit":                        int64(1),
	"batch.v1.CronJobSpec.successfulJobsHistoryLimit":                    int64(3),
	"batch.v1.CronJobSpec.suspend":                                       false,
	"batch.v1.JobSpec.completionMode":                                    "NonIndexed",
	"batch.v1.JobSpec.manualSelector":                                    false,
	"batch.v1.JobSpec.parallelism":                                       int64(1),
	"batch.v1.JobSpec.suspend":                                           false,
	"batch.v1.PodFailurePolicyOnPodConditionsPattern.status":             "True",
	"core.v1.ConfigMapVolumeSource.defaultMode":                          int64(420),
	"core.v1.Container.terminationMessagePath":                           "/dev/termination-log",
	"core.v1.Container.terminationMessagePolicy":                         "File",
	"core.v1.ContainerPort.protocol":                                     "TCP",
	"core.v1.DownwardAPIVolumeSource.defaultMode":                        int64(420),
	"core.v1.HTTPGetAction.path":                                         "/",
	"core.v1.HTTPGetAction.scheme":                                       "HTTP",
	"core.v1.HostPathVolumeSource.type":                                  "",
	"core.v1.ObjectFieldSelector.apiVersion":                             "v1",
	"core.v1.PersistentVolumeClaim.apiVersion":                           "v1", // of a claim template
	"core.v1.PersistentVolumeClaim.kind":                                 "PersistentVolumeClaim",
	"core.v1.PersistentVolumeClaimSpec.volumeMode":                       "Filesystem",
	"core.v1.PersistentVolumeClaimStatus.phase":                          "Pending",
	"core.v1.PersistentVolumeSpec.persistentVolumeReclaimPolicy":         "Retain",
	"core.v1.PersistentVolumeSpec.volumeMode":                            "Filesystem",
	"core.v1.PodSpec.dnsPolicy":                                          "ClusterFirst",
	"core.v1.PodSpec.restartPolicy":                                      "Always",
	"core.v1.PodSpec.schedulerName":                                      "default-scheduler",
	"core.v1.PodSpec.securityContext":                                    map[string]any{},
	"core.v1.PodSpec.terminationGracePeriodSeconds":                      int64(30),
	"core.v1.Probe.failureThreshold":                                     int64(3),
	"core.v1.Probe.periodSeconds":                                        int64(10),
	"core.v1.Probe.successThreshold":                                     int64(1),
	"core.v1.Probe.timeoutSeconds":                                       int64(1),
	"core.v1.ProjectedVolumeSource.defaultMode":                          int64(420),
	"core.v1.ReplicationControllerSpec.replicas":                         int64(1),
	"core.v1.Secret.type":                                                "Opaque",
	"core.v1.SecretVolumeSource.defaultMode":                             int64(420),
	"core.v1.ServiceAccountTokenProjection.expirationSeconds":            int64(3600),
	"core.v1.ServicePort.protocol":                                       "TCP",
	"core.v1.ServiceSpec.sessionAffinity":                                "None",
	"core.v1.ServiceSpec.type":                                           "ClusterIP",
	"networking.v1.IngressClassParametersReference.scope":                "Cluster",
	"networking.v1.NetworkPolicyPort.protocol":                           "TCP",
	"rbac.v1.RoleRef.apiGroup":                                           rbacGroup,
	"scheduling.v1.PriorityClass.preemptionPolicy":                       "PreemptLowerPriority",
	"storage.v1.CSIDriverSpec.attachRequired":                            true,
	"storage.v1.CSIDriverSpec.fsGroupPolicy":                             "ReadWriteOnceWithFSType",
	"storage.v1.CSIDriverSpec.podInfoOnMount":                            false,
	"storage.v1.CSIDriverSpec.requiresRepublish":                         false,
	"storage.v1.CSIDriverSpec.storageCapacity":                           false,
	"storage.v1.CSIDriverSpec.volumeLifecycleModes":                      []any{"Persistent"},
	"storage.v1.StorageClass.reclaimPolicy":                              "Delete",
	"storage.v1.StorageClass.volumeBindingMode":                          "Immediate",
	"admissionregistration.v1.MatchResources.matchPolicy":                "Equivalent",
	"admissionregistration.v1.MatchResources.namespaceSelector":          map[string]any{},
	"admissionregistration.v1.MatchResources.objectSelector":             map[string]any{},
	"admissionregistration.v1.MutatingAdmissionPolicySpec.failurePolicy": "Fail",
	"admissionregistration.v1.NamedRuleWithOperations.scope":             "*",
	"autoscaling.v2.HorizontalPodAutoscalerSpec.metrics": []any{map[string]any{
		"type": "Resource",
		"resource": map[string]any{
			"name":   "cpu",
			"target": map[string]any{"type": "Utilization", "averageUtilization": int64(80)},
		},
	}},
	"autoscaling.v2.HorizontalPodAutoscalerBehavior.scaleDown": map[string]any{
		"selectPolicy": "Max",
		"policies":     []any{map[string]any{"type": "Percent", "value": int64(100), "periodSeconds": int64(15)}},
	},
	"autoscaling.v2.HorizontalPodAutoscalerBehavior.scaleUp": map[string]any{
		"selectPolicy":               "Max",
		"stabilizationWindowSeconds": int64(0),
		"policies": []any{
			map[string]any{"type": "Pods", "value": int64(4), "periodSeconds": int64(15)},
			map[string]any{"type": "Percent", "value": int64(100), "periodSeconds": int64(15)},
		},
	},
	"discovery.v1.EndpointPort.name":                                       "",
	"discovery.v1.EndpointPort.protocol":                                   "TCP",
	"core.v1.ServicePort.nodePort":                                         keeps,
	"core.v1.ServiceSpec.clusterIP":                                        keeps,
	"core.v1.ServiceSpec.clusterIPs":                                       keeps,
	"core.v1.ServiceSpec.healthCheckNodePort":                              keeps,
	"core.v1.ServiceSpec.ipFamilies":                                       keeps,
	"core.v1.ServiceSpec.ipFamilyPolicy":                                   keeps,
	"admissionregistration.v1.ValidatingAdmissionPolicySpec.failurePolicy": "Fail",
}
