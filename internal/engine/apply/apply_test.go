package apply_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/plumbline-dev/plumbline/internal/core/object"
	"github.com/plumbline-dev/plumbline/internal/core/plan"
	"github.com/plumbline-dev/plumbline/internal/engine/apply"
)

// Steps of one kind run at once, at most Parallel of them; the next kind waits.
func TestOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer()
		s.reached = func(call string) { time.Sleep(time.Second) }
		var steps []plan.Step
		for i := range 4 {
			steps = append(steps, step(plan.Create, thing("ConfigMap", fmt.Sprintf("a%d", i))))
		}
		steps = append(steps, step(plan.Create, thing("Service", "b")))
		j := job()
		j.Parallel = 2
		started := time.Now()
		events := run(t, s, j, steps...)
		if took := time.Since(started); took != 3*time.Second {
			t.Errorf("four of one kind by two, and one of another, took %s steps", took)
		}
		if !strings.HasPrefix(s.calls[4], "apply Service") {
			t.Errorf("a kind began before the one before it was done: %q", s.calls)
		}
		for i, e := range events {
			if e.Step.Key != steps[i].Key || e.Live.GetName() != e.Step.Key.Name || e.Took != time.Second {
				t.Errorf("event %d is about %s and has %v, %s", i, e.Step.Key, e.Live, e.Took)
			}
		}
	})
}

func TestNoParallel(t *testing.T) {
	s := newServer()
	j := job()
	j.Parallel = 0
	run(t, s, j, step(plan.Create, thing("ConfigMap", "a")), step(plan.Create, thing("ConfigMap", "b")))
	if d := cmp.Diff([]string{"apply ConfigMap shop/a", "apply ConfigMap shop/b"}, s.calls); d != "" {
		t.Errorf("without a number, one at a time (-want +got):\n%s", d)
	}
}

func TestOptions(t *testing.T) {
	s := newServer()
	j := job()
	j.RunAs, j.Takeover, j.Parallel = "ada", []string{"kubectl"}, 1
	lenient := step(plan.Patch, thing("ConfigMap", "b"))
	lenient.Lenient = true
	run(t, s, j, step(plan.Create, thing("ConfigMap", "a")), lenient, step(plan.Adopt, thing("ConfigMap", "c")), step(plan.Replace, thing("Secret", "d")))
	want := []apply.Options{
		{User: shop, RunAs: "ada", Manager: "tester"}, // what does not exist has no fields to take over
		{User: shop, RunAs: "ada", Manager: "tester", Takeover: j.Takeover, Lenient: true},
		{User: shop, RunAs: "ada", Manager: "tester", Takeover: j.Takeover},
		{User: shop, RunAs: "ada", Manager: "tester", Takeover: j.Takeover},
	}
	if d := cmp.Diff(want, s.options); d != "" {
		t.Errorf("every write is made for its user (-want +got):\n%s", d)
	}
	if last := s.calls[len(s.calls)-1]; last != "replace Secret shop/d" {
		t.Errorf("a replace was sent as %q", last)
	}
}

func TestKeepDoesNothing(t *testing.T) {
	s := newServer(thing("ConfigMap", "a"))
	events := run(t, s, job(), plan.Step{Action: plan.Keep, Key: object.KeyOf(thing("ConfigMap", "a"))})
	if len(events) != 1 || events[0].Err != nil || len(s.calls) != 0 {
		t.Errorf("%v, %q", events, s.calls)
	}
}

func TestFailureGoesOnButPrunesNothing(t *testing.T) {
	s := newServer(thing("ConfigMap", "old"))
	s.refuse["apply ConfigMap shop/a"] = apierrors.NewForbidden(schema.GroupResource{Resource: "configmaps"}, "a", errors.New("no"))
	events := run(t, s, job(),
		step(plan.Create, thing("ConfigMap", "a")),
		step(plan.Create, thing("Service", "b")),
		pruneOf(s.objects[object.KeyOf(thing("ConfigMap", "old"))]))
	want := []string{`ConfigMap shop/a in app.yaml: configmaps "a" is forbidden: no`, ""}
	if d := cmp.Diff(want, errorsOf(events)); d != "" {
		t.Errorf("later writes run, prunes do not, and the object and file are named (-want +got):\n%s", d)
	}
	if d := cmp.Diff([]string{"b", "old"}, s.names()); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestFailedPruneLetsOthersGo(t *testing.T) {
	s := newServer(thing("ConfigMap", "a"), thing("Service", "b"))
	s.refuse["delete ConfigMap shop/a"] = errors.New("no")
	events := run(t, s, job(), pruneOf(s.objects[object.KeyOf(thing("ConfigMap", "a"))]), pruneOf(s.objects[object.KeyOf(thing("Service", "b"))]))
	if d := cmp.Diff([]string{"ConfigMap shop/a: no", ""}, errorsOf(events)); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if d := cmp.Diff([]string{"a"}, s.names()); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestEndsEarly(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s := newServer()
	s.reached = func(string) { cancel() }
	events := apply.Run(ctx, s, job(), []plan.Step{step(plan.Create, thing("ConfigMap", "a")), step(plan.Create, thing("Service", "b"))})
	if len(events) != 1 || len(s.calls) != 1 {
		t.Errorf("nothing begins after the end: %d events, %q", len(events), s.calls)
	}
}

func TestPrune(t *testing.T) {
	live := thing("ConfigMap", "a")
	live.SetUID("uid-a")
	key := object.KeyOf(live)
	for name, test := range map[string]struct {
		reason string
		step   plan.Step
		edit   func(*server, *apply.Job)
		err    string
		stays  bool
		calls  []string
	}{
		"goes": {"the object of the step goes, after a last look", pruneOf(live), nil, "", false,
			[]string{"read ConfigMap shop/a", "delete ConfigMap shop/a"}},
		"gone": {"what is gone already needs no deletion", pruneOf(live),
			func(s *server, _ *apply.Job) { delete(s.objects, key) }, "", false, []string{"read ConfigMap shop/a"}},
		"gone in between": {"what goes between the look and the deletion is gone too", pruneOf(live),
			func(s *server, _ *apply.Job) {
				s.reached = func(call string) {
					if strings.HasPrefix(call, "delete ") {
						s.mu.Lock()
						delete(s.objects, key)
						s.mu.Unlock()
					}
				}
			}, "", false, nil},
		"claimed in between": {"what somebody else claims between the look and the deletion is looked at again", pruneOf(live),
			func(s *server, j *apply.Job) {
				s.reached = once("delete ", func() { s.put(live) })
				looks := 0
				j.MayPrune = func(*unstructured.Unstructured) error {
					if looks++; looks > 1 {
						return errors.New("it is not ours")
					}
					return nil
				}
			}, "ConfigMap shop/a: it is not ours", true, []string{"read ConfigMap shop/a", "delete ConfigMap shop/a", "read ConfigMap shop/a"}},
		"another": {"another object of that name stays", plan.Step{Action: plan.Prune, Key: key, UID: "uid-b"}, nil,
			"ConfigMap shop/a: it was replaced by another object of that name in the meantime", true, []string{"read ConfigMap shop/a"}},
		"no uid": {"a step that names no UID deletes nothing", plan.Step{Action: plan.Prune, Key: key}, nil,
			"ConfigMap shop/a: it was replaced by another object of that name in the meantime", true, []string{"read ConfigMap shop/a"}},
		"not ours": {"what may not be pruned stays", pruneOf(live),
			func(_ *server, j *apply.Job) {
				j.MayPrune = func(live *unstructured.Unstructured) error { return fmt.Errorf("%s is not ours", live.GetUID()) }
			}, "ConfigMap shop/a: uid-a is not ours", true, []string{"read ConfigMap shop/a"}},
		"unreadable": {"what cannot be looked at stays", pruneOf(live),
			func(s *server, _ *apply.Job) { s.refuse["read ConfigMap shop/a"] = errors.New("timeout") },
			"ConfigMap shop/a: timeout", true, []string{"read ConfigMap shop/a"}},
		"dry run": {"a dry run looks and deletes nothing", pruneOf(live),
			func(_ *server, j *apply.Job) { j.DryRun = true }, "", true, []string{"read ConfigMap shop/a"}},
	} {
		t.Run(name, func(t *testing.T) {
			s, j := newServer(live), job()
			j.RunAs = "ada"
			if test.edit != nil {
				test.edit(s, &j)
			}
			events := run(t, s, j, test.step)
			if d := cmp.Diff([]string{test.err}, errorsOf(events)); d != "" {
				t.Errorf("%s (-want +got):\n%s", test.reason, d)
			}
			if (s.objects[key] != nil) != test.stays {
				t.Errorf("%s: it stays: %t", test.reason, s.objects[key] != nil)
			}
			if test.calls != nil {
				if d := cmp.Diff(test.calls, s.calls); d != "" {
					t.Errorf("%s (-want +got):\n%s", test.reason, d)
				}
			}
			if name != "goes" {
				return
			}
			want := []apply.DeleteOptions{{User: shop, RunAs: "ada", UID: "uid-a", Version: "1", Propagation: "foreground"}}
			if d := cmp.Diff(want, s.deletes); d != "" {
				t.Errorf("the deletion names the very object (-want +got):\n%s", d)
			}
		})
	}
}

// once calls do before the first call that begins with prefix.
func once(prefix string, do func()) func(call string) {
	var only sync.Once
	return func(call string) {
		if strings.HasPrefix(call, prefix) {
			only.Do(do)
		}
	}
}

func forced(obj *unstructured.Unstructured) plan.Step {
	s := step(plan.Patch, obj)
	s.Force = true
	return s
}

func TestRecreate(t *testing.T) {
	key := object.KeyOf(fixed("a", ""))
	for name, test := range map[string]struct {
		reason string
		step   plan.Step
		edit   func(*server, *apply.Job)
		err    []string // pieces
		value  string   // of the field afterwards
		same   bool     // the object is the old one
		calls  []string
	}{
		"allowed": {
			"the new object is tried, the old one deleted, and the new one created", forced(fixed("a", "new")), nil, nil, "new", false,
			[]string{"apply Job shop/a", "try apply Job shop/a-trial", "read Job shop/a", "delete Job shop/a", "gone Job shop/a", "apply Job shop/a"},
		},
		"not allowed": {
			"without force the object stays and the message says the way out", step(plan.Patch, fixed("a", "new")), nil,
			[]string{"Job shop/a in app.yaml: ", "field is immutable", "; undo the change, or allow force"}, "old", true, []string{"apply Job shop/a"},
		},
		"trial refused": {
			"a new object that would be refused too costs nobody the old one", forced(fixed("a", "new")),
			func(s *server, _ *apply.Job) {
				s.refuse["try apply Job shop/a-trial"] = errors.New("quota exceeded")
			},
			[]string{"Job shop/a in app.yaml", "not recreated", "quota exceeded"}, "old", true, []string{"apply Job shop/a", "try apply Job shop/a-trial"},
		},
		"dry run": {
			"a dry run recreates nothing", forced(fixed("a", "new")), func(_ *server, j *apply.Job) { j.DryRun = true },
			[]string{"field is immutable"}, "old", true, []string{"try apply Job shop/a"},
		},
		"unchanged": {
			"force alone recreates nothing", forced(fixed("a", "old")), nil, nil, "old", true, []string{"apply Job shop/a"},
		},
		"invalid by itself": {
			"an object that is wrong by itself is no reason to delete the old one", forced(fixed("a", "new")),
			func(s *server, _ *apply.Job) {
				s.refuse["apply Job shop/a"] = apierrors.NewInvalid(schema.GroupKind{Kind: "Job"}, "a", nil)
			},
			[]string{"Job shop/a in app.yaml"}, "old", true, []string{"apply Job shop/a"},
		},
		"deletion refused": {
			"when the old object may not be deleted nothing is created", forced(fixed("a", "new")),
			func(s *server, _ *apply.Job) { s.refuse["delete Job shop/a"] = errors.New("forbidden") },
			[]string{"Job shop/a in app.yaml: forbidden"}, "old", true,
			[]string{"apply Job shop/a", "try apply Job shop/a-trial", "read Job shop/a", "delete Job shop/a"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, j := newServer(fixed("a", "old")), job()
			uid := s.objects[key].GetUID()
			if test.edit != nil {
				test.edit(s, &j)
			}
			events := run(t, s, j, test.step)
			got := errorsOf(events)[0]
			if len(test.err) == 0 && got != "" {
				t.Errorf("%s: %s", test.reason, got)
			}
			for _, piece := range test.err {
				if !strings.Contains(got, piece) {
					t.Errorf("%s: %q lacks %q", test.reason, got, piece)
				}
			}
			live := s.objects[key]
			if live == nil || live.Object["immutable"] != test.value || (live.GetUID() == uid) != test.same {
				t.Errorf("%s: %v", test.reason, live)
			}
			if d := cmp.Diff(test.calls, s.calls); d != "" {
				t.Errorf("%s (-want +got):\n%s", test.reason, d)
			}
		})
	}
}

// An object that does not go is its own fault, not that of the API server.
func TestRecreateStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(fixed("a", "old"))
		s.stuck[object.KeyOf(fixed("a", ""))] = true
		events := run(t, s, job(), forced(fixed("a", "new")))
		err := events[0].Err
		if err == nil || !strings.Contains(err.Error(), "Job shop/a in app.yaml: the old object is still there after 1m0s") {
			t.Fatalf("%v", err)
		}
		if apply.Transient(err) {
			t.Errorf("it is waited for as if the API server were away: %v", err)
		}
	})
}

func TestTrialNamesAreValid(t *testing.T) {
	for _, name := range []string{"a", strings.Repeat("a", 63), strings.Repeat("a", 56) + "-" + strings.Repeat("b", 100), strings.Repeat("a", 56) + "." + "b"} {
		s := newServer(fixed(name, "old"))
		run(t, s, job(), forced(fixed(name, "new")))
		i := slices.IndexFunc(s.calls, func(call string) bool { return strings.HasPrefix(call, "try ") })
		_, trial, _ := strings.Cut(s.calls[i], "shop/")
		if len(trial) > 63 || trial == name || strings.Contains(trial, "--") || strings.Contains(trial, ".-") {
			t.Errorf("%q is tried as %q", name, trial)
		}
	}
}

func TestDefinitions(t *testing.T) {
	crd := thing("CustomResourceDefinition", "widgets.example.com")
	crd.SetAPIVersion("apiextensions.k8s.io/v1")
	crd.SetNamespace("")
	s := newServer()
	run(t, s, job(), step(plan.Create, crd))
	if d := cmp.Diff([]string{"apply apiextensions.k8s.io/CustomResourceDefinition widgets.example.com", "established CustomResourceDefinition widgets.example.com"}, s.calls); d != "" {
		t.Errorf("a definition is waited for (-want +got):\n%s", d)
	}
	s = newServer()
	j := job()
	j.DryRun = true
	run(t, s, j, step(plan.Create, crd))
	if len(s.calls) != 1 {
		t.Errorf("a dry run waits for nothing: %q", s.calls)
	}
	s = newServer()
	s.refuse["established CustomResourceDefinition widgets.example.com"] = errors.New("names conflict")
	events := run(t, s, job(), step(plan.Create, crd))
	if d := cmp.Diff([]string{"apiextensions.k8s.io/CustomResourceDefinition widgets.example.com in app.yaml: names conflict"}, errorsOf(events)); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestDryRunWritesNothing(t *testing.T) {
	s := newServer(thing("ConfigMap", "a"))
	j := job()
	j.DryRun = true
	events := run(t, s, j,
		step(plan.Create, thing("Secret", "b")), step(plan.Patch, thing("ConfigMap", "a")), step(plan.Replace, thing("Role", "c")),
		pruneOf(s.objects[object.KeyOf(thing("ConfigMap", "a"))]))
	if d := cmp.Diff([]string{"", "", "", ""}, errorsOf(events)); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if d := cmp.Diff([]string{"a"}, s.names()); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	for _, call := range s.calls {
		if !strings.HasPrefix(call, "try ") && !strings.HasPrefix(call, "read ") {
			t.Errorf("a dry run sent %q", call)
		}
	}
}

func TestTransient(t *testing.T) {
	group := schema.GroupResource{Resource: "configmaps"}
	for name, test := range map[string]struct {
		err  error
		want bool
	}{
		"none":         {nil, false},
		"refused":      {&net.OpError{Op: "dial", Err: errors.New("connection refused")}, true},
		"request":      {&url.Error{Op: "Patch", URL: "https://here", Err: io.EOF}, true},
		"eof":          {fmt.Errorf("reading: %w", io.ErrUnexpectedEOF), true},
		"throttled":    {apierrors.NewTooManyRequests("slow down", 1), true},
		"unavailable":  {apierrors.NewServiceUnavailable("starting"), true},
		"timeout":      {apierrors.NewTimeoutError("etcd", 1), true},
		"server":       {apierrors.NewServerTimeout(group, "patch", 1), true},
		"forbidden":    {apierrors.NewForbidden(group, "a", errors.New("no")), false},
		"invalid":      {immutable(object.Key{Kind: "Job", Name: "a"}), false},
		"conflict":     {apierrors.NewConflict(group, "a", errors.New("stale")), false},
		"internal":     {apierrors.NewInternalError(errors.New("webhook")), false},
		"other":        {errors.New("no"), false},
		"about object": {&apply.MissingError{Key: object.Key{Kind: "ConfigMap", Name: "a"}}, false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := apply.Transient(test.err); got != test.want {
				t.Errorf("%v: %t", test.err, got)
			}
			s := newServer()
			if test.err == nil {
				return
			}
			s.refuse["apply ConfigMap shop/a"] = test.err
			event := run(t, s, job(), step(plan.Create, thing("ConfigMap", "a")))[0]
			if got := apply.Transient(event.Err); got != test.want {
				t.Errorf("in an event: %v: %t", event.Err, got)
			}
		})
	}
}
