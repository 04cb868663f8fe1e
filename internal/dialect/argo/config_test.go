package argo_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plumbline-dev/plumbline/internal/core/app"
	"github.com/plumbline-dev/plumbline/internal/dialect/argo"
)

func TestDecodeConfig(t *testing.T) {
	got := argo.DecodeConfig(map[string]string{
		"url": "https://argocd.example",
		"resource.customizations.health.example.org_Boat":           "return {}",
		"resource.customizations.health.ConfigMap":                  "return nil",
		"resource.customizations.ignoreDifferences.apps_Deployment": "jsonPointers: [/spec/replicas]\njqPathExpressions: [.spec.x]\n",
		"resource.customizations.ignoreDifferences.all":             "managedFieldsManagers: [kube-controller-manager]",
		"resource.customizations":                                   "'*.example.com/*':\n  health.lua: return 1\n  ignoreDifferences: |\n    jsonPointers: [/status]\nService:\n  health.lua: return 2\n",
	})
	want := argo.Config{
		Health: []argo.HealthCheck{
			{Kind: "ConfigMap", Key: "resource.customizations.health.ConfigMap", Script: "return nil"},
			{Group: "example.org", Kind: "Boat", Key: "resource.customizations.health.example.org_Boat", Script: "return {}"},
			{Group: "*.example.com", Kind: "*", Key: "resource.customizations of *.example.com/*", Script: "return 1"},
			{Kind: "Service", Key: "resource.customizations of Service", Script: "return 2"},
		},
		Ignores: app.Ignores{
			{Group: "*", Kind: "*", Managers: []string{"kube-controller-manager"}},
			{Group: "apps", Kind: "Deployment", Fields: []string{"/spec/replicas"}, Queries: []string{".spec.x"}},
			{Group: "*.example.com", Kind: "*", Fields: []string{"/status"}},
		},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}

// A broken key is named, and the others are in force.
func TestConfigFaults(t *testing.T) {
	for name, test := range map[string]struct{ key, value, want string }{
		"no YAML":         {"resource.customizations.ignoreDifferences.apps_Deployment", "a: b: c", "resource.customizations.ignoreDifferences.apps_Deployment: "},
		"unknown field":   {"resource.customizations.ignoreDifferences.apps_Deployment", "pointers: [/a]", `unknown field "pointers"`},
		"no pointer":      {"resource.customizations.ignoreDifferences.all", "jsonPointers: [spec.replicas]", `"spec.replicas" is no JSON pointer`},
		"hostile jq":      {"resource.customizations.ignoreDifferences.all", "jqPathExpressions: ['range(1e9)']", "the function range"},
		"no map":          {"resource.customizations", "- a", "resource.customizations: "},
		"no text":         {"resource.customizations", "Service:\n  health.lua: [1]\n", "resource.customizations of Service: health.lua is no text"},
		"broken in there": {"resource.customizations", "Service:\n  ignoreDifferences: '['\n", "resource.customizations of Service: "},
	} {
		t.Run(name, func(t *testing.T) {
			got := argo.DecodeConfig(map[string]string{test.key: test.value, "resource.customizations.health.Pod": "return {}"})
			if len(got.Faults) != 1 || !strings.Contains(got.Faults[0], test.want) || len(got.Health) != 1 || len(got.Ignores) > 0 {
				t.Errorf("%+v, want %q", got, test.want)
			}
		})
	}
}

func TestSettingsWith(t *testing.T) {
	base := argo.Settings{Namespace: "argocd", Tracking: argo.TrackByAnnotation}
	got, err := base.With(map[string]string{"application.resourceTrackingMethod": "annotation+label", "application.instanceLabelKey": "app", "installationID": "east"})
	want := argo.Settings{Namespace: "argocd", Tracking: argo.TrackByBoth, InstanceLabel: "app", InstallationID: "east"}
	if d := cmp.Diff(want, got); d != "" || err != nil {
		t.Errorf("%v, -want +got:\n%s", err, d)
	}
	if got, err := base.With(nil); err != nil || got.Tracking != argo.TrackByAnnotation {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := base.With(map[string]string{"application.resourceTrackingMethod": "guess"}); err == nil || !strings.Contains(err.Error(), `"guess" is none of`) {
		t.Errorf("%v", err)
	}
}
