package argo_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/plumbline-dev/plumbline/internal/core/app"
	"github.com/plumbline-dev/plumbline/internal/core/object"
	"github.com/plumbline-dev/plumbline/internal/core/plan"
	"github.com/plumbline-dev/plumbline/internal/core/source"
	"github.com/plumbline-dev/plumbline/internal/dialect/argo"
)

func job(name string, notes map[string]any) *unstructured.Unstructured {
	meta := map[string]any{"name": name, "annotations": notes}
	if prefix, ok := strings.CutSuffix(name, "*"); ok {
		meta = map[string]any{"generateName": prefix, "annotations": notes}
	}
	return &unstructured.Unstructured{Object: map[string]any{"apiVersion": "batch/v1", "kind": "Job", "metadata": meta}}
}

func prepared(t *testing.T, objects ...*unstructured.Unstructured) ([]plan.Item, error) {
	t.Helper()
	manifests := make([]object.Manifest, len(objects))
	for i, obj := range objects {
		manifests[i] = object.Manifest{Object: obj, Origin: object.Origin{File: "job.yaml"}}
	}
	items, _, err := settings.Prepare(settings.Decode(application()), manifests, func(object.Key) bool { return true })
	return items, err
}

func TestHooks(t *testing.T) {
	const hook, helm = "argocd.argoproj.io/hook", "helm.sh/hook"
	for name, c := range map[string]struct {
		notes map[string]any
		want  string // phases and waves, "part" for one of the application's own; empty: none
	}{
		"no annotation":                 {map[string]any{}, "part 0"},
		"one type":                      {map[string]any{hook: "PreSync"}, "PreSync 0"},
		"several types":                 {map[string]any{hook: "PostSync, PreSync"}, "PreSync 0, PostSync 0"},
		"within the sync":               {map[string]any{hook: "Sync", "argocd.argoproj.io/sync-wave": "-2"}, "Sync -2"},
		"a failure":                     {map[string]any{hook: "SyncFail"}, "SyncFail 0"},
		"skip alone":                    {map[string]any{hook: "Skip"}, ""},
		"skip and another":              {map[string]any{hook: "Skip,PostSync"}, "PostSync 0"},
		"an unknown type":               {map[string]any{hook: "Sometimes"}, "part 0"},
		"an unknown type and a known":   {map[string]any{hook: "Sometimes,PreSync"}, "PreSync 0"},
		"helm":                          {map[string]any{helm: "pre-install,pre-upgrade", "helm.sh/hook-weight": "7"}, "PreSync 7"},
		"helm after":                    {map[string]any{helm: "post-install"}, "PostSync 0"},
		"helm upgrade":                  {map[string]any{helm: "post-upgrade,pre-upgrade"}, "PreSync 0, PostSync 0"},
		"helm test":                     {map[string]any{helm: "test"}, ""},
		"helm rollback":                 {map[string]any{helm: "pre-rollback,post-rollback"}, ""},
		"helm test and upgrade":         {map[string]any{helm: "test,pre-upgrade"}, "PreSync 0"},
		"helm definition":               {map[string]any{helm: "crd-install"}, "part 0"},
		"helm definition and test":      {map[string]any{helm: "crd-install,test"}, ""},
		"the own type wins":             {map[string]any{hook: "PostSync", helm: "pre-install"}, "PostSync 0"},
		"an unknown own type does not":  {map[string]any{hook: "Sometimes", helm: "pre-install"}, "PreSync 0"},
		"the own wave wins over weight": {map[string]any{hook: "PreSync", "argocd.argoproj.io/sync-wave": "1", "helm.sh/hook-weight": "7"}, "PreSync 1"},
	} {
		t.Run(name, func(t *testing.T) {
			obj := job("x", c.notes)
			items, err := prepared(t, obj)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, item := range items {
				if item.Hook == nil {
					got = append(got, fmt.Sprintf("part %d", item.Wave))
					continue
				}
				got = append(got, fmt.Sprintf("%s %d", item.Phase, item.Wave))
			}
			if text := strings.Join(got, ", "); text != c.want {
				t.Errorf("got %q, want %q", text, c.want)
			}
			if hook := !strings.HasPrefix(c.want, "part"); argo.IsHook(obj) != hook {
				t.Errorf("is a hook: %t", !hook)
			}
		})
	}
}

func TestHooksOfDeletion(t *testing.T) {
	for want, notes := range map[string]map[string]any{
		"PreDelete":            {"argocd.argoproj.io/hook": "PreDelete"},
		"PreSync PostDelete":   {"argocd.argoproj.io/hook": "PostDelete,PreSync"},
		"PreDelete PostDelete": {"helm.sh/hook": "post-delete,pre-delete"},
	} {
		items, err := prepared(t, job("x", notes))
		var phases []string
		for _, item := range items {
			phases = append(phases, item.Phase.String())
		}
		if got := strings.Join(phases, " "); got != want || err != nil {
			t.Errorf("%v: %s, %v, want %s", notes, got, err, want)
		}
	}
}

// An Application is held by what has to run when it is deleted, for as long as that is
// so.
func TestDeletionFinalizers(t *testing.T) {
	const own, pre, post = argo.Finalizer, "pre-delete-finalizer.argocd.argoproj.io", "post-delete-finalizer.argocd.argoproj.io"
	const preClear, postClear = pre + "/cleanup", post + "/cleanup"
	phases := func(list ...app.SyncPhase) []app.SyncPhase { return list }
	for name, test := range map[string]struct {
		have     []string
		deleted  bool
		last     []app.SyncPhase
		clears   []app.SyncPhase
		ended    []app.SyncPhase
		cleared  []app.SyncPhase
		compared bool
		want     []string
	}{
		"none":          {have: []string{own}, compared: true, want: []string{own}},
		"added":         {have: []string{own, "other"}, last: phases(app.PostDelete, app.PreDelete), compared: true, want: []string{own, "other", pre, post}},
		"to be cleared": {have: []string{own}, last: phases(app.PostDelete, app.PreDelete), clears: phases(app.PostDelete), compared: true, want: []string{own, pre, post, postClear}},
		"already there": {have: []string{pre, own}, last: phases(app.PreDelete), compared: true, want: []string{pre, own}},
		"no longer":     {have: []string{own, pre, preClear, post, postClear}, last: phases(app.PostDelete), compared: true, want: []string{own, post}},
		"not compared":  {have: []string{own, pre, preClear}, want: []string{own, pre, preClear}},
		"being deleted": {have: []string{own, pre, post}, deleted: true, want: []string{own, pre, post}},
		"after a phase": {have: []string{own, pre, preClear, post}, deleted: true, ended: phases(app.PreDelete), want: []string{own, preClear, post}},
		"cleared":       {have: []string{own, preClear, post, postClear}, deleted: true, cleared: phases(app.PreDelete), want: []string{own, post, postClear}},
	} {
		t.Run(name, func(t *testing.T) {
			a := application()
			a.Finalizers = test.have
			if test.deleted {
				at := metav1.NewTime(now)
				a.DeletionTimestamp = &at
			}
			out := outcome()
			out.Compared, out.Last, out.Clears, out.Ended, out.Cleared = test.compared, test.last, test.clears, test.ended, test.cleared
			next := settings.Report(a, out, now)
			if d := cmp.Diff(test.want, next.Finalizers); d != "" {
				t.Errorf("-want +got:\n%s", d)
			}
			if test.deleted {
				if d := settings.Decode(next).Deletion; len(d.Hooks)+len(d.Clear) != len(next.Finalizers)-1 || !d.Cascade {
					t.Errorf("read back: %+v", d)
				}
			}
			out.Gone = true
			if left := settings.Report(a, out, now).Finalizers; slices.ContainsFunc(left, func(f string) bool { return f != "other" }) {
				t.Errorf("gone, and held by %v", left)
			}
		})
	}
}

func TestHookPolicies(t *testing.T) {
	const own, helm = "argocd.argoproj.io/hook-delete-policy", "helm.sh/hook-delete-policy"
	for name, c := range map[string]struct {
		notes map[string]any
		want  plan.Hook
	}{
		"none":     {map[string]any{}, plan.Hook{Before: true}},
		"unknown":  {map[string]any{own: "Sometimes"}, plan.Hook{Before: true}},
		"own":      {map[string]any{own: "HookSucceeded, HookFailed"}, plan.Hook{Succeeded: true, Failed: true}},
		"helm":     {map[string]any{helm: "before-hook-creation,hook-succeeded"}, plan.Hook{Before: true, Succeeded: true}},
		"together": {map[string]any{own: "HookFailed", helm: "hook-succeeded"}, plan.Hook{Failed: true, Succeeded: true}},
	} {
		c.notes["argocd.argoproj.io/hook"] = "PreSync"
		items, err := prepared(t, job("x", c.notes))
		if err != nil || len(items) != 1 || *items[0].Hook != c.want {
			t.Errorf("%s: %+v, %v", name, items, err)
		}
	}
}

func TestHooksWithGeneratedNames(t *testing.T) {
	pre := map[string]any{"argocd.argoproj.io/hook": "PreSync"}
	items, err := prepared(t, job("one-*", pre), job("two-*", pre), job("one-*", pre))
	if err != nil || len(items) != 2 || items[0].Title().Name != "one-*" || items[1].Title().Name != "two-*" {
		t.Fatal(items, err)
	}
	a := settings.Decode(application())
	run := app.Run{Revision: source.Revision{ID: "0123456789abcdef0123456789abcdef01234567"}, StartedAt: time.Unix(1700000000, 0)}
	armed, err := settings.Arm(a, items[0], run)
	if err != nil {
		t.Fatal(err)
	}
	if name := armed.Object.GetName(); name != "one-0123456-presync-1700000000" || armed.Object.GetGenerateName() != "" {
		t.Errorf("name %q, of %q", name, armed.Object.GetGenerateName())
	}
	run.Retries = 3
	again, err := settings.Arm(a, items[0], run)
	if err != nil || again.Object.GetName() != armed.Object.GetName() {
		t.Errorf("another attempt creates %q: %v", again.Object.GetName(), err)
	}
	if items[0].Object.GetName() != "" || len(items[0].Object.GetFinalizers()) > 0 {
		t.Error("arming changed the declared hook")
	}
}

func TestArm(t *testing.T) {
	for _, tracking := range []argo.Tracking{argo.TrackByAnnotation, argo.TrackByLabel, argo.TrackByBoth} {
		s := argo.Settings{Namespace: "argocd", Tracking: tracking}
		a := s.Decode(application())
		obj := job("x", map[string]any{"argocd.argoproj.io/hook": "PreSync,PostSync"})
		obj.SetFinalizers([]string{"example.org/mine"})
		items, _, err := s.Prepare(a, []object.Manifest{{Object: obj}}, func(object.Key) bool { return true })
		if err != nil || len(items) != 2 {
			t.Fatal(items, err)
		}
		run := app.Run{StartedAt: time.Unix(1700000000, 0)}
		attempts := map[string]bool{}
		for _, item := range items {
			armed, err := s.Arm(a, item, run)
			if err != nil {
				t.Fatal(err)
			}
			live := armed.Object
			if owner, ok := s.Owner(object.KeyOf(live), live.GetLabels(), live.GetAnnotations()); !ok || owner != a.ID {
				t.Errorf("%s: owner %s", tracking, owner)
			}
			if want := []string{"example.org/mine", argo.HookFinalizer}; !slices.Equal(live.GetFinalizers(), want) {
				t.Errorf("finalizers %v", live.GetFinalizers())
			}
			if got := argo.AttemptOf(live); got != plan.Attempt(run, item.Phase) {
				t.Errorf("attempt %q", got)
			}
			attempts[argo.AttemptOf(live)] = true
		}
		if len(attempts) != 2 {
			t.Errorf("both phases make %v", attempts)
		}
	}
}
