package health

import (
	"encoding/json"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// brokenScaling lists, by condition type, the reasons with which an autoscaler
// cannot work; the status of the condition does not matter.
var brokenScaling = map[string][]string{
	"AbleToScale": {"FailedGetScale", "FailedUpdateScale"},
	"ScalingActive": {
		"FailedGetResourceMetric", "FailedGetObjectMetric", "FailedGetPodsMetric",
		"FailedGetExternalMetric", "FailedComputeMetricsReplicas", "InvalidSelector",
	},
}

func horizontalPodAutoscaler(obj *unstructured.Unstructured) Status {
	cs := conditions(obj)
	if version(obj) == "v1" { // has no conditions in its status
		annotation := text(obj.Object, "metadata", "annotations", "autoscaling.alpha.kubernetes.io/conditions")
		cs = nil
		if annotation != "" && json.Unmarshal([]byte(annotation), &cs) != nil {
			return Status{Unknown, "Annotation autoscaling.alpha.kubernetes.io/conditions is not valid JSON"}
		}
	}
	for _, c := range cs {
		if slices.Contains(brokenScaling[c.Type], c.Reason) {
			return Status{Degraded, c.because("Cannot scale")}
		}
	}
	if find(cs, "AbleToScale").isTrue() || find(cs, "ScalingLimited").isTrue() {
		return Status{Code: Healthy}
	}
	return Status{Progressing, "Waits for its first scaling decision"}
}
