package scenario

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
)

var (
	soakMaps   = schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}
	soakSpaces = schema.GroupVersionResource{Version: "v1", Resource: "namespaces"}
	soakArgo   = schema.GroupVersionResource{Group: "argoproj.io", Version: "v1alpha1", Resource: "applications"}
	soakFlux   = schema.GroupVersionResource{Group: "kustomize.toolkit.fluxcd.io", Version: "v1", Resource: "kustomizations"}
	soakGit    = schema.GroupVersionResource{Group: "source.toolkit.fluxcd.io", Version: "v1", Resource: "gitrepositories"}
)

func sortedKeys(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }

// isFlux says which of the applications are Kustomizations.
func isFlux(app int) bool { return app%3 == 2 }

func (s *soak) apply(gvr schema.GroupVersionResource, obj map[string]any) {
	u := &unstructured.Unstructured{Object: obj}
	_, err := s.world.client.Resource(gvr).Namespace(u.GetNamespace()).Apply(context.Background(), u.GetName(), u, metav1.ApplyOptions{FieldManager: "soak", Force: true})
	if err != nil {
		s.t.Fatal(err)
	}
}

// declare writes the declarations of all applications.
func (s *soak) declare() {
	s.apply(soakSpaces, map[string]any{"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": "soak"}})
	s.apply(soakGit, map[string]any{
		"apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "GitRepository", "metadata": map[string]any{"name": "repo", "namespace": "soak"},
		"spec": map[string]any{"url": s.world.git + "/soak.git", "interval": "2s", "timeout": "5s", "ref": map[string]any{"branch": "main"}},
	})
	for i := range s.apps {
		s.declareOne(i)
	}
}

func (s *soak) declareOne(i int) {
	name := fmt.Sprintf("app-%d", i)
	if isFlux(i) {
		s.apply(soakFlux, map[string]any{
			"apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization", "metadata": map[string]any{"name": name, "namespace": "soak"},
			"spec": map[string]any{
				"interval": "1m", "retryInterval": "2s", "prune": true, "path": "./" + name,
				"sourceRef": map[string]any{"kind": "GitRepository", "name": "repo"},
			},
		})
		return
	}
	s.apply(soakArgo, map[string]any{
		"apiVersion": "argoproj.io/v1alpha1", "kind": "Application", "metadata": map[string]any{"name": name, "namespace": "argocd"},
		"spec": map[string]any{
			"project": "default", "source": map[string]any{"repoURL": s.world.git + "/soak.git", "targetRevision": "main", "path": name},
			"destination": map[string]any{"server": "https://kubernetes.default.svc", "namespace": "soak"},
			"syncPolicy": map[string]any{
				"automated": map[string]any{"prune": true, "selfHeal": true},
				"retry":     map[string]any{"limit": int64(-1), "backoff": map[string]any{"duration": "1s", "factor": int64(1)}},
			},
		},
	})
}

// redeclare deletes a declaration whose objects stay, and writes it again.
func (s *soak) redeclare() {
	i := s.pick()
	if isFlux(i) {
		return // a Kustomization takes its objects along
	}
	s.absent[i] = true
	s.note("app-%d goes", i)
	err := s.world.client.Resource(soakArgo).Namespace("argocd").Delete(context.Background(), fmt.Sprintf("app-%d", i), metav1.DeleteOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		s.t.Fatal(err)
	}
	s.moment()
	s.note("app-%d is back", i)
	s.declareOne(i)
}

// drift changes an object by hand.
func (s *soak) drift() {
	name := s.object(s.pick())
	if name == "" {
		return // all of it has moved elsewhere
	}
	patch := []byte(`{"data":{"value":"changed by hand"}}`)
	_, err := s.world.client.Resource(soakMaps).Namespace("soak").Patch(context.Background(), name, types.MergePatchType, patch, metav1.PatchOptions{FieldManager: "kubectl-edit"})
	if err != nil && !apierrors.IsNotFound(err) {
		s.t.Fatal(err)
	}
}

// remove deletes an object by hand.
func (s *soak) remove() {
	name := s.object(s.pick())
	if name == "" {
		return
	}
	err := s.world.client.Resource(soakMaps).Namespace("soak").Delete(context.Background(), name, metav1.DeleteOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		s.t.Fatal(err)
	}
	delete(s.uids, name)
}

// settle ends all faults, makes one more commit, and waits until the cluster is
// what the model says, and stays it.
func (s *soak) settle() {
	s.world.proxy.end()
	s.next++
	s.note("settle")
	s.push(false)
	err := within(2*deadline, func() error {
		if err := s.difference(); err != nil {
			return err
		}
		return s.reported()
	})
	if err != nil {
		s.t.Errorf("the cluster is not what the model says: %v", err)
		s.t.Log((&story{ns: "soak", own: true, world: s.world, env: map[string]string{}}).report())
		return
	}
	s.same()
	s.history, s.moved, s.absent = nil, map[string][]int{}, map[int]bool{}
	s.weigh()
}

// difference compares the objects with the model.
func (s *soak) difference() error {
	list, err := s.world.client.Resource(soakMaps).Namespace("soak").List(context.Background(), metav1.ListOptions{})
	if err != nil {
		return err
	}
	want := map[string]string{}
	for i, objects := range s.apps {
		want[fmt.Sprintf("release-%d", i)] = fmt.Sprint(s.next)
		maps.Copy(want, objects)
	}
	for i := range list.Items {
		obj := &list.Items[i]
		value, declared := want[obj.GetName()]
		got, _, _ := unstructured.NestedString(obj.Object, "data", "value")
		switch {
		case obj.GetName() == "kube-root-ca.crt":
			continue
		case !declared:
			return fmt.Errorf("%s is there and nobody declares it", obj.GetName())
		case got != value:
			return fmt.Errorf("%s is %q, not %q", obj.GetName(), got, value)
		}
		delete(want, obj.GetName())
	}
	if missing := sortedKeys(want); len(missing) > 0 {
		return fmt.Errorf("%s and %d more are missing", missing[0], len(missing)-1)
	}
	return nil
}

// reported checks that every application says that it is at the last commit.
func (s *soak) reported() error {
	for i := range s.apps {
		name := fmt.Sprintf("app-%d", i)
		gvr, ns, want := soakArgo, "argocd", []string{"status.sync.status=Synced", "status.sync.revision=" + s.head, "status.operationState.phase=Succeeded"}
		if isFlux(i) {
			gvr, ns, want = soakFlux, "soak", []string{`status.conditions[?(@.type=="Ready")].status=True`, "status.lastAppliedRevision~" + s.head + "$"}
		}
		obj, err := s.world.client.Resource(gvr).Namespace(ns).Get(context.Background(), name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		for _, expectation := range want {
			if err := matches(obj, expectation); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
	}
	return nil
}

// same checks that objects which were declared all the time are the same objects.
func (s *soak) same() {
	list, err := s.world.client.Resource(soakMaps).Namespace("soak").List(context.Background(), metav1.ListOptions{})
	if err != nil {
		s.t.Fatal(err)
	}
	for i := range list.Items {
		name, uid := list.Items[i].GetName(), string(list.Items[i].GetUID())
		// What moves to an application that is not declared is declared by nobody.
		homeless := slices.ContainsFunc(s.moved[name], func(to int) bool { return s.absent[to] })
		if before := s.uids[name]; before != "" && before != uid && !homeless {
			s.t.Errorf("%s was deleted and made anew although it was declared all the time:\n%s", name, s.story(name))
		}
		s.uids[name] = uid
	}
}

// story is what was done in this round, and what plumbd did to an object.
func (s *soak) story(name string) string {
	var b strings.Builder
	for _, line := range s.history {
		fmt.Fprintln(&b, line)
	}
	text, _ := os.ReadFile(s.world.path("audit.log"))
	for line := range strings.Lines(string(text)) {
		if strings.Contains(line, `"name":"`+name+`"`) && !strings.Contains(line, `"verb":"get"`) {
			b.WriteString(line)
		}
	}
	return b.String()
}

// weigh measures plumbd, once it is not killed any more and long enough after
// that everything which ends by itself has ended.
func (s *soak) weigh() {
	if s.kills || s.actions == 0 {
		return
	}
	goroutines, _, err := s.world.goroutines()
	if err != nil {
		s.t.Fatal(err)
	}
	memory, err := residentMemory(s.world.replicas["plumbd"].process.cmd.Process.Pid)
	if err != nil {
		s.t.Fatal(err)
	}
	s.measured = append(s.measured, measure{goroutines, memory})
}

// residentMemory returns that of a process in MiB.
func residentMemory(pid int) (float64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(text), "VmRSS:")
	fields := strings.Fields(rest)
	if len(fields) == 0 {
		return 0, fmt.Errorf("no VmRSS of process %d", pid)
	}
	kib, err := strconv.ParseFloat(fields[0], 64)
	return kib / 1024, err
}

// flat checks that plumbd is no heavier at the end than when the kills ended.
func (s *soak) flat() {
	if len(s.measured) < 4 {
		s.t.Logf("only %d measures: too short a soak to see a leak", len(s.measured))
		return
	}
	first, last := s.measured[1], s.measured[len(s.measured)-1]
	s.t.Logf("goroutines %d then, %d at the end; memory %.0f MiB then, %.0f at the end", first.goroutines, last.goroutines, first.memory, last.memory)
	if err := within(deadline, func() error { // some end with the watch that they belong to
		n, _, err := s.world.goroutines()
		if err == nil && n > first.goroutines+10 {
			return fmt.Errorf("%d goroutines, %d more than before", n, n-first.goroutines)
		}
		return err
	}); err != nil {
		s.t.Error(err)
	}
	if last.memory > 1.25*first.memory+10 {
		s.t.Errorf("memory grew from %.0f to %.0f MiB", first.memory, last.memory)
	}
	s.t.Logf("measured every round: %v", s.measured)
}
