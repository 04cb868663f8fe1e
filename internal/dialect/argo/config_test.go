package argo_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/plumbline-dev/plumbline/api/argoproj/v1alpha1"
	"github.com/plumbline-dev/plumbline/internal/core/app"
	"github.com/plumbline-dev/plumbline/internal/core/render"
	"github.com/plumbline-dev/plumbline/internal/dialect/argo"
)

func TestDecodeConfig(t *testing.T) {
	got := argo.DecodeConfig(map[string]string{
		"url": "https://argocd.example",
		"resource.customizations.actions.example.org_Boat":          "discovery.lua: return {}\nmergeBuiltinActions: true\ndefinitions:\n- name: hoist\n  action.lua: return obj\n",
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
		Actions: []argo.Actions{{
			Group: "example.org", Kind: "Boat", Key: "resource.customizations.actions.example.org_Boat",
			Discovery: "return {}", Scripts: map[string]string{"hoist": "return obj"}, Merge: true,
		}},
		Ignores: app.Ignores{
			{Group: "*", Kind: "*", Managers: []string{"kube-controller-manager"}},
			{Group: "apps", Kind: "Deployment", Fields: []string{"/spec/replicas"}, Queries: []string{".spec.x"}},
			{Group: "*.example.com", Kind: "*", Fields: []string{"/status"}},
		},
	}
	got.Kinds = app.KindFilter{} // see TestConfigKinds
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}

// Kinds are left alone as argocd-cm says, and some always.
func TestConfigKinds(t *testing.T) {
	none := argo.DecodeConfig(nil).Kinds
	got := argo.DecodeConfig(map[string]string{
		"resource.exclusions": "- apiGroups: ['*.example.org']\n  kinds: ['*']\n  clusters: [https://eu.*]\n",
		"resource.inclusions": "- kinds: [Pod, Lease]\n",
	})
	if len(got.Faults) > 0 {
		t.Fatal(got.Faults)
	}
	for name, test := range map[string]struct {
		filter app.KindFilter
		gk     schema.GroupKind
		server string
		want   bool
	}{
		"ordinary":               {none, schema.GroupKind{Kind: "Pod"}, argo.InCluster, false},
		"events":                 {none, schema.GroupKind{Kind: "Event"}, argo.InCluster, true},
		"events by group":        {none, schema.GroupKind{Group: "events.k8s.io", Kind: "Event"}, argo.InCluster, true},
		"metrics":                {none, schema.GroupKind{Group: "metrics.k8s.io", Kind: "PodMetrics"}, argo.InCluster, true},
		"event of another group": {none, schema.GroupKind{Group: "calendar.example", Kind: "Event"}, argo.InCluster, false},
		"excluded":               {got.Kinds, schema.GroupKind{Group: "a.example.org", Kind: "Pod"}, "https://eu.example", true},
		"included":               {got.Kinds, schema.GroupKind{Kind: "Pod"}, "https://eu.example", false},
		"not included":           {got.Kinds, schema.GroupKind{Kind: "Service"}, argo.InCluster, true},
		"never included":         {got.Kinds, schema.GroupKind{Group: "coordination.k8s.io", Kind: "Lease"}, argo.InCluster, true},
	} {
		if got := test.filter.Excludes(test.gk, test.server); got != test.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

func TestGlobalProjects(t *testing.T) {
	c := argo.DecodeConfig(map[string]string{"globalProjects": `
- projectName: base
  labelSelector: {matchExpressions: [{key: team, operator: Exists}]}
- projectName: strict
  labelSelector: {matchLabels: {tier: prod}}
- projectName: base
  labelSelector: {matchLabels: {tier: prod}}
`})
	if len(c.Faults) > 0 {
		t.Fatal(c.Faults)
	}
	for name, test := range map[string]struct {
		project string
		labels  map[string]string
		want    string
	}{
		"none":     {"shop", nil, ""},
		"one":      {"shop", map[string]string{"team": "a"}, "base"},
		"both":     {"shop", map[string]string{"team": "a", "tier": "prod"}, "base strict"},
		"not self": {"base", map[string]string{"team": "a", "tier": "prod"}, "strict"},
	} {
		if got := strings.Join(c.Inherited(test.project, test.labels), " "); got != test.want {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}

func TestBuildOptions(t *testing.T) {
	for name, test := range map[string]struct {
		flags string
		loose bool
		fault string
	}{
		"none":      {"", false, ""},
		"equals":    {"--load-restrictor=LoadRestrictionsNone", true, ""},
		"apart":     {"--reorder none --load-restrictor LoadRestrictionsNone", true, ""},
		"strict":    {"--load-restrictor LoadRestrictionsRootOnly", false, ""},
		"wrong":     {"--load-restrictor none-of-it", false, "none-of-it"},
		"missing":   {"--load-restrictor --reorder=none", false, `--load-restrictor ""`},
		"not there": {"--enable-exec --load-restrictor LoadRestrictionsNone", true, "--enable-exec is not supported"},
	} {
		c := argo.DecodeConfig(map[string]string{"kustomize.buildOptions": test.flags})
		if c.Loose != test.loose || strings.Join(c.Faults, ";") == "" != (test.fault == "") || !strings.Contains(strings.Join(c.Faults, ";"), test.fault) {
			t.Errorf("%s: %t, %q", name, c.Loose, c.Faults)
		}
		for kind, src := range map[string]v1alpha1.Source{"detected": {}, "kustomize": {Kustomize: &v1alpha1.KustomizeSource{NamePrefix: "x"}}} {
			a := application()
			src.RepoURL, src.Path = a.Spec.Source.RepoURL, a.Spec.Source.Path
			a.Spec.Source = &src
			req := settings.Under(c).Decode(a).Sources[0].Render
			if got := req.Kustomize != nil && req.Kustomize.Unrestricted; got != test.loose {
				t.Errorf("%s, %s: renders loosely: %t", name, kind, got)
			}
		}
	}
}

// A tool that is switched off leaves its files to be plain ones.
func TestToolsOff(t *testing.T) {
	c := argo.DecodeConfig(map[string]string{"helm.enable": "false", "jsonnet.enable": "false", "kustomize.enable": "true"})
	if d := cmp.Diff([]string{"helm", "jsonnet"}, c.Off); d != "" || len(c.Faults) > 0 {
		t.Errorf("%v %s", c.Faults, d)
	}
	for name, test := range map[string]struct {
		src  v1alpha1.Source
		tool render.Tool
		off  int
	}{
		"detected":  {v1alpha1.Source{}, "", 1},
		"helm":      {v1alpha1.Source{Helm: &v1alpha1.HelmSource{}}, render.Directory, 0},
		"kustomize": {v1alpha1.Source{Kustomize: &v1alpha1.KustomizeSource{}}, render.Kustomize, 1},
	} {
		a := application()
		test.src.RepoURL, test.src.Path = a.Spec.Source.RepoURL, a.Spec.Source.Path
		a.Spec.Source = &test.src
		req := settings.Under(c).Decode(a).Sources[0].Render
		if req.Tool != test.tool || len(req.Off) != test.off || !req.Directory.WithoutJsonnet {
			t.Errorf("%s: %+v", name, req)
		}
	}
}

// Rules that hold something back stay as they were while they cannot be read.
func TestKeeping(t *testing.T) {
	before := argo.DecodeConfig(map[string]string{
		"resource.exclusions": "- kinds: [Pod]", "globalProjects": "- projectName: base\n  labelSelector: {}", "helm.enable": "false",
	})
	pod := schema.GroupKind{Kind: "Pod"}
	broken := argo.DecodeConfig(map[string]string{"resource.exclusions": "- kind: [Pod]", "globalProjects": "{"}).Keeping(before)
	if !broken.Kinds.Excludes(pod, "") || len(broken.Inherited("a", nil)) != 1 || len(broken.Off) > 0 || len(broken.Faults) != 2 {
		t.Errorf("%+v", broken)
	}
	if gone := argo.DecodeConfig(nil).Keeping(before); gone.Kinds.Excludes(pod, "") || len(gone.Inherited("a", nil)) > 0 {
		t.Errorf("%+v", gone)
	}
}

func TestDecodeStart(t *testing.T) {
	for name, test := range map[string]struct {
		config, params map[string]string
		want           argo.Start
		err            string
	}{
		"nothing":    {},
		"both":       {map[string]string{"timeout.reconciliation": "90s"}, map[string]string{"application.namespaces": "team-*, apps,"}, argo.Start{Namespaces: app.Patterns{"team-*", "apps"}, Poll: 90 * time.Second}, ""},
		"in seconds": {map[string]string{"timeout.reconciliation": "300"}, nil, argo.Start{Poll: 5 * time.Minute}, ""},
		"no time":    {map[string]string{"timeout.reconciliation": "often"}, nil, argo.Start{}, `argocd-cm: timeout.reconciliation: "often"`},
		"no pattern": {nil, map[string]string{"application.namespaces": "/(/"}, argo.Start{}, "argocd-cmd-params-cm: application.namespaces: "},
	} {
		got, err := argo.DecodeStart(test.config, test.params)
		if (err != nil) != (test.err != "") || err != nil && !strings.Contains(err.Error(), test.err) {
			t.Errorf("%s: %v", name, err)
		}
		if d := cmp.Diff(test.want, got); err == nil && d != "" {
			t.Errorf("%s: -want +got:\n%s", name, d)
		}
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
		"nameless action": {"resource.customizations.actions.apps_Deployment", "definitions: [{action.lua: return obj}]", "a definition has no name"},
		"odd switch":      {"helm.enable", "off", `helm.enable: "off" is neither true nor false`},
		"exclusions":      {"resource.exclusions", "kinds: [Pod]", "resource.exclusions: "},
		"typo in there":   {"resource.exclusions", "- apiGroup: [apps]", `unknown field "apiGroup"`},
		"broken pattern":  {"resource.inclusions", "- apiGroups: ['[x']", `"[x" is no pattern`},
		"no selector":     {"globalProjects", "- projectName: a\n  labelSelector: {matchExpressions: [{key: a, operator: Like}]}", "globalProjects: [0]: "},
		"no project":      {"globalProjects", "- labelSelector: {}", "globalProjects: [0]: projectName is missing"},
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
