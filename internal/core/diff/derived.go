package diff

import (
	"path"
	"slices"
	"strings"
)

const rbacGroup = "rbac.authorization.k8s.io"

// derivedDefaults are the values that depend on the fields beside them.
var derivedDefaults = map[string]func(siblings map[string]any) (any, bool){
	"core.v1.Container.imagePullPolicy":                 pullPolicy,
	"core.v1.Volume.emptyDir":                           volumeSource,
	"apps.v1.DaemonSetUpdateStrategy.rollingUpdate":     rolling(map[string]any{"maxSurge": int64(0), "maxUnavailable": int64(1)}),
	"apps.v1.DeploymentStrategy.rollingUpdate":          rolling(map[string]any{"maxSurge": "25%", "maxUnavailable": "25%"}),
	"core.v1.PodSpec.serviceAccountName":                sibling("serviceAccount"),
	"core.v1.PodSpec.serviceAccount":                    sibling("serviceAccountName"),
	"core.v1.ServicePort.targetPort":                    sibling("port"),
	"core.v1.ServiceSpec.externalTrafficPolicy":         whenType("Cluster", "NodePort", "LoadBalancer"),
	"core.v1.ServiceSpec.internalTrafficPolicy":         whenType("Cluster", "ClusterIP", "NodePort", "LoadBalancer"),
	"core.v1.ServiceSpec.allocateLoadBalancerNodePorts": whenType(true, "LoadBalancer"),
	"networking.v1.NetworkPolicySpec.policyTypes":       policyTypes,
	"rbac.v1.Subject.apiGroup":                          subjectGroup,
	"batch.v1.JobSpec.backoffLimit":                     unlessSet("backoffLimitPerIndex", int64(6)),
	"batch.v1.JobSpec.completions":                      unlessSet("parallelism", int64(1)),
	"batch.v1.JobSpec.podReplacementPolicy":             unlessSet("podFailurePolicy", "TerminatingOrFailed"),
}

func sibling(name string) func(map[string]any) (any, bool) {
	return func(siblings map[string]any) (any, bool) {
		v, ok := siblings[name]
		return v, ok
	}
}

func unlessSet(name string, def any) func(map[string]any) (any, bool) {
	return func(siblings map[string]any) (any, bool) {
		_, set := siblings[name]
		return def, !set
	}
}

func whenType(def any, types ...string) func(map[string]any) (any, bool) {
	return func(siblings map[string]any) (any, bool) {
		have, ok := siblings["type"].(string)
		if !ok {
			have = "ClusterIP"
		}
		return def, slices.Contains(types, have)
	}
}

// rolling is the default of the parameters of a rolling update.
func rolling(def map[string]any) func(map[string]any) (any, bool) {
	return func(siblings map[string]any) (any, bool) {
		t, given := siblings["type"]
		return def, !given || t == "RollingUpdate"
	}
}

// volumeSource makes a volume without a source an empty directory.
func volumeSource(volume map[string]any) (any, bool) {
	return map[string]any{}, len(without(volume, "name")) == 0
}

// pullPolicy is Always for images without a tag or with the tag latest.
func pullPolicy(container map[string]any) (any, bool) {
	image, ok := container["image"].(string)
	if !ok || image == "" {
		return nil, false
	}
	name, _, digested := strings.Cut(image, "@")
	_, tag, tagged := strings.Cut(path.Base(name), ":")
	if tag == "latest" || !tagged && !digested {
		return "Always", true
	}
	return "IfNotPresent", true
}

func policyTypes(policy map[string]any) (any, bool) {
	types := []any{"Ingress"}
	if egress, _ := policy["egress"].([]any); len(egress) > 0 {
		types = append(types, "Egress")
	}
	return types, true
}

func subjectGroup(subject map[string]any) (any, bool) {
	switch subject["kind"] {
	case "User", "Group":
		return rbacGroup, true
	}
	return nil, false
}
