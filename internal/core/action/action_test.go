package action

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

var now = time.Date(2026, 5, 4, 8, 0, 0, 0, time.UTC)

func read(t *testing.T, text string) *unstructured.Unstructured {
	t.Helper()
	obj := &unstructured.Unstructured{}
	raw, err := yaml.YAMLToJSON([]byte(text))
	if err == nil {
		err = obj.UnmarshalJSON(raw)
	}
	if err != nil {
		t.Fatal(err)
	}
	return obj
}

func head(group, kind, rest string) string {
	return "apiVersion: " + group + "\nkind: " + kind + "\nmetadata: {name: web, namespace: shop, uid: u1, resourceVersion: \"7\"}\n" + rest
}

// What actions change, as the patches that are sent.
func TestBuiltin(t *testing.T) {
	const restarted = `{"spec":{"template":{"metadata":{"annotations":{"kubectl.kubernetes.io/restartedAt":"2026-05-04T08:00:00Z"}}}}}`
	for name, test := range map[string]struct {
		object, action, value string
		patch, status, err    string // without the version
	}{
		"restart":        {object: head("apps/v1", "Deployment", "spec: {template: {metadata: {annotations: {a: b}}}}"), action: "restart", patch: restarted},
		"restart bare":   {object: head("apps/v1", "DaemonSet", "spec: {}"), action: "restart", patch: restarted},
		"scale":          {object: head("apps/v1", "StatefulSet", "spec: {replicas: 3}"), action: "scale", value: "5", patch: `{"spec":{"replicas":5}}`},
		"scale to zero":  {object: head("apps/v1", "Deployment", "spec: {replicas: 3}"), action: "scale", value: "0", patch: `{"spec":{"replicas":0}}`},
		"scale oddly":    {object: head("apps/v1", "Deployment", "spec: {replicas: 3}"), action: "scale", value: "-1", err: `replicas: "-1" is no number`},
		"scale not":      {object: head("apps/v1", "Deployment", "spec: {replicas: 3}"), action: "scale", err: `replicas: "" is no number`},
		"pause":          {object: head("apps/v1", "Deployment", "spec: {}"), action: "pause", patch: `{"spec":{"paused":true}}`},
		"suspend":        {object: head("batch/v1", "CronJob", "spec: {suspend: false}"), action: "suspend", patch: `{"spec":{"suspend":true}}`},
		"terminate":      {object: head("batch/v1", "Job", "spec: {}"), action: "terminate", patch: `{"spec":{"activeDeadlineSeconds":1}}`},
		"reconcile":      {object: head("kustomize.toolkit.fluxcd.io/v1", "Kustomization", ""), action: "reconcile", patch: `{"metadata":{"annotations":{"reconcile.fluxcd.io/requestedAt":"2026-05-04T08:00:00Z"}}}`},
		"abort":          {object: head("argoproj.io/v1alpha1", "Rollout", "status: {currentPodHash: a, stableRS: b}"), action: "abort", status: `{"status":{"abort":true}}`},
		"resume both":    {object: head("argoproj.io/v1alpha1", "Rollout", "spec: {paused: true}\nstatus: {pauseConditions: [{reason: x}]}"), action: "resume", patch: `{"spec":{"paused":false}}`, status: `{"status":{"pauseConditions":null}}`},
		"skip a step":    {object: head("argoproj.io/v1alpha1", "Rollout", "status: {currentStepIndex: 1, pauseConditions: []}"), action: "skip-current-step", status: `{"status":{"currentStepIndex":2,"pauseConditions":null}}`},
		"unpause":        {object: head("keda.sh/v1alpha1", "ScaledObject", ""), action: "resume"},
		"no such":        {object: head("apps/v1", "DaemonSet", ""), action: "scale", err: `there is no action "scale" for a DaemonSet: there is restart`},
		"nothing at all": {object: head("v1", "ConfigMap", ""), action: "restart", err: "there are no actions for a ConfigMap"},
		"another group":  {object: head("apps.example.org/v1", "Deployment", ""), action: "restart", err: "there are no actions"},
	} {
		t.Run(name, func(t *testing.T) {
			obj := read(t, test.object)
			before := obj.DeepCopy()
			params := map[string]string{}
			if test.value != "" {
				params["replicas"] = test.value
			}
			changes, err := Builtin{}.Run(obj, test.action, params, now)
			if (err != nil) != (test.err != "") || err != nil && !strings.Contains(err.Error(), test.err) {
				t.Fatalf("%v, want %q", err, test.err)
			}
			if err != nil {
				return
			}
			patch, status, err := Patches(obj, changes[0].Object)
			if err != nil || len(changes) != 1 {
				t.Fatal(err, len(changes))
			}
			if unbound(t, patch) != test.patch || unbound(t, status) != test.status {
				t.Errorf("%s %s, want %s %s", patch, status, test.patch, test.status)
			}
			if first := string(patch) + string(status); first != "" && !strings.Contains(first, `"resourceVersion":"7"`) {
				t.Errorf("%s holds for any state of the object", first)
			}
			if a, _, _ := Patches(before, obj); a != nil {
				t.Error("the object itself was changed")
			}
		})
	}
	if _, err := (Builtin{}).Run(read(t, head("apps/v1", "DaemonSet", "")), "restart", map[string]string{"speed": "1"}, now); err == nil || !strings.Contains(err.Error(), `no parameter "speed"`) {
		t.Error(err)
	}
}

func unbound(t *testing.T, patch []byte) string {
	t.Helper()
	if patch == nil {
		return ""
	}
	var m map[string]any
	if err := json.Unmarshal(patch, &m); err != nil {
		t.Fatal(err)
	}
	if meta, ok := m["metadata"].(map[string]any); ok {
		if delete(meta, "resourceVersion"); len(meta) == 0 {
			delete(m, "metadata")
		}
	}
	text, _ := json.Marshal(m)
	return string(text)
}

// What makes no sense is said so, and can be done all the same.
func TestList(t *testing.T) {
	for name, test := range map[string]struct{ object, want string }{
		"deployment": {head("apps/v1", "Deployment", "spec: {replicas: 3}"), "pause restart resume- scale(replicas=3)"},
		"paused":     {head("apps/v1", "Deployment", "spec: {paused: true}"), "pause- restart resume scale(replicas=1)"},
		"cron":       {head("batch/v1", "CronJob", "spec: {suspend: true}"), "create-job resume suspend-"},
		"done job":   {head("batch/v1", "Job", "status: {completionTime: x}"), "resume- suspend- terminate-"},
		"rollout":    {head("argoproj.io/v1alpha1", "Rollout", "status: {currentPodHash: a, stableRS: a}"), "abort- pause promote-full- restart resume- retry- skip-current-step-"},
		"scaled":     {head("keda.sh/v1alpha1", "ScaledObject", ""), "pause paused-replicas(replicas=) resume-"},
		"map":        {head("v1", "ConfigMap", ""), ""},
	} {
		list, err := Builtin{}.List(read(t, test.object))
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, a := range list {
			text := a.Name
			if a.Disabled {
				text += "-"
			}
			for _, p := range a.Params {
				text += "(" + p.Name + "=" + p.Default + ")"
			}
			got = append(got, text)
		}
		if text := strings.Join(got, " "); text != test.want {
			t.Errorf("%s: %s, want %s", name, text, test.want)
		}
	}
}

// A Job by hand is what the CronJob would have made.
func TestMakes(t *testing.T) {
	cron := read(t, head("batch/v1", "CronJob", "spec: {jobTemplate: {metadata: {labels: {a: b}}, spec: {template: {spec: {restartPolicy: Never}}}}}"))
	changes, err := Builtin{}.Run(cron, "create-job", nil, now)
	if err != nil || len(changes) != 1 || !changes[0].Create {
		t.Fatalf("%+v %v", changes, err)
	}
	got, _ := json.Marshal(changes[0].Object.Object)
	want := `{"apiVersion":"batch/v1","kind":"Job","metadata":{"annotations":{"cronjob.kubernetes.io/instantiate":"manual"},"labels":{"a":"b"},"name":"web-tei680","namespace":"shop",` +
		`"ownerReferences":[{"apiVersion":"batch/v1","controller":true,"kind":"CronJob","name":"web","uid":"u1"}]},"spec":{"template":{"spec":{"restartPolicy":"Never"}}}}`
	if string(got) != want {
		t.Errorf("%s, want %s", got, want)
	}
	cron.SetName(strings.Repeat("x", 200))
	changes, err = Builtin{}.Run(cron, "create-job", nil, now)
	if err != nil || len(changes[0].Object.GetName()) > 63 {
		t.Errorf("%v %v", changes, err)
	}
	if _, err := (Builtin{}).Run(read(t, head("batch/v1", "CronJob", "spec: {}")), "create-job", nil, now); err == nil || !strings.Contains(err.Error(), "has no jobTemplate") {
		t.Error(err)
	}
	for text, want := range map[string]string{
		head("argoproj.io/v1alpha1", "CronWorkflow", "spec: {workflowSpec: {entrypoint: a}}"): `"spec":{"entrypoint":"a"}`,
		head("argoproj.io/v1alpha1", "WorkflowTemplate", ""):                                  `"spec":{"workflowTemplateRef":{"name":"web"}}`,
	} {
		changes, err := Builtin{}.Run(read(t, text), "create-workflow", nil, now)
		if err != nil {
			t.Fatal(err)
		}
		if got, _ := json.Marshal(changes[0].Object.Object); !strings.Contains(string(got), want) {
			t.Errorf("%s, want %s", got, want)
		}
	}
}
